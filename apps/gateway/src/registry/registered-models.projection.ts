import { type RegistryEvent, withoutKey, withValues } from '@kontor/domain/registry';
import type { Projection } from '@kontor/event-sourcing';
import { rowKey } from '../graphql/row-key.js';
import { happenedAt, later } from './happened-at.js';

type Created = Extract<RegistryEvent, { type: 'RegisteredModelCreated' }>['data'];

export type RegisteredModelRow = Created & {
  readonly aliases: readonly { readonly alias: string; readonly version: number }[];
  readonly protectedAliases: readonly string[];
  readonly deleted: boolean;
  readonly createdAt: string;
  /** Changes as MLflow counts them: rename, description, versions and stages; not tags and aliases. */
  readonly updatedAt: string;
};

/** Registered models with their aliases. */
export const registeredModels: Projection<RegisteredModelRow, RegistryEvent> = {
  name: 'registered_models',
  version: 2,
  canHandle: [
    'RegisteredModelCreated',
    'RegisteredModelRenamed',
    'RegisteredModelDescribed',
    'RegisteredModelDeleted',
    'RegisteredModelRestored',
    'AliasSet',
    'AliasRemoved',
    'AliasProtected',
    'AliasUnprotected',
    'ModelVersionRegistered',
    'StageChanged',
    'ModelVersionDeleted',
    'ModelVersionRestored',
    'TagSet',
    'TagRemoved',
  ],
  keys: ({ workspace, data }) => {
    if ('target' in data) {
      return data.target.aggregate === 'registered-model' ? [rowKey(workspace, data.target.modelId)] : [];
    }
    return 'modelId' in data ? [rowKey(workspace, data.modelId)] : [];
  },
  evolve: (row, event) => {
    const at = happenedAt(event);
    if (event.type === 'RegisteredModelCreated') {
      const { updatedAt = at } = event.data.importedFrom ?? {};
      return { ...event.data, aliases: [], protectedAliases: [], deleted: false, createdAt: at, updatedAt };
    }
    if (row === undefined) return undefined;
    const updatedAt = later(row.updatedAt, at);
    switch (event.type) {
      case 'RegisteredModelRenamed':
        return { ...row, name: event.data.name, updatedAt };
      case 'RegisteredModelDescribed':
        return { ...row, description: event.data.description, updatedAt };
      case 'RegisteredModelDeleted':
        return { ...row, deleted: true, updatedAt };
      case 'RegisteredModelRestored':
        return { ...row, deleted: false, updatedAt };
      case 'AliasSet': {
        const { alias, version } = event.data;
        return { ...row, aliases: [...row.aliases.filter((known) => known.alias !== alias), { alias, version }] };
      }
      case 'AliasRemoved':
        return { ...row, aliases: row.aliases.filter(({ alias }) => alias !== event.data.alias) };
      case 'AliasProtected':
        return { ...row, protectedAliases: [...row.protectedAliases, event.data.alias].sort() };
      case 'AliasUnprotected':
        return { ...row, protectedAliases: row.protectedAliases.filter((alias) => alias !== event.data.alias) };
      case 'ModelVersionRegistered':
      case 'StageChanged':
      case 'ModelVersionDeleted':
      case 'ModelVersionRestored':
        return { ...row, updatedAt };
      case 'TagSet':
        return { ...row, tags: [...withValues(row.tags, [{ key: event.data.key, value: event.data.value }])] };
      case 'TagRemoved':
        return { ...row, tags: [...withoutKey(row.tags, event.data.key)] };
      default:
        return row;
    }
  },
};
