import type { CommandOf } from '@kontor/event-sourcing';
import type { MeasuredChange, monitoringCommands } from './commands.js';
import { CRITICAL_PSI, HYSTERESIS } from './drift-rule.js';
import type { FeatureDrift, MonitoringEvent, Outcome } from './events.js';
import { CRITICAL_FACTOR } from './outcome-rule.js';
import { CHANGE_MIN_ROWS } from './source-change.js';

type Data<Type extends MonitoringEvent['type']> = Extract<MonitoringEvent, { type: Type }>['data'];
type ClosingWindow = CommandOf<typeof monitoringCommands, 'CloseWindow'>['data'];
type Source = ClosingWindow['sources'][number];
/** What a closed and a revised window have in common. */
type Answer = Pick<ClosingWindow, 'window' | 'sources' | 'alertIds'>;

/** A feature that no registered source claims: the change is recorded all the same, but there is no owner to name. */
const UNASSIGNED = 'unassigned';

interface JudgedOutcome {
  readonly start: string;
  readonly outcome: Outcome;
}

/** What the alert rules remember of a monitor. */
export interface AlertState {
  /** Per feature: whether its newest judged windows drifted, oldest first. Insufficient windows are not in it. */
  readonly history: ReadonlyMap<string, readonly boolean[]>;
  /** Per outcome, the newest windows that its labels judged, oldest first. A revision replaces what its window said. */
  readonly outcomes: ReadonlyMap<string, readonly JudgedOutcome[]>;
  /** The alerts that are not resolved. */
  readonly alerts: readonly {
    readonly alertId: string;
    readonly kind: Data<'AlertRaised'>['kind'];
    readonly features: readonly string[];
    readonly acknowledged: boolean;
  }[];
  readonly resolved: ReadonlySet<string>;
}

/** The history with one more window; a window with too few rows says nothing and is left out. */
export const judgedHistory = (
  history: AlertState['history'],
  features: readonly FeatureDrift[],
  ofWindows: number,
): AlertState['history'] => {
  const next = new Map(history);
  for (const { feature, verdict } of features) {
    if (verdict === 'insufficient') continue;
    next.set(feature, [...(next.get(feature) ?? []), verdict === 'drift'].slice(-ofWindows));
  }
  return next;
};

const keyOf = ({ attribute }: Outcome): string => attribute ?? '';

/** The judged outcomes with one more window, or one said again; labels that are too few take their window out. */
export const judgedOutcomes = (
  before: AlertState['outcomes'],
  start: string,
  outcomes: readonly Outcome[],
  ofWindows: number,
): AlertState['outcomes'] => {
  const next = new Map(before);
  for (const outcome of outcomes) {
    const others = (next.get(keyOf(outcome)) ?? []).filter((judged) => judged.start !== start);
    const own = outcome.verdict === 'insufficient' ? [] : [{ start, outcome }];
    const sorted = [...others, ...own].sort((a, b) => (a.start < b.start ? -1 : 1));
    next.set(keyOf(outcome), sorted.slice(-ofWindows));
  }
  return next;
};

/** Of the sources that claim one of the features; of all sources if one of the features is claimed by none. */
const ownersOf = (features: readonly string[], sources: readonly Source[]): Data<'AlertRaised'>['notify'] => {
  const claims = (source: Source, feature: string) => source.features.includes(feature);
  const isClaimed = features.every((feature) => sources.some((source) => claims(source, feature)));
  const owners = sources
    .filter((source) => !isClaimed || features.some((feature) => claims(source, feature)))
    .flatMap(({ businessOwner, dataOwner }) => [
      { role: 'businessOwner' as const, actor: businessOwner },
      { role: 'dataOwner' as const, actor: dataOwner },
    ]);
  return [...new Map(owners.map((owner) => [`${owner.role} ${owner.actor}`, owner])).values()];
};

