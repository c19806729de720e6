import type { MonitoringEvent } from '@kontor/domain/monitoring';
import type { Projection } from '@kontor/event-sourcing';
import { rowKey } from '../graphql/row-key.js';

type Pinned = Extract<MonitoringEvent, { type: 'BaselinePinned' }>['data'];

export type BaselineRow = Pick<Pinned, 'baselineId' | 'version' | 'dataset' | 'features' | 'performance'> & {
  readonly modelName: string;
  readonly state: 'REQUESTED' | 'COMPLETED' | 'FAILED';
  /** Null if it has no labels. */
  readonly labelColumn: string | null;
  readonly score: Pinned['score'] | null;
  readonly binsHash: string | null;
  readonly requestedAt: string;
  readonly requestedBy: string;
  readonly pinnedAt: string | null;
  readonly failure: string | null;
};

/** References that windows are compared with. A pinned baseline never changes. */
export const baselines: Projection<BaselineRow, MonitoringEvent> = {
  name: 'baselines',
  version: 2,
  canHandle: ['BaselineRequested', 'BaselinePinned', 'BaselineFailed'],
  // A monitor names a baseline too, and is none.
  keys: ({ type, workspace, data }) =>
    type.startsWith('Baseline') && 'baselineId' in data ? [rowKey(workspace, data.baselineId)] : [],
  evolve: (row, event) => {
    const at = event.recordedAt;
    switch (event.type) {
      case 'BaselineRequested': {
        const { baselineId, version, dataset, labelColumn } = event.data;
        return {
          baselineId,
          version,
          dataset,
          modelName: version.modelName,
          state: 'REQUESTED',
          labelColumn,
          features: [],
          score: null,
          binsHash: null,
          performance: null,
          requestedAt: at,
          requestedBy: event.actor,
          pinnedAt: null,
          failure: null,
        };
      }
      case 'BaselinePinned': {
        const { modelName } = event.data.version;
        const { requestedAt = at, requestedBy = event.actor, labelColumn = null } = row ?? {};
        const asked = { modelName, labelColumn, requestedAt, requestedBy };
        return { ...event.data, ...asked, state: 'COMPLETED', pinnedAt: at, failure: null };
      }
      case 'BaselineFailed':
        return row && { ...row, state: 'FAILED', failure: event.data.reason };
      default:
        return row;
    }
  },
};
