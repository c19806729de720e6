import type { MonitoringEvent } from '@kontor/domain/monitoring';
import type { Projection } from '@kontor/event-sourcing';
import { rowKey } from '../graphql/row-key.js';

type Requested = Extract<MonitoringEvent, { type: 'EvaluationRequested' }>['data'];
type Completed = Extract<MonitoringEvent, { type: 'EvaluationCompleted' }>['data'];
type Measured = Pick<Completed, 'performance' | 'golden' | 'environment' | 'comparedWith'>;

export type EvaluationRow = Pick<Requested, 'evaluationId' | 'endpoint' | 'version' | 'dataset'> &
  Pick<Completed, 'slices' | 'fairness'> & { readonly [Key in keyof Measured]: Measured[Key] | null } & {
    readonly modelName: string;
    readonly versionNumber: number;
    readonly state: 'REQUESTED' | 'COMPLETED' | 'FAILED';
    readonly requestedAt: string;
    readonly requestedBy: string;
    readonly completedAt: string | null;
    readonly failure: string | null;
  };

/** Evaluations from their request to their numbers. */
export const evaluations: Projection<EvaluationRow, MonitoringEvent> = {
  name: 'evaluations',
  version: 1,
  canHandle: ['EvaluationRequested', 'EvaluationCompleted', 'EvaluationFailed'],
  keys: ({ workspace, data }) => ('evaluationId' in data ? [rowKey(workspace, data.evaluationId)] : []),
  evolve: (row, event) => {
    const at = event.recordedAt;
    switch (event.type) {
      case 'EvaluationRequested': {
        const { evaluationId, endpoint, version, dataset } = event.data;
        return {
          evaluationId,
          endpoint,
          version,
          dataset,
          modelName: version.modelName,
          versionNumber: version.version,
          state: 'REQUESTED',
          environment: null,
          performance: null,
          slices: [],
          fairness: [],
          golden: null,
          comparedWith: null,
          requestedAt: at,
          requestedBy: event.actor,
          completedAt: null,
          failure: null,
        };
      }
      case 'EvaluationCompleted': {
        const { modelName, version: versionNumber } = event.data.version;
        const { requestedAt = at, requestedBy = event.actor } = row ?? {};
        return {
          ...event.data,
          modelName,
          versionNumber,
          state: 'COMPLETED',
          requestedAt,
          requestedBy,
          completedAt: at,
          failure: null,
        };
      }
      case 'EvaluationFailed':
        return row && { ...row, state: 'FAILED', completedAt: at, failure: event.data.reason };
      default:
        return row;
    }
  },
};
