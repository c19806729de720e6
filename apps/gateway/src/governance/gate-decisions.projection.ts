import type { GovernanceEvent } from '@kontor/domain/governance';
import type { Projection } from '@kontor/event-sourcing';
import { rowKey } from '../graphql/row-key.js';

type Evaluated = Extract<GovernanceEvent, { type: 'GateEvaluated' }>['data'];

export type GateDecisionRow = Evaluated & { readonly manifestDigest: string; readonly position: string };

/** Gate decisions, rule by rule. A decision never changes. */
export const gateDecisions: Projection<GateDecisionRow, GovernanceEvent> = {
  name: 'gate_decisions',
  version: 1,
  canHandle: ['GateEvaluated'],
  keys: ({ workspace, data }) => ('gateId' in data ? [rowKey(workspace, data.gateId)] : []),
  evolve: (row, event) =>
    event.type === 'GateEvaluated'
      ? { ...event.data, manifestDigest: event.data.subject.manifestDigest, position: String(event.position) }
      : row,
};
