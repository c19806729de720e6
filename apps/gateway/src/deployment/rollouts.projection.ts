import type { DeploymentEvent } from '@kontor/domain/deployment';
import type { Projection } from '@kontor/event-sourcing';
import { rowKey } from '../graphql/row-key.js';

type Requested = Extract<DeploymentEvent, { type: 'RolloutRequested' }>['data'];
type Measured = Extract<DeploymentEvent, { type: 'AnalysisMeasured' }>['data'];

export type RolloutState = 'AWAITING_GATE' | 'REFUSED' | 'RUNNING' | 'HELD' | 'ABORTED' | 'PROMOTED';

export interface RolloutRow {
  readonly rolloutId: string;
  readonly endpoint: string;
  readonly environment: Requested['environment'];
  readonly revisionId: string;
  readonly version: Requested['version'];
  readonly modelName: string;
  readonly strategy: Requested['strategy'];
  readonly requestedBy: string;
  readonly requestedAt: string;
  readonly state: RolloutState;
  readonly gateId: string | null;
  readonly step: number | null;
  readonly weightBps: number;
  /** Why it was refused, is held or was aborted; empty otherwise. */
  readonly reasons: readonly string[];
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly endedBy: string | null;
  readonly analyses: readonly (Pick<Measured, 'step' | 'verdict' | 'guards'> & { readonly at: string })[];
}

/** Rollouts with their steps, their measurements and the gate decision that they rest on. */
export const rollouts: Projection<RolloutRow, DeploymentEvent> = {
  name: 'rollouts',
  version: 1,
  canHandle: [
    'RolloutRequested',
    'RolloutRefused',
    'RolloutStarted',
    'WeightSet',
    'AnalysisMeasured',
    'RolloutHeld',
    'RolloutResumed',
    'RolloutAborted',
    'RolloutPromoted',
  ],
  keys: ({ workspace, data }) =>
    'rolloutId' in data && data.rolloutId !== null ? [rowKey(workspace, data.rolloutId)] : [],
  evolve: (row, event) => {
    if (event.type === 'RolloutRequested') {
      const { rolloutId, endpoint, environment, revisionId, version, strategy, requestedBy } = event.data;
      return {
        rolloutId,
        endpoint,
        environment,
        revisionId,
        version,
        modelName: version.modelName,
        strategy,
        requestedBy,
        requestedAt: event.recordedAt,
        state: 'AWAITING_GATE',
        gateId: null,
        step: null,
        weightBps: 0,
        reasons: [],
        startedAt: null,
        endedAt: null,
        endedBy: null,
        analyses: [],
      };
    }
    if (row === undefined) return undefined;
    const at = event.recordedAt;
    switch (event.type) {
      case 'RolloutRefused':
        return { ...row, state: 'REFUSED', gateId: event.data.gateId, reasons: event.data.reasons, endedAt: at };
      case 'RolloutStarted':
        return { ...row, state: 'RUNNING', gateId: event.data.gate.gateId, startedAt: at };
      case 'WeightSet': {
        const weight = event.data.weights.find(({ revisionId }) => revisionId === row.revisionId)?.weightBps ?? 0;
        return { ...row, step: event.data.step ?? row.step, weightBps: weight };
      }
      case 'AnalysisMeasured': {
        const { step, verdict, guards } = event.data;
        return { ...row, analyses: [...row.analyses, { step, verdict, guards, at }] };
      }
      case 'RolloutHeld':
        return { ...row, state: 'HELD', reasons: [event.data.reason] };
      case 'RolloutResumed':
        return { ...row, state: 'RUNNING', reasons: [] };
      case 'RolloutAborted':
        return {
          ...row,
          state: 'ABORTED',
          weightBps: 0,
          reasons: [event.data.reason],
          endedAt: at,
          endedBy: event.data.by,
        };
      case 'RolloutPromoted':
        return { ...row, state: 'PROMOTED', reasons: [], endedAt: at };
      default:
        return row;
    }
  },
};
