import type { GovernanceEvent } from '@kontor/domain/governance';
import type { Projection } from '@kontor/event-sourcing';
import { rowKey } from '../graphql/row-key.js';

type Erased = Extract<GovernanceEvent, { type: 'SubjectErased' }>['data'];

export type ErasureRow = Erased & { readonly erasedAt: string };

/** Persons whose data was erased: of each the last time. */
export const erasures: Projection<ErasureRow, GovernanceEvent> = {
  name: 'erasures',
  version: 1,
  canHandle: ['SubjectErased'],
  keys: ({ workspace, data }) => ('subjectId' in data ? [rowKey(workspace, data.subjectId)] : []),
  evolve: (row, event) => (event.type === 'SubjectErased' ? { ...event.data, erasedAt: event.recordedAt } : row),
};
