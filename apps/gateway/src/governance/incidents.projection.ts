import type { GovernanceEvent } from '@kontor/domain/governance';
import type { Projection } from '@kontor/event-sourcing';
import { rowKey } from '../graphql/row-key.js';

type Opened = Extract<GovernanceEvent, { type: 'IncidentOpened' }>['data'];

export type IncidentRow = Opened & { readonly openedAt: string };

/** Incidents of use cases. */
export const incidents: Projection<IncidentRow, GovernanceEvent> = {
  name: 'incidents',
  version: 1,
  canHandle: ['IncidentOpened'],
  keys: ({ workspace, data }) => ('incidentId' in data ? [rowKey(workspace, data.incidentId)] : []),
  evolve: (row, event) => (event.type === 'IncidentOpened' ? { ...event.data, openedAt: event.recordedAt } : row),
};
