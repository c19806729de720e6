import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { Context, ReactionCommand, RecordedEvent } from '@kontor/event-sourcing';
import {
  advanceCheckpoint,
  CheckpointLost,
  type CheckpointClaim,
  claimCheckpoint,
  ensureCheckpoints,
  EventStoreError,
  inTransaction,
  isTransient,
  lockCheckpoint,
} from '@kontor/event-store';
import { type CommandReply, MessagingError } from '@kontor/messaging';
import pg from 'pg';
import type { Dispatcher } from './dispatcher.js';
import { derivedId } from './derived-id.js';
import type { Log } from './log.js';

const CONSUMER = { name: 'reactions', version: 1 } as const;
const RETRY_MS = 500;
/** How many waiting commands are read at once. */
const PAGE = 100;

/** Facts that a command needs and its event does not hold, added right before it is dispatched. */
export type Enrich = (command: WaitingCommand) => Promise<unknown>;

/** A command that follows from an event, waiting to be dispatched. */
export interface WaitingCommand {
  readonly position: string;
  readonly ordinal: number;
  readonly workspace: string;
  readonly commandId: string;
  readonly type: string;
  readonly data: unknown;
  readonly now: string;
  readonly correlationId: string;
  readonly causationId: string;
}

interface ReactionsConsumerOptions {
  readonly pool: pg.Pool;
  readonly schema: string;
  readonly context: Context;
  readonly dispatcher: Dispatcher;
  /** The log from a position on, without end. */
  readonly feed: (after: bigint, signal: AbortSignal) => AsyncIterable<readonly RecordedEvent[]>;
  /** By command type. */
  readonly enrich?: Readonly<Record<string, Enrich>>;
  readonly log: Log;
}

/** A reaction threw: a bug. The checkpoint stays before the event, so that nothing is skipped. */
class ReactionFailed extends EventStoreError {
  readonly retryable = false;
  constructor({ position, type, streamId }: RecordedEvent, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`the reaction to position ${position} (${type} of ${streamId}) failed: ${reason}`, { cause });
  }
}

const passesByItself = (error: unknown): boolean =>
  error instanceof MessagingError ? error.retryable : isTransient(error);

/**
 * Answers the events of all contexts with commands of its own.
 *
 * What follows from a batch of events and the checkpoint are written in one transaction. A worker then dispatches the
 * commands in order; their ids derive from the events, so a restart in between doubles nothing. A rejection is an
 * answer and is kept with the command.
 */
export class ReactionsConsumer {
  readonly #stopping = new AbortController();
  readonly #outbox: string;
  /** By part: why it does not move. What passes by itself is taken out again by the next step that succeeds. */
  readonly #problems = new Map<'reactions' | 'outbox', string>();
  #running: Promise<unknown> = Promise.resolve();
  #wake: (() => void) | undefined;

  constructor(private readonly options: ReactionsConsumerOptions) {
    this.#outbox = `${pg.escapeIdentifier(options.schema)}.outbox`;
  }

  /** Why nothing moves any more, for readiness; undefined if all is well. */
  get problem(): string | undefined {
    return this.#problems.size === 0 ? undefined : [...this.#problems.values()].join('; ');
  }

