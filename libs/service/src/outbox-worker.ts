import type { CommandReply } from '@kontor/messaging';
import type pg from 'pg';
import type { Dispatcher } from './dispatcher.js';
import { pause } from './keep-running.js';
import type { Log } from './log.js';

const RETRY_MS = 500;
/** How many waiting commands are read at once. */
const PAGE = 100;
/**
 * How often a command that fails for no known reason is tried, RETRY_MS apart, before it is parked. What is known to pass
 * by itself is UNAVAILABLE and is tried without end, so this is a bug and all tries may be the same: two seconds are for
 * what nobody thought of, and no longer, because all later commands of the context wait meanwhile.
 */
const TRIES = 5;

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
  /** When it is dispatched, RFC 3339. */
  readonly now: string;
  readonly correlationId: string;
  readonly causationId: string;
}

/** By part: why it does not move. What passes by itself is taken out again by the next step that succeeds. */
export type Problems = Map<'reactions' | 'parked' | 'outbox' | 'parkedCommands', string>;

type Failed = Extract<CommandReply, { readonly outcome: 'failed' }>;

interface OutboxWorkerOptions {
  readonly pool: pg.Pool;
  /** Of the waiting commands, quoted. */
  readonly table: string;
  readonly dispatcher: Dispatcher;
  /** By command type. */
  readonly enrich?: Readonly<Record<string, Enrich>>;
  readonly problems: Problems;
  readonly log: Log;
}

/**
 * Dispatches the commands that wait in an outbox, in order. A rejection is an answer and is kept with the command. A command that is
 * invalid, or that still fails after some tries, is parked with its reply; later commands go on.
 *
 * Every process has a worker, and none waits for another: a command that two send is in the log once, by its id. Only a
 * refusal leaves nothing there, so a worker that stalled could carry out what another has seen refused and has gone on
 * from. Hence the rule: a worker appends only if it has seen the row open after it took the state that it judges. The
 * append names that state's version, so the stream has not moved since the row was open. A refusal that is noted between
 * that look and the append is one of the same state or an older one; the command then counts as carried out just before
 * the note, and nothing that came after the note on its stream. The first note stays.
 */
export class OutboxWorker {
  #woken = new AbortController();

  constructor(private readonly options: OutboxWorkerOptions) {}

  /** There is something to do. */
  wake(): void {
    this.#woken.abort();
  }

  /** Dispatches until the signal aborts. @throws the driver's error if PostgreSQL is away; run it again. */
  async run(signal: AbortSignal): Promise<void> {
    const { pool, table, problems } = this.options;
    while (!signal.aborted) {
      // Before the look, so that what is written after it is not slept over.
      this.#woken = new AbortController();
      const { rows } = await pool.query<Omit<WaitingCommand, 'now'>>(
        `SELECT position, ordinal, workspace, command_id AS "commandId", type, data,
                correlation_id AS "correlationId", causation_id AS "causationId"
         FROM ${table} WHERE done_at IS NULL AND parked_at IS NULL ORDER BY position, ordinal LIMIT ${PAGE}`,
      );
      problems.delete('outbox');
      for (const command of rows) {
        if (signal.aborted) return;
        await this.#carryOut(command, signal);
      }
      // By itself too: another process may have written something.
      if (rows.length < PAGE) await pause(RETRY_MS, AbortSignal.any([this.#woken.signal, signal]));
    }
  }

  async #carryOut(command: Omit<WaitingCommand, 'now'>, signal: AbortSignal): Promise<void> {
    for (let tries = 1; !signal.aborted;) {
      const reply = await this.#dispatch(command);
      if (reply.outcome === 'rejected' && reply.code === 'NO_LONGER_WANTED') return;
      // Others were faster on a busy stream. Nobody waits for this answer, so the command does: a suspension is not dropped.
      if (reply.outcome === 'rejected' && reply.code === 'CONFLICT') continue;
      if (reply.outcome !== 'failed') return this.#settle(command, reply);
      const { type, position } = command;
      if (reply.code === 'INVALID' || (reply.code === 'INTERNAL' && tries === TRIES)) return this.#park(command, reply);
      if (reply.code === 'INTERNAL') tries += 1;
      this.options.problems.set('outbox', `outbox: ${type} after position ${position}: ${reply.message}`);
      await pause(reply.retryAfterMs ?? RETRY_MS, signal);
    }
  }

  /** @throws the driver's error if facts cannot be added because PostgreSQL is away; another failure there is a reply. */
  async #dispatch(command: Omit<WaitingCommand, 'now'>): Promise<CommandReply> {
    const { pool, dispatcher, enrich, log } = this.options;
    const { type, correlationId } = command;
    // The moment of the decision, not of its cause: what has expired since must not count.
    const waiting = { ...command, now: new Date().toISOString() };
    let data: unknown;
    try {
      data = (await enrich?.[type]?.(waiting)) ?? command.data;
    } catch (error) {
      // A broken connection looks like any other error. If PostgreSQL answers, the failure is this command's own.
      await pool.query('SELECT');
      log.error('facts for a command could not be added', error, { type, correlationId });
      const reason = error instanceof Error ? error.message : String(error);
      return { outcome: 'failed', code: 'INTERNAL', message: `adding its facts failed: ${reason}`, correlationId };
    }
    return dispatcher.dispatch({ ...waiting, data, asked: command.data, isWanted: () => this.#isOpen(command) });
  }

  /** Whether no worker has noted an answer. */
  async #isOpen({ position, ordinal }: Pick<WaitingCommand, 'position' | 'ordinal'>): Promise<boolean> {
    const { rowCount } = await this.options.pool.query(
      `SELECT FROM ${this.options.table} WHERE position = $1 AND ordinal = $2 AND done_at IS NULL`,
      [position, ordinal],
    );
    return rowCount === 1;
  }

  async #settle(
    { position, ordinal }: Pick<WaitingCommand, 'position' | 'ordinal'>,
    reply: CommandReply,
  ): Promise<void> {
    this.options.problems.delete('outbox');
    await this.options.pool.query(
      `UPDATE ${this.options.table} SET reply = $3, done_at = clock_timestamp(), parked_at = NULL
       WHERE position = $1 AND ordinal = $2 AND done_at IS NULL`,
      [position, ordinal, JSON.stringify(reply)],
    );
  }

  async #park({ position, ordinal, type }: Omit<WaitingCommand, 'now'>, reply: Failed): Promise<void> {
    const { pool, table, problems, log } = this.options;
    log.error('a command is parked', reply.message, { type, position });
    await pool.query(
      `UPDATE ${table} SET reply = $3, parked_at = clock_timestamp()
       WHERE position = $1 AND ordinal = $2 AND done_at IS NULL`,
      [position, ordinal, JSON.stringify(reply)],
    );
    problems.delete('outbox');
    const { rows } = await pool.query<{ type: string; position: string; message: string }>(
      `SELECT type, position, reply->>'message' AS message
       FROM ${table} WHERE parked_at IS NOT NULL ORDER BY position, ordinal`,
    );
    const [first] = rows;
    if (!first) return;
    const where = `${first.type} after position ${first.position}`;
    problems.set('parkedCommands', `outbox: ${rows.length} commands are parked, first: ${where}: ${first.message}`);
  }
}
