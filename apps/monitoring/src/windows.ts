import { createHash } from 'node:crypto';
import {
  type MeasuredDrift,
  type MeasuredOutcomes,
  type MonitoringEvent,
  type Performance,
  type RefusedInput,
  sourceChanges,
  type SourceWindow,
} from '@kontor/domain/monitoring';
import { jensenShannonDistance, kolmogorovSmirnovBinned, ordinaryBins, psi } from '@kontor/statistics';
import type pg from 'pg';
import { confusionsOf, fairnessOf, type LabelledRow, performanceOf } from './metrics.js';
import { mergeProfiles, ownMember, type Profile, profileOf, toBins, windowProfileOf } from './profiles.js';
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

const sumOf = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);

/**
 * Every feature of the baseline beside its reference. Missing values are their own measure, not a bin of the PSI: `n` and
 * `referenceRows` count the values that are compared.
 */
export const measuredDrift = ({ reference }: Watched, profile: Profile): MeasuredDrift[] =>
  reference.features.map((bins): MeasuredDrift => {
    const own = ownMember(profile.features, bins.feature);
    const shape = toBins(bins);
    const ordinary = ordinaryBins(shape);
    const counts = own?.counts ?? bins.counts.map(() => 0);
    // Of categories, other and unseen belong to the distribution; they stand behind the three special bins.
    const compared = (all: readonly number[]) => [...all.slice(0, ordinary), ...all.slice(ordinary + 3)];
    const [before, after] = [compared(bins.counts), compared(counts)];
    const result = psi(before, after);
    const all = sumOf(counts);
    const share = (count: number) => (all === 0 ? 0 : count / all);
    const seen = own && windowProfileOf(bins, own, profile.described);
    return {
      feature: bins.feature,
      value: result?.value ?? null,
      jensenShannon: jensenShannonDistance(before, after),
      kolmogorovSmirnov: bins.kind === 'numeric' ? kolmogorovSmirnovBinned(before, after) : null,
      p: result?.p ?? null,
      n: sumOf(after),
      missing: share(seen?.missing ?? 0),
      unseen: share(seen?.unseen ?? 0),
      outOfRange: share(seen?.outOfRange ?? 0),
      bins: result?.bins ?? 0,
      referenceRows: sumOf(before),
    };
  });

const labelledRows = async (
  pool: pg.Pool,
  { workspace, definition }: Watched,
  start: number,
): Promise<{ rows: number; labelled: LabelledRow[] }> => {
  const within = [workspace, definition.endpoint, start, start + definition.windowMs];
  const where = 'WHERE workspace = $1 AND endpoint = $2 AND event_ms >= $3 AND event_ms < $4';
  const all = await pool.query<{ rows: number }>(
    `SELECT count(*)::int AS rows FROM monitoring.inference_row ${where}`,
    within,
  );
  const { rows: labelled } = await pool.query<LabelledRow>(
    `SELECT score, label, attributes FROM monitoring.inference_row ${where} AND label IS NOT NULL`,
    within,
  );
  return { rows: all.rows[0]?.rows ?? 0, labelled };
};

/** Right answers as counts; an accuracy is one of whole rows, so rounding gives them back. */
const rightAnswers = ({ value, n }: Performance['accuracy']): MeasuredOutcomes['reference'] =>
  value === null ? null : { hits: Math.round(value * n), n };

const outcomesOf = (
  { definition, baseline }: Watched,
  labelled: readonly LabelledRow[],
  { accuracy }: Performance,
): MeasuredOutcomes | null => {
  const own = rightAnswers(accuracy);
  return (
    own && {
      accuracy: own,
      reference: baseline.performance && rightAnswers(baseline.performance.accuracy),
      attributes: definition.protectedAttributes.map((attribute) => ({
        attribute,
        groups: [...confusionsOf(labelled, attribute)].map(([group, counts]) => ({ group, ...counts })),
      })),
    }
  );
};

/** What a closed and a revised window say alike: rows, labels, what follows from them, and whom alerts name. */
const answerOf = async (pool: pg.Pool, watched: Watched, start: number) => {
  const { workspace, definition } = watched;
  const { monitorId, dataSourceIds, protectedAttributes } = definition;
  const { labelled, rows } = await labelledRows(pool, watched, start);
  const sources = await pool.query<{ data: Data<'DataSourceRegistered'> }>(
    'SELECT data FROM monitoring.data_source WHERE workspace = $1 AND id = ANY ($2) ORDER BY id',
    [workspace, dataSourceIds],
  );
  const performance = labelled.length === 0 ? null : performanceOf(labelled);
  const outcomes = performance && outcomesOf(watched, labelled, performance);
  // Sent again, an answer names the same alerts; what later labels raise has other ids.
  const key = `${workspace} ${monitorId} ${start}`;
  const said = JSON.stringify(outcomes);
  return {
    monitorId,
    window: { start: iso(start), end: iso(start + definition.windowMs) },
    rows,
    labels: labelled.length,
    performance,
    fairness: performance ? fairnessOf(labelled, protectedAttributes) : [],
    outcomes,
    sources: sources.rows.map(({ data: { name: _, ...source } }) => source),
    alertIds: {
      drift: uuidOf(`${key} drift`),
      dataSource: uuidOf(`${key} dataSource`),
      performance: uuidOf(`${key} performance ${said}`),
      fairness: uuidOf(`${key} fairness ${said}`),
    },
  };
};

