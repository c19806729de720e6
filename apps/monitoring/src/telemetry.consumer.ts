import {
  type FeatureBins,
  type InferenceRecord,
  inferenceRecord,
  labelRecord,
  type MonitoringEvent,
} from '@kontor/domain/monitoring';
import { inTransaction } from '@kontor/event-store';
import { isInference, isLabel } from '@kontor/messaging';
import type { FeatureValue } from '@kontor/statistics';
import type pg from 'pg';
import { z } from 'zod';
import { applyLabels } from './labels.js';
import { type Columns, mergeProfiles, type Profile, profileOf, type Reference, SCORE } from './profiles.js';
import { countDropped, readRetention } from './retention.js';

type Data<Type extends MonitoringEvent['type']> = Extract<MonitoringEvent, { type: Type }>['data'];

/** One message of the stream INFER. */
export interface TelemetryMessage {
  readonly seq: number;
  readonly subject: string;
  /** When the broker stored it, milliseconds since 1970. */
  readonly storedMs: number;
  readonly data: string;
}

/** How far the clock of a sender may be ahead. */
const CLOCK_TOLERANCE_MS = 60_000;

export interface Watched {
  readonly workspace: string;
  readonly definition: Data<'MonitorDefined'>;
  readonly reference: Reference;
  readonly baseline: Data<'BaselinePinned'>;
}

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

/**
 * The columns of some records below each other. A column that a record lacks is missing from that record's rows only.
 *
 * @param withScore whether the model's score is one of them: not where a feature has its name.
 */
const stacked = (records: readonly InferenceRecord[], withScore: boolean): Columns => {
  const columns = new Map<string, FeatureValue[]>();
  for (const { features, scores } of records) {
    const own = Object.entries(features);
    for (const [name, values] of withScore ? [...own, [SCORE, scores] as const] : own) {
      const column = columns.get(name);
      if (column) for (const value of values) column.push(value);
      else columns.set(name, [...values]);
    }
  }
  return Object.fromEntries(columns);
};

