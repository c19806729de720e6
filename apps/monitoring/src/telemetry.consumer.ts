import {
  type FeatureBins,
  type InferenceRecord,
  inferenceRecord,
  type LabelRecord,
  labelRecord,
  type MonitoringEvent,
} from '@kontor/domain/monitoring';
import { inTransaction } from '@kontor/event-store';
import type { FeatureValue } from '@kontor/statistics';
import type pg from 'pg';
import { z } from 'zod';
import { applyLabels } from './labels.js';
import { type Columns, mergeProfiles, type Profile, profileOf, type Reference, SCORE } from './profiles.js';

type Data<Type extends MonitoringEvent['type']> = Extract<MonitoringEvent, { type: Type }>['data'];

/** One message of the stream INFER. */
export interface TelemetryMessage {
  readonly seq: number;
  readonly subject: string;
  readonly data: string;
}

export interface Watched {
  readonly workspace: string;
  readonly definition: Data<'MonitorDefined'>;
  readonly reference: Reference;
  readonly baseline: Data<'BaselinePinned'>;
}

const inferenceBatch = z.array(inferenceRecord);
const labelBatch = z.array(labelRecord);

/** Bins of features and, unless a feature has its name, of the score. */
const watchedBins = ({ features, score }: Data<'BaselinePinned'>): FeatureBins[] =>
  features.some(({ feature }) => feature === SCORE) ? features : [...features, { ...score, feature: SCORE }];

/** The monitors whose baseline is pinned. */
export const watchedMonitors = async (client: pg.Pool | pg.ClientBase): Promise<readonly Watched[]> => {
  const { rows } = await client.query<{
    workspace: string;
    data: Data<'MonitorDefined'>;
    baseline: Data<'BaselinePinned'>;
  }>(
    `SELECT m.workspace, m.data, b.data AS baseline FROM monitoring.monitor m
     JOIN monitoring.baseline b ON b.workspace = m.workspace AND b.id = (m.data->>'baselineId')::uuid ORDER BY m.workspace, m.id`,
  );
  return rows.map(({ workspace, data, baseline }) => ({
    workspace,
    definition: data,
    baseline,
    reference: { binsHash: baseline.binsHash, features: watchedBins(baseline) },
  }));
};

const attributesOf = (record: InferenceRecord, row: number, names: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    names.flatMap((name) => {
      const value = record.features[name]?.[row];
      return value === undefined || value === null ? [] : [[name, String(value)]];
    }),
  );

/** Writes the rows and says which predictions are new: a record that was sent twice is counted once. */
const insertRows = async (
  client: pg.ClientBase,
  records: readonly InferenceRecord[],
  watched: readonly Watched[],
): Promise<Set<string>> => {
  const rows = records.flatMap((record) => {
    const names = watched
      .filter(({ workspace, definition }) => workspace === record.workspace && definition.endpoint === record.endpoint)
      .flatMap(({ definition }) => definition.protectedAttributes);
    return record.scores.map((score, row) => ({
      id: record.predictionId,
      row,
      workspace: record.workspace,
      endpoint: record.endpoint,
      time: Math.floor(record.eventTimeMs),
      score,
      attributes: JSON.stringify(attributesOf(record, row, names)),
    }));
  });
  const inserted = await client.query<{ prediction_id: string }>(
    `INSERT INTO monitoring.inference_row (prediction_id, row_no, workspace, endpoint, event_ms, score, attributes)
     SELECT * FROM unnest($1::uuid[], $2::int[], $3::text[], $4::text[], $5::bigint[], $6::float8[], $7::json[])
     ON CONFLICT DO NOTHING RETURNING prediction_id`,
    [
      rows.map(({ id }) => id),
      rows.map(({ row }) => row),
      rows.map(({ workspace }) => workspace),
      rows.map(({ endpoint }) => endpoint),
      rows.map(({ time }) => time),
      rows.map(({ score }) => score),
      rows.map(({ attributes }) => attributes),
    ],
  );
  return new Set(inserted.rows.map(({ prediction_id }) => prediction_id));
};

/** The columns of some records below each other. A column that a record lacks is missing from that record's rows only. */
const stacked = (records: readonly InferenceRecord[]): Columns => {
  const columns: Record<string, FeatureValue[]> = {};
  for (const { features, scores } of records) {
    for (const [name, values] of [...Object.entries(features), [SCORE, scores] as const]) {
      (columns[name] ??= []).push(...values);
    }
  }
  return columns;
};

const windowStart = ({ windowMs }: Data<'MonitorDefined'>, timeMs: number): number =>
  Math.floor(timeMs / windowMs) * windowMs;

const groupBy = <T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> => {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group) group.push(item);
    else groups.set(key(item), [item]);
  }
  return groups;
};

