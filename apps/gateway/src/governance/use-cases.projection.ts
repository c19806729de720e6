import type { GovernanceEvent } from '@kontor/domain/governance';
import type { Projection } from '@kontor/event-sourcing';
import { rowKey } from '../graphql/row-key.js';

type Registered = Extract<GovernanceEvent, { type: 'UseCaseRegistered' }>['data'];
type Assigned = Extract<GovernanceEvent, { type: 'RiskTierAssigned' }>['data'];

export type UseCaseRow = Registered & {
  readonly registeredAt: string;
  readonly tier: Assigned['tier'];
  readonly classification: (Omit<Assigned, 'useCaseId'> & { readonly at: string }) | null;
  readonly suspension: { readonly reason: string; readonly by: string; readonly at: string } | null;
};

/** Use cases with their owner, their risk tier and whether one person has suspended them. */
export const useCases: Projection<UseCaseRow, GovernanceEvent> = {
  name: 'use_cases',
  version: 1,
  canHandle: ['UseCaseRegistered', 'RiskTierAssigned', 'UseCaseSuspended', 'UseCaseResumed'],
  keys: ({ workspace, data }) =>
    'useCaseId' in data && data.useCaseId !== null ? [rowKey(workspace, data.useCaseId)] : [],
  evolve: (row, event) => {
    const at = event.recordedAt;
    if (event.type === 'UseCaseRegistered') {
      return { ...event.data, registeredAt: at, tier: 'UNCLASSIFIED', classification: null, suspension: null };
    }
    if (row === undefined) return undefined;
    switch (event.type) {
      case 'RiskTierAssigned': {
        const { useCaseId: _, ...classification } = event.data;
        return { ...row, tier: classification.tier, classification: { ...classification, at } };
      }
      case 'UseCaseSuspended':
        return { ...row, suspension: { reason: event.data.reason, by: event.data.by, at } };
      case 'UseCaseResumed':
        return { ...row, suspension: null };
      default:
        return row;
    }
  },
};
