import { ADMIN, type CommandOf, type Decider, mayAdminister, reject, unreachable } from '@kontor/event-sourcing';
import type { registryCommands } from './commands.js';
import type { RegistryEvent } from './events.js';
import type { RegistryRejection } from './rejections.js';

/** Always there, and where all workspaces are kept. */
const DEFAULT = 'default';

type Described = Pick<
  Extract<RegistryEvent, { type: 'WorkspaceCreated' }>['data'],
  'description' | 'defaultArtifactRoot'
>;

export type WorkspaceState = { readonly status: 'None' | 'Deleted' } | ({ readonly status: 'Active' } & Described);

export type WorkspaceCommand = CommandOf<
  typeof registryCommands,
  'CreateWorkspace' | 'ChangeWorkspace' | 'DeleteWorkspace'
>;

/** What `default` is before anybody changed it. */
const UNCHANGED: WorkspaceState = { status: 'Active', description: '', defaultArtifactRoot: null };

/** The rules of one workspace. */
export const workspace: Decider<WorkspaceState, WorkspaceCommand, RegistryEvent, RegistryRejection> = {
  initialState: { status: 'None' },
  decide: ({ type, data, metadata }, recorded) => {
    const { actor, workspace: from } = metadata;
    const { name } = data;
    if (from !== DEFAULT) return reject('WORKSPACE_ELSEWHERE', { workspace: from });
    if (!mayAdminister(actor)) {
      return reject('ROLE_REQUIRED', { actor: actor.id, anyOf: [ADMIN] });
    }
    const isDefault = name === DEFAULT;
    if (isDefault && type !== 'ChangeWorkspace') return reject('WORKSPACE_RESERVED', { name });
    const state = isDefault && recorded.status === 'None' ? UNCHANGED : recorded;
    if (type === 'CreateWorkspace') {
      if (state.status === 'Active') return reject('WORKSPACE_EXISTS', { name });
      return [{ type: 'WorkspaceCreated', data }];
    }
    if (state.status !== 'Active') return reject('WORKSPACE_UNKNOWN', { name });
    switch (type) {
      case 'ChangeWorkspace': {
        const { description: previousDescription, defaultArtifactRoot: previousDefaultArtifactRoot } = state;
        const { description = previousDescription, defaultArtifactRoot = previousDefaultArtifactRoot } = data;
        if (description === previousDescription && defaultArtifactRoot === previousDefaultArtifactRoot) return [];
        const changed = { name, description, defaultArtifactRoot, previousDescription, previousDefaultArtifactRoot };
        return [{ type: 'WorkspaceChanged', data: changed }];
      }
      case 'DeleteWorkspace':
        if (data.holds.length > 0) return reject('WORKSPACE_NOT_EMPTY', { name, holds: data.holds });
        return [{ type: 'WorkspaceDeleted', data: { name } }];
      default:
        return unreachable(type);
    }
  },
  evolve: (state, event) => {
    switch (event.type) {
      case 'WorkspaceCreated':
      case 'WorkspaceChanged': {
        const { description, defaultArtifactRoot } = event.data;
        return { status: 'Active', description, defaultArtifactRoot };
      }
      case 'WorkspaceDeleted':
        return { status: 'Deleted' };
      default:
        return state;
    }
  },
};