const addToWindows = async (
  client: pg.ClientBase,
  { workspace, definition, reference }: Watched,
  records: readonly InferenceRecord[],
): Promise<void> => {
  const { monitorId } = definition;
  const groups = groupBy(records, ({ eventTimeMs, revisionId }) =>
    JSON.stringify([windowStart(definition, eventTimeMs), revisionId]),
  );
  for (const [key, members] of groups) {
    const [start, revisionId] = JSON.parse(key) as [number, string];
    const rows = members.reduce((sum, { scores }) => sum + scores.length, 0);
    const delta = profileOf(reference, stacked(members), rows);
    const id = [workspace, monitorId, start, revisionId];
    const found = await client.query<{ profile: Profile }>(
      `SELECT profile FROM monitoring.window_profile
       WHERE workspace = $1 AND monitor_id = $2 AND start_ms = $3 AND revision_id = $4 FOR UPDATE`,
      id,
    );
    const before = found.rows[0]?.profile;
    await client.query(
      `INSERT INTO monitoring.window_profile VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (workspace, monitor_id, start_ms, revision_id) DO UPDATE SET profile = EXCLUDED.profile`,
      [...id, JSON.stringify(before ? mergeProfiles(before, delta) : delta)],
    );
    await client.query(
      `INSERT INTO monitoring.monitor_window AS w VALUES ($1, $2, $3)
       ON CONFLICT (workspace, monitor_id, start_ms) DO UPDATE SET stale = w.closed`,
      [workspace, monitorId, start],
    );
  }
  const newest = Math.max(...records.map(({ eventTimeMs }) => Math.floor(eventTimeMs)));
  await client.query(
    'UPDATE monitoring.monitor SET newest_ms = greatest(newest_ms, $3) WHERE workspace = $1 AND id = $2',
    [workspace, monitorId, newest],
  );
};

/**
 * Applies some messages of the stream, in order of their sequence: rows, profiles, labels and the sequence in one
 * transaction, so each message counts exactly once whatever fails.
 */
export const applyTelemetry = (pool: pg.Pool, stream: string, messages: readonly TelemetryMessage[]): Promise<void> =>
  inTransaction(pool, async (client) => {
    const reached = await readCursor(client, stream);
    const fresh = messages.filter(({ seq }) => seq > reached);
    const last = fresh.at(-1);
    if (!last) return;
    const watched = await watchedMonitors(client);
    const parked = new Map<number, string>();
    const parsed = <T>(schema: z.ZodType<T[]>, prefix: string): T[] =>
      fresh
        .filter(({ subject }) => subject.startsWith(prefix))
        .flatMap(({ seq, data }) => {
          try {
            return schema.parse(JSON.parse(data));
          } catch (error) {
            parked.set(seq, String(error).slice(0, 2000));
            return [];
          }
        });
    const isWatched = ({ workspace, endpoint }: { readonly workspace: string; readonly endpoint: string }) =>
      watched.some((monitor) => monitor.workspace === workspace && monitor.definition.endpoint === endpoint);
    const served = parsed<InferenceRecord>(inferenceBatch, 'kontor.infer.').filter(
      ({ errorStatus }) => errorStatus === 0,
    );
    const records = served.filter(isWatched);
    const isNew = await insertRows(client, records, watched);
    const counted = [...new Map(records.map((record) => [record.predictionId, record])).values()].filter(
      ({ predictionId }) => isNew.has(predictionId),
    );
    for (const monitor of watched) {
      const own = counted.filter(
        ({ workspace, endpoint }) => workspace === monitor.workspace && endpoint === monitor.definition.endpoint,
      );
      if (own.length > 0) await addToWindows(client, monitor, own);
    }
    // Labels of endpoints that nobody monitors would wait for ever.
    const labels = parsed<LabelRecord>(labelBatch, 'kontor.label.').filter(isWatched);
    await applyLabels(client, labels);
    for (const [seq, reason] of parked) {
      await client.query('INSERT INTO monitoring.parked_message VALUES ($1, $2, $3)', [stream, seq, reason]);
    }
    await client.query(
      `INSERT INTO monitoring.telemetry_cursor VALUES ($1, $2) ON CONFLICT (stream) DO UPDATE SET seq = EXCLUDED.seq`,
      [stream, last.seq],
    );
  });

/** The sequence up to which the stream is applied. */
export const readCursor = async (client: pg.Pool | pg.ClientBase, stream: string): Promise<number> => {
  const { rows } = await client.query<{ seq: string }>(
    'SELECT seq FROM monitoring.telemetry_cursor WHERE stream = $1',
    [stream],
  );
  return Number(rows[0]?.seq ?? 0);
};
