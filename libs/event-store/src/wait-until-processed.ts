import type { Position } from '@kontor/event-sourcing';
import type pg from 'pg';
import { readCheckpoints } from './checkpoints.js';
import { ConsistencyTimeout } from './errors.js';
import { Listener } from './listener.js';
import { appliedChannel } from './projection-runner.js';
import type { ReadModel } from './read-model.js';
import { shared } from './shared.js';

export const DEFAULT_WAIT_MS = 1_000;
// Behind the notifications: they can be lost with the session that listens.
const POLL_MS = 100;
const RETRY_AFTER_MS = 500;

/** The position that the read models have reached, for readers who must see a write. */
export interface AppliedPosition {
  /** The newest position that all read models have applied: the default position of a read. */
  reached(): Promise<Position>;
  /**
   * Waits until all read models have applied a position.
   *
   * @param timeoutMs default 1,000. Who lets a client choose it bounds it.
   * @returns the position that was reached, at least the wanted one.
   * @throws ConsistencyTimeout with what was reached; never a silently stale answer.
   */
  waitUntilProcessed(position: Position, timeoutMs?: number): Promise<Position>;
  close(): Promise<void>;
}

/** Opens one listening session for all waiting readers of a process. */
export const createAppliedPosition = (
  pool: pg.Pool,
  schema: string,
  readModels: readonly ReadModel[],
): AppliedPosition => {
  const listener = new Listener(pool.options, appliedChannel(schema));
  const consumers = readModels.map(({ projection: { name, version } }) => ({ name, version }));
  const reached = shared(async () =>
    (await readCheckpoints(pool, schema, consumers)).reduce((low, position) => (position < low ? position : low)),
  );
  return {
    reached,
    waitUntilProcessed: async (wanted, timeoutMs = DEFAULT_WAIT_MS) => {
      const deadline = performance.now() + timeoutMs;
      for (;;) {
        // Counted before the look, so that a commit between the look and the wait is not missed.
        const seen = listener.seen;
        const position = await reached();
        if (position >= wanted) return position;
        const leftMs = deadline - performance.now();
        if (leftMs <= 0) throw new ConsistencyTimeout(position, wanted, RETRY_AFTER_MS);
        await listener.wait(seen, Math.min(POLL_MS, leftMs));
      }
    },
    close: () => listener.close(),
  };
};