/** All requests of a window, and those that were refused because of an input. */
const requestsOf = async (
  pool: pg.Pool,
  { workspace, definition }: Watched,
  start: number,
): Promise<Pick<SourceWindow, 'requests' | 'refused'>> => {
  const within = [workspace, definition.endpoint, start, start + definition.windowMs];
  const where = 'WHERE workspace = $1 AND endpoint = $2 AND event_ms >= $3 AND event_ms < $4';
  const answered = await pool.query<{ requests: number }>(
    `SELECT count(*)::int AS requests FROM monitoring.inference_row ${where} AND row_no = 0`,
    within,
  );
  const { rows: refused } = await pool.query<RefusedInput>(
    `SELECT input, code, count(*)::int AS requests FROM monitoring.refused_request ${where} GROUP BY input, code ORDER BY input, code`,
    within,
  );
  const requests = refused.reduce((sum, own) => sum + own.requests, answered.rows[0]?.requests ?? 0);
  return { requests, refused };
};

/**
 * What the change detector looks at. A revision of another version may take other columns than the baseline's: a column
 * is expected in the rows of the revisions that were ever sent it, and unknown only if all of them were.
 */
const sourceWindowOf = (
  { baseline }: Watched,
  profile: Profile,
  revisions: readonly Profile[],
): Pick<SourceWindow, 'rows' | 'profiles' | 'unknownColumns'> => {
  const described = revisions.filter((revision) => revision.described > 0);
  const profiles = new Map(
    // Without the score, which is the model's own output: a change in it is drift, not a change of a source.
    baseline.features.flatMap((bins) => {
      const own = ownMember(profile.features, bins.feature);
      const taking = described.filter(({ features }) => Object.hasOwn(features, bins.feature));
      const expected = taking.reduce((sum, revision) => sum + revision.described, 0);
      return own ? [[bins.feature, windowProfileOf(bins, own, expected)] as const] : [];
    }),
  );
  const unknown = Object.entries(profile.unknownColumns).filter(([name]) =>
    described.every(({ unknownColumns }) => Object.hasOwn(unknownColumns, name)),
  );
  return { rows: profile.described, profiles, unknownColumns: new Map(unknown) };
};

const closeWindow = async (pool: pg.Pool, dispatch: Dispatch, watched: Watched, start: number): Promise<void> => {
  const { workspace, definition, reference, baseline } = watched;
  const { monitorId } = definition;
  const stored = await pool.query<{ revision_id: string; profile: Profile }>(
    `SELECT revision_id, profile FROM monitoring.window_profile
     WHERE workspace = $1 AND monitor_id = $2 AND start_ms = $3 ORDER BY revision_id`,
    [workspace, monitorId, start],
  );
  const revisions = stored.rows.map(({ profile }) => profile);
  // A window of refused requests alone has no rows.
  const profile = revisions.reduce(mergeProfiles, profileOf(reference, {}, 0));
  const answer = await dispatch(workspace, 'CloseWindow', {
    ...(await answerOf(pool, watched, start)),
    revisions: stored.rows.map(({ revision_id, profile: own }) => ({ revisionId: revision_id, rows: own.rows })),
    profileDigest: `sha256:${createHash('sha256').update(JSON.stringify(profile)).digest('hex')}`,
    drift: {
      baselineId: baseline.baselineId,
      binsHash: baseline.binsHash,
      features: measuredDrift(watched, profile),
    },
    changes: sourceChanges(baseline.features, {
      ...sourceWindowOf(watched, profile, revisions),
      ...(await requestsOf(pool, watched, start)),
    }),
  });
  if (answer.outcome === 'rejected') throw new Error(`window ${iso(start)} of ${monitorId}: ${answer.code}`);
};

const windowsWhere = async (
  pool: pg.Pool,
  { workspace, definition }: Watched,
  condition: 'due' | 'stale',
): Promise<number[]> => {
  // A revision waits twice as long as the one before it, from none up to about an hour: labels that trickle in for months
  // are tens of revisions of a window, not one a second.
  const rested = `(w.revised_at IS NULL OR now() >= w.revised_at + power(2, least(w.revisions, 12)) * interval '1 second')`;
  const where =
    condition === 'stale'
      ? `w.closed AND w.stale AND ${rested} AND $3::bigint IS NOT NULL`
      : 'NOT w.closed AND w.start_ms + $3::bigint <= m.newest_ms';
  const { rows } = await pool.query<{ start_ms: string }>(
    `SELECT w.start_ms FROM monitoring.monitor_window w
     JOIN monitoring.monitor m ON m.workspace = w.workspace AND m.id = w.monitor_id
     WHERE w.workspace = $1 AND w.monitor_id = $2 AND ${where} ORDER BY w.start_ms`,
    [workspace, definition.monitorId, definition.windowMs + definition.latenessMs],
  );
  return rows.map(({ start_ms }) => Number(start_ms));
};

const settled = (
  pool: pg.Pool,
  { workspace, definition }: Watched,
  start: number,
  change: 'closed = true' | 'revisions = revisions + 1, revised_at = now()',
): Promise<unknown> =>
  pool.query(
    `UPDATE monitoring.monitor_window SET stale = false, ${change} WHERE workspace = $1 AND monitor_id = $2 AND start_ms = $3`,
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
      await settled(pool, watched, start, 'closed = true');
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
      const answer = await dispatch(watched.workspace, 'ReviseWindow', await answerOf(pool, watched, start));
      if (answer.outcome === 'rejected') throw new Error(`window ${iso(start)}: ${answer.code}`);
      await settled(pool, watched, start, 'revisions = revisions + 1, revised_at = now()');
    }
  }
};
