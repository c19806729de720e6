import { latest, type Position } from '@kontor/event-sourcing';
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

/** How long a reader waits for what was promised to it: a batch takes milliseconds, so by then no rows are made at all. */
const PROMISED_WAIT_MS = 5_000;

/**
 * How much may be promised and not applied, by {@link AppliedPosition.promise}'s weight. More than small commands are under way at
 * once, so that few writes wait, and two of the largest batches, which take some tens of ms: no reader waits long.
 */
const MAX_PROMISED_WEIGHT = 2_000;
/** Of each write beside its items: 60 small ones may be promised. */
const WRITE_WEIGHT = 32;

/** The position that the read models have reached, for readers who must see a write. */
export interface AppliedPosition {
  /** The newest position that all read models have applied: the default position of a read, after {@link untilKept}. */
  reached(): Promise<Position>;
  /**
   * Waits until all read models have applied a position.
   *
   * @param timeoutMs default 1,000. Who lets a client choose it bounds it.
   * @returns the position that was reached, at least the wanted one.
   * @throws ConsistencyTimeout with what was reached; never a silently stale answer.
   */
  waitUntilProcessed(position: Position, timeoutMs?: number): Promise<Position>;
  /**
   * Has all who ask {@link untilKept} from now on wait for a position: its write may be acknowledged before the rows are there.
   *
   * @param isAddition whether it takes nothing away that rows show, so that who looks for what was there before need not wait.
   * @param items how many things the rows are made of: metrics, tags, spans.
   */
  promise(position: Position, options?: { readonly isAddition?: boolean; readonly items?: number }): void;
  /**
   * Waits while too much is promised; mostly it is not. So who writes faster than rows are made goes no faster than they. Does not
   * reject because they are late: the write has happened.
   */
  untilNear(): Promise<void>;
  /**
   * Waits until everything that was promised is applied; mostly it is.
   *
   * @param withoutAdditions waits only for what may have taken something away.
   * @returns a position that was reached, as this process knows it; mostly the newest.
   * @throws ConsistencyTimeout after 5 s
   */
  untilKept(withoutAdditions?: boolean): Promise<Position>;
  /** Tells those who wait what was applied, where this process knows it first. */
  note(position: Position): void;
  /**
   * Forgets what is known: rows and checkpoint of the last moments are lost together when PostgreSQL crashes, because nobody
   * waits for their flush. A listening session that ends is taken for one.
   */
  doubt(): void;
  close(): Promise<void>;
}

/** Opens one listening session for all waiting readers of a process. */
export const createAppliedPosition = (
  pool: pg.Pool,
  schema: string,
  readModels: readonly ReadModel[],
): AppliedPosition => {
  const consumers = readModels.map(({ projection: { name, version } }) => ({ name, version }));
  let known: Position = 0n;
  /** The newest, and the newest that is no addition. */
  const promised = { all: 0n, changes: 0n };
  /** What is promised and not known to be applied, the oldest first. */
  const owed: { readonly position: Position; readonly weight: number }[] = [];
  const doubt = (): void => void (known = 0n);
  const listener = new Listener(pool.options, appliedChannel(schema), doubt);
  const look = shared(async () => {
    const before = known;
    const position = (await readCheckpoints(pool, schema, consumers)).reduce((low, one) => (one < low ? one : low));
    // Behind what was known when it was asked: PostgreSQL has lost it.
    known = position < before ? position : latest(known, position);
    return position;
  });
  /** What must be applied first if too much is promised; never what was promised last. */
  const tooMuch = (): Position | undefined => {
    while (owed[0] !== undefined && owed[0].position <= known) owed.shift();
    let left = owed.reduce((sum, { weight }) => sum + weight, 0);
    let wanted: Position | undefined;
    for (const { position, weight } of owed.slice(0, -1)) {
      if (left <= MAX_PROMISED_WEIGHT) break;
      left -= weight;
      wanted = position;
    }
    return wanted;
  };
  const waitUntilProcessed = async (wanted: Position, timeoutMs = DEFAULT_WAIT_MS): Promise<Position> => {
    const deadline = performance.now() + timeoutMs;
    // Whoever cannot wait is told what PostgreSQL says, not what this process happens to know.
    for (let isNews = timeoutMs > 0; ;) {
      // Counted before the look, so that a commit between the look and the wait is not missed.
      const { seen } = listener;
      if (!isNews) await look();
      if (known >= wanted) return known;
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) throw new ConsistencyTimeout(known, wanted, RETRY_AFTER_MS);
      const before = known;
      await listener.wait(seen, Math.min(POLL_MS, leftMs));
      // Noted in this process, or looked up by somebody else; what a notification says is only a hint to look.
      isNews = known > before;
    }
  };
  return {
    reached: look,
    waitUntilProcessed,
    untilKept: async (withoutAdditions = false) => {
      const wanted = withoutAdditions ? promised.changes : promised.all;
      return known < wanted ? await waitUntilProcessed(wanted, PROMISED_WAIT_MS) : known;
    },
    promise: (position, { isAddition = false, items = 0 } = {}) => {
      promised.all = latest(promised.all, position);
      if (!isAddition) promised.changes = latest(promised.changes, position);
      owed.push({ position, weight: WRITE_WEIGHT + items });
    },
    untilNear: async () => {
      const wanted = tooMuch();
      if (wanted === undefined) return;
      try {
        await waitUntilProcessed(wanted, PROMISED_WAIT_MS);
      } catch (error) {
        if (!(error instanceof ConsistencyTimeout)) throw error;
      }
    },
    note: (position) => {
      known = latest(known, position);
      listener.wake();
    },
    doubt,
    close: () => listener.close(),
  };
};
