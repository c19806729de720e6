import { type RegistryEvent, withoutKey, withValues } from '@kontor/domain/registry';
import type { Projection } from '@kontor/event-sourcing';
import { rowKey } from '../graphql/row-key.js';
import { happenedAt, later } from './happened-at.js';

type Created = Extract<RegistryEvent, { type: 'ExperimentCreated' }>['data'];

export type ExperimentRow = Created & {
  readonly deleted: boolean;
  /** Runs deleted at a lower position came back with it. "0" if it never was restored. */
  readonly restoredPosition: string;
  readonly createdAt: string;
  readonly updatedAt: string;
};

/** Experiments. */
export const experiments: Projection<ExperimentRow, RegistryEvent> = {
  name: 'experiments',
  version: 1,
  canHandle: [
    'ExperimentCreated',
    'ExperimentRenamed',
    'ExperimentDeleted',
    'ExperimentRestored',
    'TagSet',
    'TagRemoved',
  ],
  keys: ({ workspace, data }) => {
    if ('target' in data) {
      return data.target.aggregate === 'experiment' ? [rowKey(workspace, data.target.experimentId)] : [];
    }
    return 'experimentId' in data ? [rowKey(workspace, data.experimentId)] : [];
  },
  evolve: (row, event) => {
    const at = happenedAt(event);
    if (event.type === 'ExperimentCreated') {
      const { updatedAt = at } = event.data.importedFrom ?? {};
      return { ...event.data, deleted: false, restoredPosition: '0', createdAt: at, updatedAt };
    }
    if (row === undefined) return undefined;
    const updatedAt = later(row.updatedAt, at);
    switch (event.type) {
      case 'ExperimentRenamed':
        return { ...row, name: event.data.name, updatedAt };
      case 'ExperimentDeleted':
        return { ...row, deleted: true, updatedAt };
      case 'ExperimentRestored': {
        const { keepsDeletedRuns } = event.data;
        const restoredPosition = keepsDeletedRuns ? row.restoredPosition : String(event.position);
        return { ...row, deleted: false, restoredPosition, updatedAt };
      }
      case 'TagSet':
        return { ...row, tags: [...withValues(row.tags, [{ key: event.data.key, value: event.data.value }])] };
      case 'TagRemoved':
        return { ...row, tags: [...withoutKey(row.tags, event.data.key)] };
      default:
        return row;
    }
  },
};
