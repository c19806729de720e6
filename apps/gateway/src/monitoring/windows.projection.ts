import type { MonitoringEvent } from '@kontor/domain/monitoring';
import type { Projection } from '@kontor/event-sourcing';
import { rowKey } from '../graphql/row-key.js';

type Closed = Extract<MonitoringEvent, { type: 'WindowClosed' }>['data'];
type Evaluated = Extract<MonitoringEvent, { type: 'OutcomesEvaluated' }>['data'];

export type WindowRow = Closed & {
  /** Of the window, in event time; lists are ordered by it. */
  readonly start: string;
  /** 0 when it was closed; late rows and labels raise it. */
  readonly revision: number;
  /** As evaluated last; empty without labels. */
  readonly outcomes: Evaluated['outcomes'];
  readonly closedAt: string;
  readonly revisedAt: string | null;
};

/** Closed windows, with the newest revision of their numbers. */
export const windows: Projection<WindowRow, MonitoringEvent> = {
  name: 'windows',
  version: 2,
  canHandle: ['WindowClosed', 'WindowRevised', 'OutcomesEvaluated'],
  keys: ({ workspace, data }) =>
    'monitorId' in data && 'window' in data && data.window !== null
      ? [rowKey(workspace, data.monitorId, data.window.start)]
      : [],
  evolve: (row, event) => {
    switch (event.type) {
      case 'WindowClosed':
        return {
          ...event.data,
          start: event.data.window.start,
          revision: 0,
          outcomes: [],
          closedAt: event.recordedAt,
          revisedAt: null,
        };
      case 'WindowRevised': {
        if (row === undefined) return undefined;
        const { revision, rows, labels, performance, fairness } = event.data;
        return { ...row, revision, rows, labels, performance, fairness, revisedAt: event.recordedAt };
      }
      case 'OutcomesEvaluated':
        return row && { ...row, outcomes: event.data.outcomes };
      default:
        return row;
    }
  },
};
