import { type RegistryEvent, withoutKey, withValues } from '@kontor/domain/registry';
import type { Projection } from '@kontor/event-sourcing';
import { rowKey } from '../graphql/row-key.js';
import { happenedAt, later } from './happened-at.js';

type Created = Extract<RegistryEvent, { type: 'LoggedModelCreated' }>['data'];

export type LoggedModelRow = Created & {
  readonly status: 'PENDING' | 'READY' | 'UPLOAD_FAILED';
  readonly manifestDigest: string | null;
  readonly deleted: boolean;
  readonly createdAt: string;
  readonly updatedAt: string;
};

/** Models as runs wrote them. */
export const loggedModels: Projection<LoggedModelRow, RegistryEvent> = {
  name: 'logged_models',
  version: 1,
  canHandle: [
    'LoggedModelCreated',
    'LoggedModelFinalized',
    'LoggedModelParamsLogged',
    'LoggedModelDeleted',
    'TagSet',
    'TagRemoved',
  ],
  keys: ({ workspace, data }) => {
    if ('target' in data) {
      return data.target.aggregate === 'logged-model' ? [rowKey(workspace, data.target.loggedModelId)] : [];
    }
    return 'loggedModelId' in data && data.loggedModelId !== null ? [rowKey(workspace, data.loggedModelId)] : [];
  },
  evolve: (row, event) => {
    const at = happenedAt(event);
    if (event.type === 'LoggedModelCreated') {
      const { updatedAt = at } = event.data.importedFrom ?? {};
      return { ...event.data, status: 'PENDING', manifestDigest: null, deleted: false, createdAt: at, updatedAt };
    }
    if (row === undefined) return undefined;
    const updatedAt = later(row.updatedAt, at);
    switch (event.type) {
      case 'LoggedModelFinalized':
        return { ...row, status: event.data.status, manifestDigest: event.data.manifestDigest, updatedAt };
      case 'LoggedModelParamsLogged':
        return { ...row, params: [...withValues(row.params, event.data.params)], updatedAt };
      case 'LoggedModelDeleted':
        return { ...row, deleted: true, updatedAt };
      case 'TagSet':
        return { ...row, tags: [...withValues(row.tags, [{ key: event.data.key, value: event.data.value }])] };
      case 'TagRemoved':
        return { ...row, tags: [...withoutKey(row.tags, event.data.key)] };
      default:
        return row;
    }
  },
};
