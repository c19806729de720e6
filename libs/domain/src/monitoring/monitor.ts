import { type CommandOf, type Decider, reject, unreachable } from '@kontor/event-sourcing';
import { alertsOfWindow, type AlertState, judgedHistory } from './alerts.js';
import type { monitoringCommands } from './commands.js';
import { judgeDrift } from './drift-rule.js';
import type { MonitoringEvent } from './events.js';
import type { MonitoringRejection } from './rejections.js';
import { sameJson } from './same-json.js';

type MonitorCommand = CommandOf<
  typeof monitoringCommands,
  'DefineMonitor' | 'CloseWindow' | 'ReviseWindow' | 'AcknowledgeAlert'
>;
type CloseWindow = CommandOf<typeof monitoringCommands, 'CloseWindow'>;
type Defined = Extract<MonitoringEvent, { type: 'MonitorDefined' }>['data'];

type Outcome = Pick<
  Extract<MonitoringEvent, { type: 'WindowRevised' }>['data'],
  'rows' | 'labels' | 'performance' | 'fairness'
>;

/** What later rows and labels may change of a closed window. */
const outcomeOf = ({ rows, labels, performance, fairness }: Outcome): Outcome => ({
  rows,
  labels,
  performance,
  fairness,
});

export type MonitorState =
  | { readonly status: 'None' }
  | (AlertState & {
      readonly status: 'Defined';
      readonly definition: Defined;
      /** Closed windows by their start: how often each was revised, and what was said of it last. */
      readonly closed: ReadonlyMap<string, { readonly revisions: number; readonly said: Outcome }>;
      /** Start of the newest closed window. */
      readonly newest: string;
    });

/** Rows that came for a window long after later ones were judged are counted and shown, but alert nobody. */
const closeWindow = (
  { data }: CloseWindow,
  state: Extract<MonitorState, { status: 'Defined' }>,
): readonly MonitoringEvent[] => {
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
  ];
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
        return state.closed.has(window.start) ? [] : closeWindow(command, state);
      }
      case 'ReviseWindow': {
        const before = state.closed.get(command.data.window.start);
        if (before === undefined) return reject('WINDOW_NOT_CLOSED', { start: command.data.window.start });
        // A worker that crashed after this command sends it again under another id.
        if (sameJson(outcomeOf(command.data), before.said)) return [];
        const { endpoint } = state.definition;
        return [{ type: 'WindowRevised', data: { ...command.data, endpoint, revision: before.revisions + 1 } }];
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
        alerts: [],
        resolved: new Set(),
      };
    }
    if (state.status === 'None') return state;
    switch (event.type) {
      case 'WindowClosed': {
        const { start } = event.data.window;
        const closed = new Map(state.closed).set(start, { revisions: 0, said: outcomeOf(event.data) });
        return { ...state, closed, newest: start > state.newest ? start : state.newest };
      }
      case 'WindowRevised': {
        const { window, revision } = event.data;
        const said = { revisions: revision, said: outcomeOf(event.data) };
        return { ...state, closed: new Map(state.closed).set(window.start, said) };
      }
      case 'DriftEvaluated':
        if (event.data.window.start < state.newest) return state;
        return {
          ...state,
          history: judgedHistory(state.history, event.data.features, state.definition.persistence.ofWindows),
        };
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
