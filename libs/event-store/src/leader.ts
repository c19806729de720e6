import pg from 'pg';
import { connectionOf } from './append-connection.js';
import { pause } from './pause.js';

const LEADER_POLL_MS = 1_000;
const FIRST_BACKOFF_MS = 50;
const MAX_BACKOFF_MS = 5_000;

/** Work that one process does at a time. */
export interface Leadership {
  readonly pool: pg.Pool;
  /** Whoever holds the lock of this name works; the others wait. */
  readonly lock: string;
  readonly applicationName: string;
  readonly signal: AbortSignal;
  /** Called when the work or PostgreSQL failed, before the next try. */
  readonly onRetry?: ((error: unknown, delayMs: number) => void) | undefined;
}

/**
 * Does the work while this process is the leader, and again after a failure, until the signal aborts.
 *
 * The lock ends with its session, and so does the signal that the work gets. That keeps work from being done twice most
 * of the time and promises no more: the work must do no harm when two do it.
 *
 * @throws an error of the work that says that waiting does not help (`retryable: false`).
 */
export const leadUntilAborted = async (
  leadership: Leadership,
  work: (signal: AbortSignal, onProgress: () => void) => Promise<void>,
): Promise<void> => {
  const { signal, onRetry } = leadership;
  let backoffMs = FIRST_BACKOFF_MS;
  while (!signal.aborted) {
    try {
      await lead(leadership, (leading) => work(leading, () => (backoffMs = FIRST_BACKOFF_MS)));
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Error && 'retryable' in error && error.retryable === false) throw error;
      onRetry?.(error, backoffMs);
      await pause(backoffMs, signal);
      backoffMs = Math.min(backoffMs * 2, MAX_BACKOFF_MS);
    }
  }
};

const lead = async (
  { pool, lock, applicationName, signal }: Leadership,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> => {
  const leader = new pg.Client({ ...connectionOf(pool.options), application_name: applicationName });
  const lost = new AbortController();
  leader.on('error', () => lost.abort());
  leader.on('end', () => lost.abort());
  try {
    await leader.connect();
    while (!signal.aborted && !(await tryLock(leader, lock))) await pause(LEADER_POLL_MS, signal);
    await work(AbortSignal.any([signal, lost.signal]));
  } finally {
    await leader.end();
  }
};

const tryLock = async (leader: pg.Client, lock: string): Promise<boolean> => {
  const { rows } = await leader.query<{ held: boolean }>('SELECT pg_try_advisory_lock(hashtext($1)) AS held', [lock]);
  return rows[0]?.held ?? false;
};
