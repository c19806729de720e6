import type { MonitoringEvent } from '@kontor/domain/monitoring';
import type { Projection } from '@kontor/event-sourcing';
import { rowKey } from '../graphql/row-key.js';

type Closed = Extract<MonitoringEvent, { type: 'WindowClosed' }>['data'];

export type WindowRow = Closed & {
  /** Of the window, in event time; lists are ordered by it. */
  readonly start: string;
  /** 0 when it was closed; late rows and labels raise it. */
  readonly revision: number;
  readonly closedAt: string;
  readonly revisedAt: string | null;
};

/** Closed windows, with the newest revision of their numbers. */
export const windows: Projection<WindowRow, MonitoringEvent> = {
  name: 'windows',
  version: 1,
  canHandle: ['WindowClosed', 'WindowRevised'],
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
          closedAt: event.recordedAt,
          revisedAt: null,
        };
      case 'WindowRevised': {
        if (row === undefined) return undefined;
        const { revision, rows, labels, performance, fairness } = event.data;
        return { ...row, revision, rows, labels, performance, fairness, revisedAt: event.recordedAt };
      }
      default:
        return row;
    }
  },
};
