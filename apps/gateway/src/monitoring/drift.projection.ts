import type { MonitoringEvent } from '@kontor/domain/monitoring';
import type { Projection } from '@kontor/event-sourcing';
import { rowKey } from '../graphql/row-key.js';

type Evaluated = Extract<MonitoringEvent, { type: 'DriftEvaluated' }>['data'];

export type DriftRow = Evaluated & { readonly start: string; readonly evaluatedAt: string };

/** The drift of a window against its baseline, feature by feature. A later evaluation of the window replaces it. */
export const drift: Projection<DriftRow, MonitoringEvent> = {
  name: 'drift',
  version: 1,
  canHandle: ['DriftEvaluated'],
  keys: ({ workspace, data }) =>
    'monitorId' in data && 'window' in data && data.window !== null
      ? [rowKey(workspace, data.monitorId, data.window.start)]
      : [],
  evolve: (row, event) =>
    event.type === 'DriftEvaluated'
      ? { ...event.data, start: event.data.window.start, evaluatedAt: event.recordedAt }
      : row,
};
