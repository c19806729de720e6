import { createHash } from 'node:crypto';
import { type MeasuredDrift, type MonitoringEvent, sourceChanges } from '@kontor/domain/monitoring';
import { jensenShannonDistance, kolmogorovSmirnovBinned, ordinaryBins, psi } from '@kontor/statistics';
import type pg from 'pg';
import { type LabelledRow, fairnessOf, performanceOf } from './metrics.js';
import { mergeProfiles, type Profile, SCORE, toBins, windowProfileOf } from './profiles.js';
import { type Watched, watchedMonitors } from './telemetry.consumer.js';

type Data<Type extends MonitoringEvent['type']> = Extract<MonitoringEvent, { type: Type }>['data'];

/** Sends a command of the own context, as the service itself. A rejection is an answer; anything else is thrown. */
export type Dispatch = (
  workspace: string,
  type: string,
  data: unknown,
) => Promise<{ readonly outcome: 'accepted' } | { readonly outcome: 'rejected'; readonly code: string }>;

const iso = (ms: number): string => new Date(ms).toISOString();

/** A UUID that follows from a text, so that a window that is sent again names the same alert. */
const uuidOf = (text: string): string => {
  const hex = createHash('sha256').update(text).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
};

/** Every feature of the baseline beside its reference. Missing values are their own measure, not a bin of the PSI. */
export const measuredDrift = ({ reference, baseline }: Watched, profile: Profile): MeasuredDrift[] =>
  reference.features.map((bins): MeasuredDrift => {
    const own = profile.features[bins.feature];
    const shape = toBins(bins);
    const ordinary = ordinaryBins(shape);
    const counts = own?.counts ?? bins.counts.map(() => 0);
    // Of categories, other and unseen belong to the distribution; they stand behind the three special bins.
    const compared = (all: readonly number[]) => [...all.slice(0, ordinary), ...all.slice(ordinary + 3)];
    const [before, after] = [compared(bins.counts), compared(counts)];
    const result = psi(before, after);
    const n = counts.reduce((sum, count) => sum + count, 0);
    const share = (count: number) => (n === 0 ? 0 : count / n);
    const seen = own && windowProfileOf(bins, own);
    return {
      feature: bins.feature,
      value: result?.value ?? null,
      jensenShannon: jensenShannonDistance(before, after),
      kolmogorovSmirnov: bins.kind === 'numeric' ? kolmogorovSmirnovBinned(before, after) : null,
      p: result?.p ?? null,
      n,
      missing: share(seen?.missing ?? 0),
      unseen: share(seen?.unseen ?? 0),
      outOfRange: share(seen?.outOfRange ?? 0),
      bins: result?.bins ?? 0,
      referenceRows: baseline.dataset.rows,
    };
  });

const labelledRows = async (
  pool: pg.Pool,
  { workspace, definition }: Watched,
  start: number,
): Promise<{ rows: number; labelled: LabelledRow[] }> => {
  const { rows } = await pool.query<{ score: number; label: number | null; attributes: Record<string, string> }>(
    `SELECT score, label, attributes FROM monitoring.inference_row
     WHERE workspace = $1 AND endpoint = $2 AND event_ms >= $3 AND event_ms < $4`,
    [workspace, definition.endpoint, start, start + definition.windowMs],
  );
  const labelled = rows.flatMap(({ label, score, attributes }) =>
    label === null ? [] : [{ label, score, attributes }],
  );
  return { rows: rows.length, labelled };
};

const outcomeOf = async (pool: pg.Pool, watched: Watched, start: number) => {
  const { definition } = watched;
  const { labelled, rows } = await labelledRows(pool, watched, start);
  return {
    monitorId: definition.monitorId,
    window: { start: iso(start), end: iso(start + definition.windowMs) },
    rows,
    labels: labelled.length,
    performance: labelled.length === 0 ? null : performanceOf(labelled),
    fairness: labelled.length === 0 ? [] : fairnessOf(labelled, definition.protectedAttributes),
  };
};

