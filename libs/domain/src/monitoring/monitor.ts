import { type CommandOf, type Decider, reject, unreachable } from '@kontor/event-sourcing';
import { alertsOfOutcomes, alertsOfWindow, type AlertState, judgedHistory, judgedOutcomes } from './alerts.js';
import type { monitoringCommands } from './commands.js';
import { judgeDrift } from './drift-rule.js';
import type { MonitoringEvent } from './events.js';
import { judgeOutcomes } from './outcome-rule.js';
import type { MonitoringRejection } from './rejections.js';
import { sameJson } from './same-json.js';

type MonitorCommand = CommandOf<
  typeof monitoringCommands,
  'DefineMonitor' | 'CloseWindow' | 'ReviseWindow' | 'AcknowledgeAlert'
>;
type CloseWindow = CommandOf<typeof monitoringCommands, 'CloseWindow'>;
type ReviseWindow = CommandOf<typeof monitoringCommands, 'ReviseWindow'>;
type Definition = Extract<MonitoringEvent, { type: 'MonitorDefined' }>['data'];

type Said = Pick<
  Extract<MonitoringEvent, { type: 'WindowRevised' }>['data'],
  'rows' | 'labels' | 'performance' | 'fairness'
>;

/** What later rows and labels may change of a closed window. */
const saidOf = ({ rows, labels, performance, fairness }: Said): Said => ({ rows, labels, performance, fairness });

/** How often a window was revised, and what was said of it last. */
interface Closed {
  readonly revisions: number;
  readonly said: Said;
}

export type MonitorState =
  | { readonly status: 'None' }
  | (AlertState & {
      readonly status: 'Defined';
      readonly definition: Definition;
      /** Closed windows by day and start. Days, so that a year of hourly windows is not copied with every event. */
      readonly closed: ReadonlyMap<string, ReadonlyMap<string, Closed>>;
      /** Start of the newest closed window. */
      readonly newest: string;
    });

type Defined = Extract<MonitorState, { status: 'Defined' }>;

const dayOf = (start: string): string => start.slice(0, 'YYYY-MM-DD'.length);

const closedAt = ({ closed }: Defined, start: string): Closed | undefined => closed.get(dayOf(start))?.get(start);

const withClosed = ({ closed }: Defined, start: string, window: Closed): Defined['closed'] =>
  new Map(closed).set(dayOf(start), new Map(closed.get(dayOf(start))).set(start, window));

/** What the labels of a window say, and the alerts that follow from it. */
const outcomesOf = (
  { window, outcomes, sources, alertIds }: CloseWindow['data'] | ReviseWindow['data'],
  state: Defined,
): readonly MonitoringEvent[] => {
  if (outcomes === null) return [];
  const { monitorId, endpoint, baselineId } = state.definition;
  const judged = judgeOutcomes(outcomes);
  if (judged.length === 0) return [];
  return [
    { type: 'OutcomesEvaluated', data: { monitorId, endpoint, window, baselineId, outcomes: judged } },
    ...alertsOfOutcomes(state, state.definition, { window, sources, alertIds }, judged),
  ];
};

/** Rows that came for a window long after later ones were judged are counted and shown, but alert nobody. */
const closeWindow = (data: CloseWindow['data'], state: Defined): readonly MonitoringEvent[] => {
  const { monitorId, endpoint, psiThreshold } = state.definition;
  const { window, rows, revisions, profileDigest, labels, performance, fairness, drift } = data;
  const features = judgeDrift(drift.features, psiThreshold);
  return [
    {
      type: 'WindowClosed',
      data: { monitorId, endpoint, window, rows, revisions, profileDigest, labels, performance, fairness },
    },
    {
      type: 'DriftEvaluated',
      data: { monitorId, endpoint, window, baselineId: drift.baselineId, binsHash: drift.binsHash, features },
    },
    ...(window.start > state.newest ? alertsOfWindow(state, state.definition, data, features) : []),
    ...outcomesOf(data, state),
  ];
};

/** A worker that crashed after its command sends it again, perhaps with what came since: that must not be lost. */
const reviseWindow = (
  data: CloseWindow['data'] | ReviseWindow['data'],
  state: Defined,
  before: Closed,
): readonly MonitoringEvent[] => {
  const said = saidOf(data);
  if (sameJson(said, before.said)) return [];
  const { monitorId, endpoint } = state.definition;
  const revised = { monitorId, endpoint, window: data.window, revision: before.revisions + 1, ...said };
  return [{ type: 'WindowRevised', data: revised }, ...outcomesOf(data, state)];
};

