import { BEGINNING, type Position } from '@kontor/event-sourcing';
import type pg from 'pg';
import { coldPositionAtTime } from './archive/cold-reader.js';
import { ConsistencyTimeout, TimeInFuture } from './errors.js';
import { pause } from './pause.js';
import { readHead } from './read-all.js';

/** An append holds the head row for milliseconds. */
const SETTLE_POLL_MS = 5;
const SETTLE_TIMEOUT_MS = 5_000;
const RETRY_AFTER_MS = 500;

/**
 * The last position that was recorded at or before a moment; 0 before the first event. The answer is final.
 *
 * A binary search over positions, because `recorded_at` never falls: at most 34 probes of the primary key for 16
 * thousand million events, and no index over time to pay for on every append.
 *
 * @param time RFC 3339.
 * @throws TimeInFuture if the moment has not come yet by the clock of the database: the answer could still change.
 * @throws ConsistencyTimeout if a transaction that may still add to the answer did not end within 5 s.
 */
export const positionAtTime = async (pool: pg.Pool, time: string): Promise<Position> => {
  const { rows } = await pool.query<{ future: boolean }>('SELECT $1::timestamptz > clock_timestamp() AS future', [
    time,
  ]);
  if (rows[0]?.future) throw new TimeInFuture(time);
  const head = await readHead(pool);
  const position = await lastRecorded(pool, time, BEGINNING, head);
  // An event after the moment is there, and what is still to come stands after that event.
  if (position < head) return position;
  await untilSettled(pool, position);
  return lastRecorded(pool, time, position, await readHead(pool));
};

/** The last position up to `head` that was recorded at or before a moment; `known` was. */
const lastRecorded = async (pool: pg.Pool, time: string, known: Position, head: Position): Promise<Position> => {
  let low = known;
  let above = head + 1n;
  let archived: Position | undefined;
  while (above - low > 1n) {
    const probe = (low + above) / 2n;
    const recorded = await pool.query<{ before: boolean }>({
      name: 'es_probe_time',
      text: 'SELECT recorded_at <= $2::timestamptz AS before FROM es.event WHERE pos = $1',
      values: [probe, time],
    });
    const [row] = recorded.rows;
    // What is archived is older than all that is not.
    if (!row) archived = probe;
    if (row?.before ?? true) low = probe;
    else above = probe;
  }
  return low === archived ? ((await coldPositionAtTime(pool, time)) ?? low) : low;
};

/**
 * Waits for the end of every transaction that has begun to write. An append takes its time under the lock of the head
 * row, before it commits: what is under way may be recorded before a moment that has already passed.
 */
const untilSettled = async (pool: pg.Pool, position: Position): Promise<void> => {
  const begun = await pool.query<{ xid: string }>('SELECT pg_current_xact_id()::text AS xid');
  const deadline = performance.now() + SETTLE_TIMEOUT_MS;
  for (;;) {
    const { rows } = await pool.query<{ settled: boolean }>(
      'SELECT pg_snapshot_xmin(pg_current_snapshot()) > $1::xid8 AS settled',
      [begun.rows[0]?.xid],
    );
    if (rows[0]?.settled) return;
    if (performance.now() > deadline) throw new ConsistencyTimeout(position, position + 1n, RETRY_AFTER_MS);
    await pause(SETTLE_POLL_MS, NEVER);
  }
};

const NEVER = new AbortController().signal;
