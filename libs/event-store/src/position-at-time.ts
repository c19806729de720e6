import { BEGINNING, type Position } from '@kontor/event-sourcing';
import type pg from 'pg';
import { TimeInFuture } from './errors.js';
import { readHead } from './read-all.js';

/**
 * The last position that was recorded at or before a moment; 0 before the first event.
 *
 * A binary search over positions, because `recorded_at` never falls: at most 34 probes of the primary key for 16
 * thousand million events, and no index over time to pay for on every append.
 *
 * @param time RFC 3339.
 * @throws TimeInFuture if the moment has not come yet by the clock of the database: the answer could still change.
 */
export const positionAtTime = async (pool: pg.Pool, time: string): Promise<Position> => {
  const { rows } = await pool.query<{ future: boolean }>('SELECT $1::timestamptz > clock_timestamp() AS future', [
    time,
  ]);
  if (rows[0]?.future) throw new TimeInFuture(time);
  let known = BEGINNING;
  let above = (await readHead(pool)) + 1n;
  while (above - known > 1n) {
    const probe = (known + above) / 2n;
    const recorded = await pool.query<{ before: boolean }>({
      name: 'es_probe_time',
      text: 'SELECT recorded_at <= $2::timestamptz AS before FROM es.event WHERE pos = $1',
      values: [probe, time],
    });
    if (recorded.rows[0]?.before) known = probe;
    else above = probe;
  }
  return known;
};