/** One monitor: its windows and its alerts, on one stream, so that all rules of alerts are decided in one place. */
export const monitor: Decider<MonitorState, MonitorCommand, MonitoringEvent, MonitoringRejection> = {
  initialState: { status: 'None' },
  decide: (command, state) => {
    if (command.type === 'DefineMonitor') {
      const { data } = command;
      const { windows, ofWindows } = data.persistence;
      if (state.status === 'Defined') {
        return sameJson(state.definition, data) ? [] : reject('MONITOR_EXISTS', { monitorId: data.monitorId });
      }
      if (windows > ofWindows) return reject('PERSISTENCE_IMPOSSIBLE', { windows, ofWindows });
      return [{ type: 'MonitorDefined', data }];
    }
    const { kind, id } = command.metadata.actor;
    if (command.type !== 'AcknowledgeAlert' && kind !== 'service') return reject('SERVICE_ONLY', { kind });
    if (state.status === 'None') return reject('MONITOR_UNKNOWN', { monitorId: command.data.monitorId });
    switch (command.type) {
      case 'CloseWindow': {
        const { window, drift } = command.data;
        const { baselineId } = state.definition;
        if (drift.baselineId !== baselineId) return reject('MONITOR_BASELINE_MISMATCH', { baselineId });
        const before = closedAt(state, window.start);
        return before ? reviseWindow(command.data, state, before) : closeWindow(command.data, state);
      }
      case 'ReviseWindow': {
        const { start } = command.data.window;
        const before = closedAt(state, start);
        return before ? reviseWindow(command.data, state, before) : reject('WINDOW_NOT_CLOSED', { start });
      }
      case 'AcknowledgeAlert': {
        const { alertId, monitorId, comment } = command.data;
        if (state.resolved.has(alertId)) return reject('ALERT_NOT_OPEN', { alertId });
        const alert = state.alerts.find((open) => open.alertId === alertId);
        if (!alert) return reject('ALERT_UNKNOWN', { alertId });
        if (alert.acknowledged) return [];
        return [{ type: 'AlertAcknowledged', data: { alertId, monitorId, by: id, comment } }];
      }
      default:
        return unreachable(command);
    }
  },
  evolve: (state, event) => {
    if (event.type === 'MonitorDefined') {
      return {
        status: 'Defined',
        definition: event.data,
        closed: new Map(),
        newest: '',
        history: new Map(),
        outcomes: new Map(),
        alerts: [],
        resolved: new Set(),
      };
    }
    if (state.status === 'None') return state;
    switch (event.type) {
      case 'WindowClosed': {
        const { start } = event.data.window;
        const closed = withClosed(state, start, { revisions: 0, said: saidOf(event.data) });
        return { ...state, closed, newest: start > state.newest ? start : state.newest };
      }
      case 'WindowRevised': {
        const { window, revision } = event.data;
        return { ...state, closed: withClosed(state, window.start, { revisions: revision, said: saidOf(event.data) }) };
      }
      case 'DriftEvaluated':
        if (event.data.window.start < state.newest) return state;
        return {
          ...state,
          history: judgedHistory(state.history, event.data.features, state.definition.persistence.ofWindows),
        };
      case 'OutcomesEvaluated': {
        const { window, outcomes } = event.data;
        const { ofWindows } = state.definition.persistence;
        return { ...state, outcomes: judgedOutcomes(state.outcomes, window.start, outcomes, ofWindows) };
      }
      case 'DataSourceChanged': {
        // What a broken source does to the distribution is no drift of the world: it does not count for persistence.
        const history = new Map(state.history);
        history.set(event.data.feature, [...(history.get(event.data.feature) ?? []).slice(0, -1), false]);
        return { ...state, history };
      }
      case 'AlertRaised': {
        const { alertId, kind, features } = event.data;
        return { ...state, alerts: [...state.alerts, { alertId, kind, features, acknowledged: false }] };
      }
      case 'AlertAcknowledged': {
        const { alertId } = event.data;
        const alerts = state.alerts.map((alert) =>
          alert.alertId === alertId ? { ...alert, acknowledged: true } : alert,
        );
        return { ...state, alerts };
      }
      case 'AlertResolved': {
        const { alertId } = event.data;
        const resolved = new Set(state.resolved).add(alertId);
        return { ...state, resolved, alerts: state.alerts.filter((alert) => alert.alertId !== alertId) };
      }
      default:
        return state;
    }
  },
};
