import { type RegistryEvent, withoutKey, withValues } from '@kontor/domain/registry';
import type { Projection } from '@kontor/event-sourcing';
import { rowKey } from '../graphql/row-key.js';
import { happenedAt, later } from './happened-at.js';

type DataOf<Type extends RegistryEvent['type']> = Extract<RegistryEvent, { type: Type }>['data'];

/** A version. The model's present name stands on the model's row, because a rename names no versions. */
export type ModelVersionRow = Omit<DataOf<'ModelVersionRegistered'>, 'name'> & {
  readonly stage: DataOf<'StageChanged'>['stage'];
  readonly manifestDigest: string | null;
  readonly deleted: boolean;
  readonly createdAt: string;
  readonly updatedAt: string;
};

/** Versions of registered models, with the files that they are made of. */
export const modelVersions: Projection<ModelVersionRow, RegistryEvent> = {
  name: 'model_versions',
  version: 3,
  canHandle: [
    'ModelVersionRegistered',
    'StageChanged',
    'ModelVersionDeleted',
    'ModelVersionRestored',
    'ModelVersionDescribed',
    'TagSet',
    'TagRemoved',
  ],
  keys: ({ workspace, data }) => {
    if ('target' in data) {
      const { target } = data;
      return target.aggregate === 'model-version' ? [rowKey(workspace, target.modelId, target.version)] : [];
    }
    return 'modelId' in data && 'version' in data ? [rowKey(workspace, data.modelId, data.version)] : [];
  },
  evolve: (row, event) => {
    const at = happenedAt(event);
    if (event.type === 'ModelVersionRegistered') {
      const { name: _, ...registered } = event.data;
      const manifestDigest = registered.artifacts?.manifestDigest ?? null;
      const { updatedAt = at } = registered.importedFrom ?? {};
      return { ...registered, stage: 'None', manifestDigest, deleted: false, createdAt: at, updatedAt };
    }
    if (row === undefined) return undefined;
    const updatedAt = later(row.updatedAt, at);
    switch (event.type) {
      case 'StageChanged':
        return { ...row, stage: event.data.stage, updatedAt };
      case 'ModelVersionDeleted':
        return { ...row, deleted: true, updatedAt };
      case 'ModelVersionRestored':
        return { ...row, deleted: false, updatedAt };
      case 'ModelVersionDescribed':
        return { ...row, description: event.data.description, updatedAt };
      case 'TagSet':
        return { ...row, tags: [...withValues(row.tags, [{ key: event.data.key, value: event.data.value }])] };
      case 'TagRemoved':
        return { ...row, tags: [...withoutKey(row.tags, event.data.key)] };
      default:
        return row;
    }
  },
};
