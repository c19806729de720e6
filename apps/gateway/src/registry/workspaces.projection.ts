import type { RegistryEvent } from '@kontor/domain/registry';
import type { Projection } from '@kontor/event-sourcing';
import { rowKey } from '../graphql/row-key.js';

type Created = Extract<RegistryEvent, { type: 'WorkspaceCreated' }>['data'];

export type WorkspaceRow = Created & {
  readonly deleted: boolean;
  /** Of its first event: `default` never was created, only changed. */
  readonly createdAt: string;
  readonly createdBy: string;
};

/** Workspaces. */
export const workspaces: Projection<WorkspaceRow, RegistryEvent> = {
  name: 'workspaces',
  version: 1,
  canHandle: ['WorkspaceCreated', 'WorkspaceChanged', 'WorkspaceDeleted'],
  keys: ({ workspace, data }) => ('name' in data ? [rowKey(workspace, data.name)] : []),
  evolve: (row, event) => {
    switch (event.type) {
      case 'WorkspaceCreated':
      case 'WorkspaceChanged': {
        const { name, description, defaultArtifactRoot } = event.data;
        const { createdAt = event.recordedAt, createdBy = event.actor } = row ?? {};
        return { name, description, defaultArtifactRoot, deleted: false, createdAt, createdBy };
      }
      case 'WorkspaceDeleted':
        return row && { ...row, deleted: true };
      default:
        return row;
    }
  },
};
