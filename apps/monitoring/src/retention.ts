import { inTransaction } from '@kontor/event-store';
import type pg from 'pg';

const DAY_MS = 86_400_000;

/** Below the watermark of the slowest monitor of an endpoint: outcomes of a year's term still find their rows. */
const ROWS_MS = 400 * DAY_MS;

/** As long as the stream INFER keeps a message: a row that has not come by then comes no more. */
const LABELS_MS = 7 * DAY_MS;

/** A person reads why a message was parked within this time, or never. */
const PARKED_DAYS = 30;

/** Per table and endpoint in one transaction, once a second when idle: telemetry waits for it, so it is bounded. */
const BATCH = 20_000;

/** Adds to what is counted instead of kept. */
export const countDropped = async (client: pg.ClientBase, what: 'row' | 'label', n: number): Promise<void> => {
  if (n === 0) return;
  await client.query(
    `INSERT INTO monitoring.dropped AS d VALUES ($1, $2) ON CONFLICT (what) DO UPDATE SET n = d.n + EXCLUDED.n`,
    [what, n],
  );
};

interface Retained {
  readonly workspace: string;
  readonly endpoint: string;
  /** Rows with an earlier event time and windows with an earlier start are deleted. */
  readonly from_ms: string;
}

const readRetained = async (client: pg.ClientBase): Promise<readonly Retained[]> =>
  (await client.query<Retained>('SELECT workspace, endpoint, from_ms FROM monitoring.retention')).rows;

/** From which event time on the rows of an endpoint are kept, milliseconds since 1970. */
export const readRetention = async (
  client: pg.ClientBase,
): Promise<(of: { readonly workspace: string; readonly endpoint: string }) => number> => {
  const retained = await readRetained(client);
  const from = new Map(retained.map((row) => [`${row.workspace} ${row.endpoint}`, Number(row.from_ms)]));
  return ({ workspace, endpoint }) => from.get(`${workspace} ${endpoint}`) ?? -Infinity;
};

/**
 * Deletes one batch of what is kept no longer. The windows of rows are closed before: call it after `closeDueWindows`.
 *
 * The border is stored first and in the same transaction, so that no row or window below it comes back: half a window
 * would be revised to wrong numbers. It stops at the oldest window that still is to be closed or revised: years that are
 * replayed within minutes pass the border sooner than their labels are said.
 *
 * @param nowMs the clock, for what has no event time.
 */
export const deleteExpired = (pool: pg.Pool, nowMs: number): Promise<void> =>
  inTransaction(pool, async (client) => {
    await client.query(
      `INSERT INTO monitoring.retention AS r
       SELECT workspace, endpoint,
              min(least(newest_ms - (data->>'windowMs')::bigint - (data->>'latenessMs')::bigint - $1::bigint, (
                SELECT min(w.start_ms) FROM monitoring.monitor_window w
                WHERE w.workspace = m.workspace AND w.monitor_id = m.id AND (w.stale OR NOT w.closed))))
       FROM monitoring.monitor m WHERE newest_ms IS NOT NULL GROUP BY workspace, endpoint
       ON CONFLICT (workspace, endpoint) DO UPDATE SET from_ms = greatest(r.from_ms, EXCLUDED.from_ms)`,
      [ROWS_MS],
    );
    for (const { workspace, endpoint, from_ms } of await readRetained(client)) {
      for (const table of ['inference_row', 'refused_request']) {
        await client.query(
          `DELETE FROM monitoring.${table} WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM monitoring.${table} WHERE workspace = $1 AND endpoint = $2 AND event_ms < $3 LIMIT ${BATCH}))`,
          [workspace, endpoint, from_ms],
        );
      }
      for (const table of ['window_profile', 'monitor_window']) {
        await client.query(
          `DELETE FROM monitoring.${table} WHERE ctid = ANY (ARRAY(
             SELECT w.ctid FROM monitoring.${table} w
             JOIN monitoring.monitor m ON m.workspace = w.workspace AND m.id = w.monitor_id
             WHERE m.workspace = $1 AND m.endpoint = $2 AND w.start_ms < $3 LIMIT ${BATCH}))`,
          [workspace, endpoint, from_ms],
        );
      }
    }
    const labels = await client.query(
      `DELETE FROM monitoring.waiting_label WHERE ctid = ANY (ARRAY(
         SELECT ctid FROM monitoring.waiting_label WHERE stored_ms < $1 LIMIT ${BATCH}))`,
      [nowMs - LABELS_MS],
    );
    await countDropped(client, 'label', labels.rowCount ?? 0);
    await client.query(
      `DELETE FROM monitoring.parked_message WHERE ctid = ANY (ARRAY(
         SELECT ctid FROM monitoring.parked_message WHERE parked_at < $1 LIMIT ${BATCH}))`,
      [new Date(nowMs - PARKED_DAYS * DAY_MS)],
    );
  });
