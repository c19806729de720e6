import type { GovernanceEvent } from '@kontor/domain/governance';
import type { Projection } from '@kontor/event-sourcing';
import { rowKey } from '../graphql/row-key.js';

type Activated = Extract<GovernanceEvent, { type: 'PolicyActivated' }>['data'];

export type PolicyRow = Activated & { readonly activatedAt: string };

/** The active version of each policy. Earlier ones are this row at earlier positions. */
export const policies: Projection<PolicyRow, GovernanceEvent> = {
  name: 'policies',
  version: 1,
  canHandle: ['PolicyActivated'],
  keys: ({ workspace, data }) => ('policyId' in data ? [rowKey(workspace, data.policyId)] : []),
  evolve: (row, event) => (event.type === 'PolicyActivated' ? { ...event.data, activatedAt: event.recordedAt } : row),
};
