import type { LabelRecord } from '@kontor/domain/monitoring';
import type pg from 'pg';

/**
 * Puts labels to the rows that they belong to. The higher revision wins, whatever the order of arrival; an equal one
 * changes nothing. A label whose prediction is unknown waits for it, and labels that waited are put to rows that came.
 *
 * @param newPredictions those whose rows came in this batch. Only these and the labels' own can match now, so that labels
 * that wait cost nothing.
 * @param storedMs when the broker stored the newest of the labels, milliseconds since 1970: they wait from then on.
 *
 * Windows that are closed and got a new value become stale, so that they are revised.
 */
export const applyLabels = async (
  client: pg.ClientBase,
  labels: readonly LabelRecord[],
  newPredictions: Iterable<string>,
  storedMs: number,
): Promise<void> => {
  const newest = new Map<string, LabelRecord>();
  for (const label of labels) {
    const key = `${label.predictionId} ${label.row}`;
    if ((newest.get(key)?.revision ?? -1) < label.revision) newest.set(key, label);
  }
  const rows = [...newest.values()];
  if (rows.length > 0) {
    await client.query(
      `INSERT INTO monitoring.waiting_label AS w (prediction_id, row_no, value, revision, stored_ms)
       SELECT u.*, $5::bigint FROM unnest($1::uuid[], $2::int[], $3::smallint[], $4::int[]) u
       ON CONFLICT (prediction_id, row_no) DO UPDATE SET value = EXCLUDED.value, revision = EXCLUDED.revision, stored_ms = EXCLUDED.stored_ms
       WHERE w.revision < EXCLUDED.revision`,
      [
        rows.map(({ predictionId }) => predictionId),
        rows.map(({ row }) => row),
        rows.map(({ value }) => (Number(value) >= 0.5 ? 1 : 0)),
        rows.map(({ revision }) => revision),
        storedMs,
      ],
    );
  }
  const touched = [...new Set([...newPredictions, ...rows.map(({ predictionId }) => predictionId)])];
  if (touched.length === 0) return;
  await client.query(
    `WITH matched AS (
       DELETE FROM monitoring.waiting_label w USING monitoring.inference_row r
       WHERE w.prediction_id = ANY ($1::uuid[]) AND r.prediction_id = w.prediction_id AND r.row_no = w.row_no RETURNING w.*
     ), changed AS (
       UPDATE monitoring.inference_row r SET label = m.value, label_revision = m.revision FROM matched m
       WHERE r.prediction_id = m.prediction_id AND r.row_no = m.row_no AND coalesce(r.label_revision, -1) < m.revision
       RETURNING r.workspace, r.endpoint, r.event_ms
     )
     UPDATE monitoring.monitor_window w SET stale = true
     FROM (SELECT DISTINCT m.workspace, m.id,
                  floor(c.event_ms::numeric / (m.data->>'windowMs')::bigint) * (m.data->>'windowMs')::bigint AS start_ms
           FROM changed c JOIN monitoring.monitor m ON m.workspace = c.workspace AND m.endpoint = c.endpoint) t
     WHERE w.workspace = t.workspace AND w.monitor_id = t.id AND w.start_ms = t.start_ms AND w.closed`,
    [touched],
  );
};
