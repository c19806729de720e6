import type { MonitoringEvent } from '@kontor/domain/monitoring';
import type { Projection } from '@kontor/event-sourcing';
import { rowKey } from '../graphql/row-key.js';

type Registered = Extract<MonitoringEvent, { type: 'DataSourceRegistered' }>['data'];
type Changed = Extract<MonitoringEvent, { type: 'DataSourceChanged' }>['data'];

/** How many of the newest changes a row keeps; all of them stay in the log and in the past versions of the row. */
export const KEPT_CHANGES = 20;

export type DataSourceRow = Registered & {
  readonly registeredAt: string;
  /** Newest first. */
  readonly changes: readonly (Omit<Changed, 'dataSourceId'> & { readonly at: string })[];
};

/** Data sources with their two owners and what changed upstream. */
export const dataSources: Projection<DataSourceRow, MonitoringEvent> = {
  name: 'data_sources',
  version: 1,
  canHandle: ['DataSourceRegistered', 'DataSourceChanged'],
  keys: ({ workspace, data }) => ('dataSourceId' in data ? [rowKey(workspace, data.dataSourceId)] : []),
  evolve: (row, event) => {
    switch (event.type) {
      case 'DataSourceRegistered':
        return { ...event.data, registeredAt: event.recordedAt, changes: row?.changes ?? [] };
      case 'DataSourceChanged': {
        if (row === undefined) return undefined;
        const { dataSourceId: _, ...change } = event.data;
        return { ...row, changes: [{ ...change, at: event.recordedAt }, ...row.changes].slice(0, KEPT_CHANGES) };
      }
      default:
        return row;
    }
  },
};