/** A detection needs one window only, and it is critical: a broken source does not heal by waiting. */
const changeEvents = (
  { alerts }: AlertState,
  { monitorId, endpoint }: Data<'MonitorDefined'>,
  { window, changes, alertIds }: ClosingWindow,
  sources: readonly Source[],
): MonitoringEvent[] => {
  const known = new Set(alerts.filter(({ kind }) => kind === 'dataSource').flatMap(({ features }) => features));
  const fresh = changes.filter(({ feature }) => !known.has(feature));
  const events: MonitoringEvent[] = changes.map((change: MeasuredChange) => ({
    type: 'DataSourceChanged',
    data: {
      dataSourceId: sources.find(({ features }) => features.includes(change.feature))?.dataSourceId ?? UNASSIGNED,
      monitorId,
      endpoint,
      window,
      ...change,
    },
  }));
  if (fresh.length === 0) return events;
  const features = [...new Set(fresh.map(({ feature }) => feature))];
  const sentence = `${fresh.map((change) => change.sentence).join('; ')}. Affected endpoint: ${endpoint}.`.slice(
    0,
    5000,
  );
  const notify = ownersOf(features, sources);
  const raised = { alertId: alertIds.dataSource, monitorId, endpoint, window, features, notify, sentence };
  return [...events, { type: 'AlertRaised', data: { ...raised, kind: 'dataSource', severity: 'critical' } }];
};

const driftEvents = (
  { alerts, history }: AlertState,
  { monitorId, endpoint, persistence, psiThreshold }: Data<'MonitorDefined'>,
  { window, changes, alertIds }: ClosingWindow,
  sources: readonly Source[],
  judged: readonly FeatureDrift[],
): MonitoringEvent[] => {
  const known = alerts.filter(({ kind }) => kind === 'drift' || kind === 'dataSource');
  const silent = new Set([...known.flatMap(({ features }) => features), ...changes.map(({ feature }) => feature)]);
  const next = judgedHistory(history, judged, persistence.ofWindows);
  const persistent = judged
    .filter(({ feature, verdict }) => verdict === 'drift' && !silent.has(feature))
    .filter(({ feature }) => (next.get(feature) ?? []).filter(Boolean).length >= persistence.windows)
    .sort((a, b) => (b.value ?? 0) - (a.value ?? 0));
  if (persistent.length === 0) return [];
  const features = persistent.map(({ feature }) => feature);
  const critical = persistent.some(({ value }) => (value ?? 0) >= Math.max(CRITICAL_PSI, psiThreshold));
  const sentence = `${persistent.map((feature) => feature.sentence).join(' ')} Affected endpoint: ${endpoint}.`;
  const notify = ownersOf(features, sources);
  const raised = { alertId: alertIds.drift, monitorId, endpoint, window, features, notify };
  const severity = critical ? 'critical' : 'warning';
  return [{ type: 'AlertRaised', data: { ...raised, kind: 'drift', severity, sentence: sentence.slice(0, 5000) } }];
};

/** Alerts of features end by evidence: each of their features was seen with enough rows and is normal again. */
const resolutions = (
  { alerts }: AlertState,
  { monitorId, endpoint, psiThreshold }: Data<'MonitorDefined'>,
  { window, changes }: ClosingWindow,
  judged: readonly FeatureDrift[],
): MonitoringEvent[] => {
  const seen = new Map(judged.map((feature) => [feature.feature, feature]));
  const broken = new Set(changes.map(({ feature }) => feature));
  const rows = Math.max(0, ...judged.map(({ n }) => n));
  const normal = {
    drift: (feature: string) => {
      const drift = seen.get(feature);
      return drift !== undefined && drift.verdict !== 'insufficient' && (drift.value ?? 0) < HYSTERESIS * psiThreshold;
    },
    // A column that came from outside the baseline has no profile; that it is gone is all that can be seen.
    dataSource: (feature: string) => !broken.has(feature) && (seen.get(feature)?.n ?? rows) >= CHANGE_MIN_ROWS,
  };
  return alerts.flatMap(({ alertId, kind, features }): MonitoringEvent[] => {
    if ((kind !== 'drift' && kind !== 'dataSource') || !features.every(normal[kind])) return [];
    const below = kind === 'drift' ? `PSI is below ${HYSTERESIS} of the threshold` : 'the source is normal again';
    const reason = `${features.join(', ')}: ${below} in the window from ${window.start}.`;
    return [{ type: 'AlertResolved', data: { alertId, monitorId, endpoint, window, reason: reason.slice(0, 5000) } }];
  });
};