const rowsOf = (records: readonly InferenceRecord[]): number =>
  records.reduce((sum, { scores }) => sum + scores.length, 0);

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
  { workspace, definition, reference, baseline }: Watched,
  records: readonly InferenceRecord[],
): Promise<void> => {
  const { monitorId } = definition;
  const withScore = baseline.features.every(({ feature }) => feature !== SCORE);
  const groups = groupBy(records, ({ eventTimeMs, revisionId }) =>
    JSON.stringify([windowStart(definition, eventTimeMs), revisionId]),
  );
  for (const [key, members] of groups) {
    const [start, revisionId] = JSON.parse(key) as [number, string];
    const described = members.filter(({ features }) => Object.keys(features).length > 0);
    const delta = profileOf(reference, stacked(members, withScore), rowsOf(members), rowsOf(described));
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
};

/**
 * Moves the watermark to the newest event time, but never beyond the moment at which the broker stored it: one sender
 * whose clock is a year ahead would otherwise close every window of that year at once.
 */
const moveWatermark = async (
  client: pg.ClientBase,
  { workspace, definition }: Watched,
  records: readonly InferenceRecord[],
  storedMs: number,
): Promise<void> => {
  const newest = records.reduce((most, { eventTimeMs }) => Math.max(most, Math.floor(eventTimeMs)), -Infinity);
  await client.query(
    'UPDATE monitoring.monitor SET newest_ms = greatest(newest_ms, $3) WHERE workspace = $1 AND id = $2',
    [workspace, definition.monitorId, Math.min(newest, storedMs + CLOCK_TOLERANCE_MS)],
  );
};

/** Requests that were refused because of an input: their windows exist even if no request was answered. */
const insertRefused = async (
  client: pg.ClientBase,
  { workspace, definition }: Watched,
  records: readonly InferenceRecord[],
): Promise<void> => {
  const { monitorId } = definition;
  const starts = [...new Set(records.map(({ eventTimeMs }) => windowStart(definition, eventTimeMs)))];
  await client.query(
    `INSERT INTO monitoring.monitor_window (workspace, monitor_id, start_ms)
     SELECT $1, $2, unnest($3::bigint[]) ON CONFLICT DO NOTHING`,
    [workspace, monitorId, starts],
  );
  await client.query(
    `INSERT INTO monitoring.refused_request
     SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[]) ON CONFLICT DO NOTHING`,
    [
      records.map(({ predictionId }) => predictionId),
      records.map((record) => record.workspace),
      records.map(({ endpoint }) => endpoint),
      records.map(({ eventTimeMs }) => Math.floor(eventTimeMs)),
      records.map(({ refusal }) => storable(refusal?.input ?? '')),
      records.map(({ refusal }) => storable(refusal?.code ?? '')),
    ],
  );
};

/** PostgreSQL's text holds every character but U+0000, which a client may write into the name of an input. */
const storable = (text: string): string => text.replaceAll('\u0000', '\uFFFD');

/** The valid records of a message, and what is wrong with the others: one bad record must not lose the rest. */
const recordsOf = <T>(schema: z.ZodType<T>, data: string): { records: T[]; problem: string | null } => {
  let sent: unknown;
  try {
    sent = JSON.parse(data);
  } catch (error) {
    return { records: [], problem: String(error) };
  }
  if (!Array.isArray(sent)) return { records: [], problem: 'the message is not an array of records' };
  const results = sent.map((one) => schema.safeParse(one));
  const bad = results.findIndex(({ success }) => !success);
  const error = results[bad]?.error;
  return {
    records: results.flatMap((result) => (result.success ? [result.data] : [])),
    problem: error ? `record ${bad} and perhaps others: ${error.message}` : null,
  };
};

/**
 * Applies some messages of the stream, in order of their sequence: rows, profiles, labels and the sequence in one
 * transaction, so each message counts exactly once whatever fails.
 */
export const applyTelemetry = (pool: pg.Pool, stream: string, messages: readonly TelemetryMessage[]): Promise<void> =>
  inTransaction(pool, async (client) => {
    await client.query('INSERT INTO monitoring.telemetry_cursor VALUES ($1, 0) ON CONFLICT DO NOTHING', [stream]);
    // A second process waits here, then finds the messages applied.
    const cursor = await client.query<{ seq: string }>(
      'SELECT seq FROM monitoring.telemetry_cursor WHERE stream = $1 FOR UPDATE',
      [stream],
    );
    const fresh = messages.filter(({ seq }) => seq > Number(cursor.rows[0]?.seq));
    const last = fresh.at(-1);
    if (!last) return;
    const watched = await watchedMonitors(client);
    const parsed = async <T>(schema: z.ZodType<T>, isOwn: (subject: string) => boolean): Promise<T[]> => {
      const all: T[] = [];
      for (const { seq, data } of fresh.filter(({ subject }) => isOwn(subject))) {
        const { records, problem } = recordsOf(schema, data);
        for (const record of records) all.push(record);
        if (problem === null) continue;
        const reason = storable(problem).slice(0, 2000);
        await client.query('INSERT INTO monitoring.parked_message (stream, seq, reason) VALUES ($1, $2, $3)', [
          stream,
          seq,
          reason,
        ]);
      }
      return all;
    };
    const isOf = (
      { workspace, definition }: Watched,
      record: { readonly workspace: string; readonly endpoint: string },
    ): boolean => record.workspace === workspace && record.endpoint === definition.endpoint;
    const isWatched = (record: { readonly workspace: string; readonly endpoint: string }) =>
      watched.some((monitor) => isOf(monitor, record));
    const keptFrom = await readRetention(client);
    const sent = (await parsed(inferenceRecord, isInference)).filter(isWatched);
    const records = sent.filter((record) => record.eventTimeMs >= keptFrom(record));
    await countDropped(client, 'row', rowsOf(sent) - rowsOf(records));
    const served = records.filter(({ errorStatus }) => errorStatus === 0);
    const refused = records.filter(({ refusal }) => refusal !== undefined);
    const isNew = await insertRows(client, served, watched);
    const counted = [...new Map(served.map((record) => [record.predictionId, record])).values()].filter(
      ({ predictionId }) => isNew.has(predictionId),
    );
    for (const monitor of watched) {
      // The oldest window may reach below what is kept; it is deleted, and is not begun again.
      const isIn = (record: InferenceRecord): boolean =>
        isOf(monitor, record) && windowStart(monitor.definition, record.eventTimeMs) >= keptFrom(record);
      const own = counted.filter(isIn);
      const ownRefused = refused.filter(isIn);
      if (own.length > 0) await addToWindows(client, monitor, own);
      if (ownRefused.length > 0) await insertRefused(client, monitor, ownRefused);
      const seen = [...own, ...ownRefused];
      if (seen.length > 0) await moveWatermark(client, monitor, seen, last.storedMs);
    }
    // Labels of endpoints that nobody monitors would wait for ever.
    await applyLabels(client, (await parsed(labelRecord, isLabel)).filter(isWatched), isNew, last.storedMs);
    await client.query('UPDATE monitoring.telemetry_cursor SET seq = $2 WHERE stream = $1', [stream, last.seq]);
  });

/** The sequence up to which the stream is applied. */
export const readCursor = async (client: pg.Pool | pg.ClientBase, stream: string): Promise<number> => {
  const { rows } = await client.query<{ seq: string }>(
    'SELECT seq FROM monitoring.telemetry_cursor WHERE stream = $1',
    [stream],
  );
  return Number(rows[0]?.seq ?? 0);
};
