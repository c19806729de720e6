import type {
  Accepted,
  AppendRequest,
  AppendResult,
  EventStore,
  Position,
  RecordedEvent,
  StreamId,
  Upcasters,
} from '@kontor/event-sourcing';
import pg from 'pg';
import { AppendBatcher } from './append-batcher.js';
import { findCommand } from './find-command.js';
import { readAll, readHead } from './read-all.js';
import { readStream } from './read-stream.js';

export interface EventStoreOptions {
  /** Of all contexts whose events are read through this store. */
  readonly upcasters: Upcasters;
  /** How long an append is sent again after connection errors, from the moment it was queued. Default 10,000. */
  readonly appendDeadlineMs?: number;
}

/** The kernel's event store on PostgreSQL. */
export interface PostgresEventStore extends EventStore {
  /** Sends what is queued, then ends the store's own sessions. A pool that was passed in stays open. */
  close(): Promise<void>;
}

/**
 * Opens the log for one process: one dedicated session appends, a pool reads.
 *
 * @param connection a pool to share, or settings for a pool of its own. Its role decides which context may be appended.
 */
export const createEventStore = (
  connection: pg.Pool | pg.PoolConfig,
  { upcasters, appendDeadlineMs }: EventStoreOptions,
): PostgresEventStore => {
  const shared = connection instanceof pg.Pool;
  const pool = shared ? connection : createPool(connection);
  const batcher = new AppendBatcher(pool.options, appendDeadlineMs);
  return {
    append: (request: AppendRequest): Promise<AppendResult> => batcher.append(request),
    findCommand: (commandId: string): Promise<(Accepted & { readonly requestHash: Uint8Array }) | undefined> =>
      findCommand(pool, commandId),
    readStream: (stream: StreamId, afterVersion = 0n): AsyncIterable<RecordedEvent> =>
      readStream(pool, stream, afterVersion, upcasters),
    readAll: (after: Position, options = {}): AsyncIterable<RecordedEvent> => readAll(pool, after, options, upcasters),
    head: () => readHead(pool),
    close: async () => {
      await batcher.close();
      if (!shared) await pool.end();
    },
  };
};

/**
 * A pool whose idle sessions may break: PostgreSQL restarts, and the next query opens a new session.
 *
 * Without the listener Node would end the process on the first broken idle session.
 */
export const createPool = (config: pg.PoolConfig): pg.Pool => {
  const pool = new pg.Pool(config);
  pool.on('error', () => undefined);
  return pool;
};