const closeWindow = async (pool: pg.Pool, dispatch: Dispatch, watched: Watched, start: number): Promise<void> => {
  const { workspace, definition, reference, baseline } = watched;
  const { monitorId } = definition;
  const stored = await pool.query<{ revision_id: string; profile: Profile }>(
    `SELECT revision_id, profile FROM monitoring.window_profile
     WHERE workspace = $1 AND monitor_id = $2 AND start_ms = $3 ORDER BY revision_id`,
    [workspace, monitorId, start],
  );
  const [first, ...rest] = stored.rows.map(({ profile }) => profile);
  if (!first) throw new Error(`window ${iso(start)} of ${monitorId} has no profile`);
  const profile = rest.reduce(mergeProfiles, first);
  const sources = await pool.query<{ data: Data<'DataSourceRegistered'> }>(
    'SELECT data FROM monitoring.data_source WHERE workspace = $1 AND id = ANY ($2) ORDER BY id',
    [workspace, definition.dataSourceIds],
  );
  // The score is the model's own output; a change in it is drift, not a change of a source.
  const features = reference.features.filter(({ feature }) => feature !== SCORE);
  const profiles = new Map(
    features.flatMap((bins) => {
      const own = profile.features[bins.feature];
      return own ? [[bins.feature, windowProfileOf(bins, own)] as const] : [];
    }),
  );
  const key = `${workspace} ${monitorId} ${start}`;
  const answer = await dispatch(workspace, 'CloseWindow', {
    ...(await outcomeOf(pool, watched, start)),
    revisions: stored.rows.map(({ revision_id, profile: own }) => ({ revisionId: revision_id, rows: own.rows })),
    profileDigest: `sha256:${createHash('sha256').update(JSON.stringify(profile)).digest('hex')}`,
    drift: {
      baselineId: baseline.baselineId,
      binsHash: baseline.binsHash,
      features: measuredDrift(watched, profile),
    },
    changes: sourceChanges(features, profiles, new Map(Object.entries(profile.unknownColumns)), profile.rows),
    sources: sources.rows.map(({ data: { name: _, ...source } }) => source),
    alertIds: { drift: uuidOf(`${key} drift`), dataSource: uuidOf(`${key} dataSource`) },
  });
  if (answer.outcome === 'rejected') throw new Error(`window ${iso(start)} of ${monitorId}: ${answer.code}`);
};

const windowsWhere = async (
  pool: pg.Pool,
  { workspace, definition }: Watched,
  condition: 'due' | 'stale',
): Promise<number[]> => {
  const where =
    condition === 'stale'
      ? 'w.closed AND w.stale AND $3::bigint IS NOT NULL'
      : 'NOT w.closed AND w.start_ms + $3::bigint <= m.newest_ms';
  const { rows } = await pool.query<{ start_ms: string }>(
    `SELECT w.start_ms FROM monitoring.monitor_window w
     JOIN monitoring.monitor m ON m.workspace = w.workspace AND m.id = w.monitor_id
     WHERE w.workspace = $1 AND w.monitor_id = $2 AND ${where} ORDER BY w.start_ms`,
    [workspace, definition.monitorId, definition.windowMs + definition.latenessMs],
  );
  return rows.map(({ start_ms }) => Number(start_ms));
};

const settled = (pool: pg.Pool, { workspace, definition }: Watched, start: number): Promise<unknown> =>
  pool.query(
    `UPDATE monitoring.monitor_window SET closed = true, stale = false WHERE workspace = $1 AND monitor_id = $2 AND start_ms = $3`,
    [workspace, definition.monitorId, start],
  );

/**
 * Closes the windows that the watermark has passed (newest event time minus lateness), oldest first.
 *
 * Sending a window again after a crash changes nothing: the monitor knows its closed windows.
 */
export const closeDueWindows = async (pool: pg.Pool, dispatch: Dispatch): Promise<void> => {
  for (const watched of await watchedMonitors(pool)) {
    for (const start of await windowsWhere(pool, watched, 'due')) {
      await closeWindow(pool, dispatch, watched, start);
      await settled(pool, watched, start);
    }
  }
};

/**
 * Says the numbers of closed windows again that late rows or labels have changed. Drift is judged once, at the close.
 *
 * Sending a revision again after a crash changes nothing: the monitor knows what it said last.
 */
export const reviseStaleWindows = async (pool: pg.Pool, dispatch: Dispatch): Promise<void> => {
  for (const watched of await watchedMonitors(pool)) {
    for (const start of await windowsWhere(pool, watched, 'stale')) {
      const answer = await dispatch(watched.workspace, 'ReviseWindow', await outcomeOf(pool, watched, start));
      if (answer.outcome === 'rejected') throw new Error(`window ${iso(start)}: ${answer.code}`);
      await settled(pool, watched, start);
    }
  }
};
