import type { MonitoringEvent } from '@kontor/domain/monitoring';
import type { Projection } from '@kontor/event-sourcing';
import { rowKey } from '../graphql/row-key.js';

type Raised = Extract<MonitoringEvent, { type: 'AlertRaised' }>['data'];

export type AlertRow = Raised & {
  readonly state: 'RAISED' | 'ACKNOWLEDGED' | 'RESOLVED';
  readonly raisedAt: string;
  readonly acknowledgement: { readonly by: string; readonly comment: string; readonly at: string } | null;
  readonly resolution: { readonly reason: string; readonly at: string } | null;
};

/** Alerts from the moment they were raised to their resolution. */
export const alerts: Projection<AlertRow, MonitoringEvent> = {
  name: 'alerts',
  version: 1,
  canHandle: ['AlertRaised', 'AlertAcknowledged', 'AlertResolved'],
  keys: ({ workspace, data }) => ('alertId' in data ? [rowKey(workspace, data.alertId)] : []),
  evolve: (row, event) => {
    const at = event.recordedAt;
    if (event.type === 'AlertRaised') {
      return { ...event.data, state: 'RAISED', raisedAt: at, acknowledgement: null, resolution: null };
    }
    if (row === undefined) return undefined;
    switch (event.type) {
      case 'AlertAcknowledged': {
        const { by, comment } = event.data;
        const state = row.state === 'RESOLVED' ? 'RESOLVED' : 'ACKNOWLEDGED';
        return { ...row, state, acknowledgement: { by, comment, at } };
      }
      case 'AlertResolved':
        return { ...row, state: 'RESOLVED', resolution: { reason: event.data.reason, at } };
      default:
        return row;
    }
  },
};
