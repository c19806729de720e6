import type { MonitoringEvent } from '@kontor/domain/monitoring';
import type { Projection } from '@kontor/event-sourcing';
import { rowKey } from '../graphql/row-key.js';

type Defined = Extract<MonitoringEvent, { type: 'MonitorDefined' }>['data'];

export type MonitorRow = Defined & { readonly definedAt: string; readonly definedBy: string };

/** Monitors as they are defined now; a redefinition replaces the whole. */
export const monitors: Projection<MonitorRow, MonitoringEvent> = {
  name: 'monitors',
  version: 1,
  canHandle: ['MonitorDefined'],
  keys: ({ workspace, data }) => ('monitorId' in data ? [rowKey(workspace, data.monitorId)] : []),
  evolve: (row, event) =>
    event.type === 'MonitorDefined' ? { ...event.data, definedAt: event.recordedAt, definedBy: event.actor } : row,
};