  async start(): Promise<void> {
    const { pool, schema } = this.options;
    await ensureCheckpoints(pool, schema);
    await pool.query(`
      CREATE TABLE IF NOT EXISTS ${this.#outbox} (
        position bigint, ordinal int, workspace text NOT NULL, command_id uuid NOT NULL, type text NOT NULL, data json NOT NULL,
        now text NOT NULL, correlation_id uuid NOT NULL, causation_id uuid NOT NULL, reply json, done_at timestamptz,
        PRIMARY KEY (position, ordinal));
      CREATE INDEX IF NOT EXISTS outbox_waiting ON ${this.#outbox} (position, ordinal) WHERE done_at IS NULL`);
    this.#running = Promise.all([
      this.#supervise('reactions', () => this.#consume()),
      this.#supervise('outbox', () => this.#work()),
    ]);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake?.();
    await this.#running;
  }

  /** Begins again after what passes by itself; stops and says so after what does not. */
  async #supervise(part: 'reactions' | 'outbox', body: () => Promise<void>): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await body();
      } catch (error) {
        if (signal.aborted) return;
        // A checkpoint that another process holds is in good hands.
        if (!(error instanceof CheckpointLost))
          this.#problems.set(part, `${part}: ${error instanceof Error ? error.message : String(error)}`);
        if (!passesByItself(error)) {
          this.options.log.error(`${part} stopped`, error);
          return;
        }
        this.options.log.error(`${part} begins again`, error);
      }
      await this.#pause(RETRY_MS);
    }
  }

  async #consume(): Promise<void> {
    const { pool, schema, feed } = this.options;
    const { signal } = this.#stopping;
    const claim = await claimCheckpoint(pool, { ...CONSUMER, schema, owner: hostname() });
    this.#problems.delete('reactions');
    for await (const batch of feed(claim.position, signal)) {
      if (signal.aborted) return;
      await this.#take(claim, batch);
      this.#wake?.();
    }
  }

  /** One transaction: what follows from the batch, and the checkpoint. */
  async #take(claim: CheckpointClaim, batch: readonly RecordedEvent[]): Promise<void> {
    const { canHandle } = this.options.context.reactions;
    await inTransaction(this.options.pool, async (client) => {
      const done = await lockCheckpoint(client, claim);
      for (const event of batch) {
        if (event.position > done && canHandle.includes(event.type)) await this.#react(client, event);
      }
      const last = batch.at(-1)?.position ?? done;
      if (last > done) await advanceCheckpoint(client, claim, last);
    });
  }

  async #react(client: pg.PoolClient, event: RecordedEvent): Promise<void> {
    const { context } = this.options;
    for (const [ordinal, { type, data }] of this.#commandsAfter(event).entries()) {
      await client.query(
        `INSERT INTO ${this.#outbox} (position, ordinal, workspace, command_id, type, data, now, correlation_id, causation_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
        [
          event.position,
          ordinal,
          event.workspace,
          derivedId({ process: context.name, step: ordinal, eventId: event.eventId, recordedAt: event.recordedAt }),
          type,
          JSON.stringify(data),
          new Date(event.recordedAt).toISOString(),
          event.meta.correlationId,
          event.eventId,
        ],
      );
    }
  }

  #commandsAfter(event: RecordedEvent): readonly ReactionCommand[] {
    try {
      return this.options.context.reactions.react(event);
    } catch (error) {
      throw new ReactionFailed(event, error);
    }
  }

  async #work(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const { rows } = await this.options.pool.query<WaitingCommand>(
        `SELECT position, ordinal, workspace, command_id AS "commandId", type, data, now,
                correlation_id AS "correlationId", causation_id AS "causationId"
         FROM ${this.#outbox} WHERE done_at IS NULL ORDER BY position, ordinal LIMIT ${PAGE}`,
      );
      this.#problems.delete('outbox');
      for (const command of rows) {
        if (signal.aborted) return;
        await this.#carryOut(command);
      }
      if (rows.length < PAGE) await this.#pause(RETRY_MS);
    }
  }

  async #carryOut(command: WaitingCommand): Promise<void> {
    const { dispatcher, enrich } = this.options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const data = (await enrich?.[command.type]?.(command)) ?? command.data;
      const reply = await dispatcher.dispatch({ ...command, data });
      if (reply.outcome !== 'failed') return this.#settle(command, reply);
      if (reply.code === 'INVALID') throw new TypeError(`a reaction made an invalid ${command.type}: ${reply.message}`);
      this.#problems.set('outbox', `outbox: ${command.type} after position ${command.position}: ${reply.message}`);
      await this.#pause(reply.retryAfterMs ?? RETRY_MS);
    }
  }

  async #settle({ position, ordinal }: WaitingCommand, reply: CommandReply): Promise<void> {
    this.#problems.delete('outbox');
    await this.options.pool.query(
      `UPDATE ${this.#outbox} SET reply = $3, done_at = clock_timestamp() WHERE position = $1 AND ordinal = $2`,
      [position, ordinal, JSON.stringify(reply)],
    );
  }

  /** Waits, or less if there is something to do. */
  async #pause(ms: number): Promise<void> {
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    const signal = AbortSignal.any([woken.signal, this.#stopping.signal]);
    await delay(ms, undefined, { signal }).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }
}
