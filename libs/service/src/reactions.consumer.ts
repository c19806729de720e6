import { hostname } from 'node:os';
import type { Context, Position, ReactionCommand, RecordedEvent } from '@kontor/event-sourcing';
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
import { MessagingError } from '@kontor/messaging';
import pg from 'pg';
import type { Dispatcher } from './dispatcher.js';
import { derivedId } from './derived-id.js';
import { pause } from './keep-running.js';
import type { Log } from './log.js';
import { type Enrich, OutboxWorker, type Problems } from './outbox-worker.js';

const CONSUMER = { name: 'reactions', version: 1 } as const;
const RETRY_MS = 500;
/** How far the checkpoint stays behind events that nothing follows from: to read a second's events again costs less than to write it down for each batch. */
const CHECKPOINT_MS = 1_000;

interface ReactionsConsumerOptions {
  readonly pool: pg.Pool;
  readonly schema: string;
  readonly context: Context;
  readonly dispatcher: Dispatcher;
  /** The log from a position on, without end. */
  readonly feed: (after: bigint, signal: AbortSignal) => AsyncIterable<readonly RecordedEvent[]>;
  /** The newest position of the log. */
  readonly head: () => Promise<Position>;
  /** The event at a position, from the log itself; undefined if there is none. */
  readonly recorded: (position: bigint) => Promise<RecordedEvent | undefined>;
  /** By command type. */
  readonly enrich?: Readonly<Record<string, Enrich>>;
  readonly log: Log;
}

/** A reaction threw: a bug. */
class ReactionFailed extends Error {
  constructor({ position, type, streamId }: RecordedEvent, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`the reaction to position ${position} (${type} of ${streamId}) failed: ${reason}`, { cause });
  }
}

/** Somebody else than the relay has written to the event stream. The relay finds that out too and says what to do. */
class NotInLog extends EventStoreError {
  readonly retryable = true;
  constructor(position: bigint) {
    super(`JetStream has an event at position ${position} that the log does not have`);
  }
}

const passesByItself = (error: unknown): boolean =>
  error instanceof MessagingError ? error.retryable : isTransient(error);

/**
 * Answers the events of all contexts with commands of its own.
 *
 * What follows from a batch of events and the checkpoint are written in one transaction; {@link OutboxWorker} then dispatches the
 * commands. Their ids derive from the events, so a restart in between doubles nothing.
 *
 * An event whose reaction throws is parked with the reason, and so is every later event of its stream; other streams go
 * on. A service that starts takes the parked events and commands up again, in order: nothing is skipped, and readiness
 * is red until all of them are through.
 */
export class ReactionsConsumer {
  readonly #stopping = new AbortController();
  readonly #outbox: string;
  readonly #parked: string;
  readonly #problems: Problems = new Map();
  #parkedStreams: ReadonlySet<string> = new Set();
  #running: Promise<unknown> = Promise.resolve();
  readonly #worker: OutboxWorker;

  constructor(private readonly options: ReactionsConsumerOptions) {
    this.#outbox = `${pg.escapeIdentifier(options.schema)}.outbox`;
    this.#parked = `${pg.escapeIdentifier(options.schema)}.parked`;
    this.#worker = new OutboxWorker({ ...options, table: this.#outbox, problems: this.#problems });
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
        correlation_id uuid NOT NULL, causation_id uuid NOT NULL, reply json, done_at timestamptz,
        PRIMARY KEY (position, ordinal));
      ALTER TABLE ${this.#outbox} DROP COLUMN IF EXISTS now, ADD COLUMN IF NOT EXISTS parked_at timestamptz;
      CREATE INDEX IF NOT EXISTS outbox_waiting ON ${this.#outbox} (position, ordinal) WHERE done_at IS NULL;
      CREATE INDEX IF NOT EXISTS outbox_parked ON ${this.#outbox} (position, ordinal) WHERE parked_at IS NOT NULL;
      CREATE TABLE IF NOT EXISTS ${this.#parked} (
        position bigint PRIMARY KEY, event_id uuid NOT NULL, stream_id text NOT NULL, reason text NOT NULL,
        parked_at timestamptz NOT NULL DEFAULT clock_timestamp(), resolved_at timestamptz);
      CREATE INDEX IF NOT EXISTS parked_waiting ON ${this.#parked} (position) WHERE resolved_at IS NULL;
      UPDATE ${this.#outbox} SET parked_at = NULL WHERE parked_at IS NOT NULL`);
    this.#running = Promise.all([
      this.#supervise('reactions', () => this.#consume()),
      this.#supervise('outbox', () => this.#worker.run(this.#stopping.signal)),
    ]);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
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
      await pause(RETRY_MS, signal);
    }
  }

  async #consume(): Promise<void> {
    const { pool, schema, feed } = this.options;
    const { signal } = this.#stopping;
    const claim = await claimCheckpoint(pool, { ...CONSUMER, schema, owner: hostname() });
    this.#problems.delete('reactions');
    await this.#takeUpParked(claim);
    this.#worker.wake();
    if (this.options.context.reactions.canHandle.length === 0) return await this.#passAll(claim);
    let written = claim.position;
    let position = written;
    let writtenAtMs = performance.now();
    for await (const batch of feed(position, signal)) {
      if (signal.aborted) return;
      position = batch.at(-1)?.position ?? position;
      const answered = batch.filter((event) => this.#isAnswered(event));
      if (answered.length === 0 && (position === written || performance.now() - writtenAtMs < CHECKPOINT_MS)) continue;
      await this.#take(claim, answered, position);
      written = position;
      writtenAtMs = performance.now();
      if (answered.length > 0) this.#worker.wake();
    }
  }

  /** Nothing follows from any event, so none is read. It only says how far it is: partitions and alarms wait for all consumers. */
  async #passAll(claim: CheckpointClaim): Promise<void> {
    const { signal } = this.#stopping;
    let written = claim.position;
    while (!signal.aborted) {
      const head = await this.options.head();
      if (head > written) await this.#take(claim, [], head);
      written = head;
      await pause(CHECKPOINT_MS, signal);
    }
  }