/** Persistence, severity and the end of alerts of performance and fairness, over the newest windows with labels. */
export const alertsOfOutcomes = (
  { alerts, outcomes }: AlertState,
  { monitorId, endpoint, persistence, dataSourceIds }: Data<'MonitorDefined'>,
  { window, sources, alertIds }: Answer,
  evaluated: readonly Outcome[],
): MonitoringEvent[] => {
  const next = judgedOutcomes(outcomes, window.start, evaluated, persistence.ofWindows);
  const named = sources.filter(({ dataSourceId }) => dataSourceIds.includes(dataSourceId));
  return (['performance', 'fairness'] as const).flatMap((kind): MonitoringEvent[] => {
    const open = alerts.filter((alert) => alert.kind === kind);
    const keysOf = (features: readonly string[]) => (kind === 'performance' ? [''] : features);
    const newest = (key: string) => next.get(key)?.at(-1)?.outcome;
    const known = new Set(open.flatMap(({ features }) => keysOf(features)));
    const persistent = evaluated
      .filter(({ attribute, verdict }) => (attribute === null) === (kind === 'performance') && verdict === 'degraded')
      .filter((outcome) => !known.has(keyOf(outcome)) && newest(keyOf(outcome))?.verdict === 'degraded')
      .filter((outcome) => {
        const judged = next.get(keyOf(outcome)) ?? [];
        return judged.filter((one) => one.outcome.verdict === 'degraded').length >= persistence.windows;
      });
    const events: MonitoringEvent[] = open
      .filter(({ features }) =>
        keysOf(features).every((key) => {
          const { verdict, effect, threshold } = newest(key) ?? {};
          return verdict === 'none' && (effect ?? 0) < HYSTERESIS * (threshold ?? 0);
        }),
      )
      .map(({ alertId, features }) => {
        const what = kind === 'performance' ? 'Accuracy' : features.join(', ');
        const reason = `${what}: the newest window with labels is below ${HYSTERESIS} of the threshold.`;
        return { type: 'AlertResolved', data: { alertId, monitorId, endpoint, window, reason } };
      });
    if (persistent.length === 0) return events;
    const features = persistent.flatMap(({ attribute }) => attribute ?? []);
    const critical = persistent.some(({ effect, threshold }) => (effect ?? 0) >= CRITICAL_FACTOR * threshold);
    const sentence = `${persistent.map((outcome) => outcome.sentence).join(' ')} Affected endpoint: ${endpoint}.`;
    // What a model does wrong is no feature of one source, so it concerns the owners of all.
    const notify = ownersOf([''], named);
    const raised = { alertId: alertIds[kind], monitorId, endpoint, window, features, notify, kind };
    const severity = critical ? 'critical' : 'warning';
    return [...events, { type: 'AlertRaised', data: { ...raised, severity, sentence: sentence.slice(0, 5000) } }];
  });
};

/** What one judged window does to the alerts of its monitor. At most one new alert of each kind: one grouped incident. */
export const alertsOfWindow = (
  state: AlertState,
  definition: Data<'MonitorDefined'>,
  window: ClosingWindow,
  judged: readonly FeatureDrift[],
): MonitoringEvent[] => {
  const sources = window.sources.filter(({ dataSourceId }) => definition.dataSourceIds.includes(dataSourceId));
  return [
    ...changeEvents(state, definition, window, sources),
    ...driftEvents(state, definition, window, sources, judged),
    ...resolutions(state, definition, window, judged),
  ];
};