  /** Whether something follows from an event. A reaction that throws is parked, as is what comes after it in its stream. */
  #isAnswered(event: RecordedEvent): boolean {
    const { canHandle } = this.options.context.reactions;
    if (!canHandle.includes(event.type)) return false;
    if (this.#parkedStreams.has(event.streamId)) return true;
    try {
      return this.#commandsAfter(event).length > 0;
    } catch (error) {
      if (error instanceof ReactionFailed) return true;
      throw error;
    }
  }

  /** One transaction: what follows from the events, what is parked of them, and the checkpoint. */
  async #take(claim: CheckpointClaim, events: readonly RecordedEvent[], upTo: Position): Promise<void> {
    await inTransaction(this.options.pool, async (client) => {
      const done = await lockCheckpoint(client, claim);
      const waiting = new Set(this.#parkedStreams);
      let isParked = false;
      for (const received of events) {
        if (received.position <= done) continue;
        const event = await this.#inLog(received);
        const { position, eventId, streamId } = event;
        const reason = waiting.has(streamId)
          ? 'an earlier event of the stream is parked'
          : await this.#reactUnlessBroken(client, event);
        if (reason === undefined) continue;
        waiting.add(streamId);
        isParked = true;
        await client.query(
          `INSERT INTO ${this.#parked} (position, event_id, stream_id, reason) VALUES ($1, $2, $3, $4)`,
          [position, eventId, streamId, reason],
        );
      }
      await advanceCheckpoint(client, claim, upTo);
      if (isParked) await this.#reportParked(client);
    });
  }

  /**
   * The event as the log has it. JetStream only says that there is something: whoever can write to NATS starts nothing.
   *
   * @throws NotInLog if the log has no such event.
   */
  async #inLog({ position, eventId }: Pick<RecordedEvent, 'position' | 'eventId'>): Promise<RecordedEvent> {
    const event = await this.options.recorded(position);
    if (event?.eventId !== eventId) throw new NotInLog(position);
    return event;
  }

  /** One transaction: reacts to parked events in order. A stream whose next event still fails waits on. */
  async #takeUpParked(claim: CheckpointClaim): Promise<void> {
    await inTransaction(this.options.pool, async (client) => {
      await lockCheckpoint(client, claim);
      const waiting = new Set<string>();
      for (const { position, eventId, streamId } of await this.#readParked(client)) {
        if (waiting.has(streamId)) continue;
        const event = await this.#inLog({ position: BigInt(position), eventId });
        const reason = await this.#reactUnlessBroken(client, event);
        if (reason !== undefined) waiting.add(streamId);
        await client.query(
          reason === undefined
            ? `UPDATE ${this.#parked} SET resolved_at = clock_timestamp() WHERE position = $1`
            : `UPDATE ${this.#parked} SET reason = $2 WHERE position = $1`,
          reason === undefined ? [position] : [position, reason],
        );
      }
      await this.#reportParked(client);
    });
  }

  /** @returns why the reaction failed; undefined if what follows from the event is written. */
  async #reactUnlessBroken(client: pg.PoolClient, event: RecordedEvent): Promise<string | undefined> {
    try {
      await this.#react(client, event);
      return undefined;
    } catch (error) {
      if (!(error instanceof ReactionFailed)) throw error;
      this.options.log.error('an event is parked', error);
      return error.message;
    }
  }

  async #readParked(client: pg.PoolClient) {
    const { rows } = await client.query<{ position: string; eventId: string; streamId: string; reason: string }>(
      `SELECT position, event_id AS "eventId", stream_id AS "streamId", reason
       FROM ${this.#parked} WHERE resolved_at IS NULL ORDER BY position`,
    );
    return rows;
  }

  async #reportParked(client: pg.PoolClient): Promise<void> {
    const rows = await this.#readParked(client);
    this.#parkedStreams = new Set(rows.map(({ streamId }) => streamId));
    const [first] = rows;
    if (first) this.#problems.set('parked', `reactions: ${rows.length} events are parked, first: ${first.reason}`);
    else this.#problems.delete('parked');
  }

  async #react(client: pg.PoolClient, event: RecordedEvent): Promise<void> {
    const { context } = this.options;
    for (const [ordinal, { type, data, workspace = event.workspace }] of this.#commandsAfter(event).entries()) {
      await client.query(
        `INSERT INTO ${this.#outbox} (position, ordinal, workspace, command_id, type, data, correlation_id, causation_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
        [
          event.position,
          ordinal,
          workspace,
          derivedId({ process: context.name, step: ordinal, eventId: event.eventId, recordedAt: event.recordedAt }),
          type,
          JSON.stringify(data),
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
}
