import type { RegistryEvent } from '@kontor/domain/registry';
import type { Projection } from '@kontor/event-sourcing';
import { rowKey } from '../graphql/row-key.js';
import { logOrder } from './happened-at.js';

/** What happened to an alias; or to its model, whose aliases mean nothing while it is deleted. */
export type AliasMoveKind = 'SET' | 'REMOVED' | 'MODEL_DELETED' | 'MODEL_RESTORED' | 'MODEL_RENAMED';

export interface AliasMoveRow {
  readonly modelId: string;
  /** What the model is called after it. */
  readonly modelName: string;
  readonly kind: AliasMoveKind;
  /** Null where it happened to the model. */
  readonly alias: string | null;
  /** The version that has the alias after it; null if none has. */
  readonly version: number | null;
  readonly previousVersion: number | null;
  readonly movedPosition: string;
  /** The position, zero-padded so that text order is log order. */
  readonly moved: string;
  readonly movedAt: string;
  readonly movedBy: string;
  /** Null if nobody said why. */
  readonly reason: string | null;
}

type Moved = Pick<AliasMoveRow, 'kind' | 'modelName' | 'alias' | 'version' | 'previousVersion' | 'reason'>;

const moveOf = (event: RegistryEvent): Moved | undefined => {
  const ofModel = { alias: null, version: null, previousVersion: null, reason: null };
  switch (event.type) {
    case 'AliasSet': {
      const { name: modelName, alias, version, previousVersion, reason = null } = event.data;
      return { kind: 'SET', modelName, alias, version, previousVersion, reason };
    }
    case 'AliasRemoved': {
      const { name: modelName, alias, version: previousVersion, reason = null } = event.data;
      return { kind: 'REMOVED', modelName, alias, version: null, previousVersion, reason };
    }
    case 'RegisteredModelDeleted':
      return { kind: 'MODEL_DELETED', modelName: event.data.name, ...ofModel };
    case 'RegisteredModelRestored':
      return { kind: 'MODEL_RESTORED', modelName: event.data.name, ...ofModel };
    case 'RegisteredModelRenamed':
      return { kind: 'MODEL_RENAMED', modelName: event.data.name, ...ofModel };
    default:
      return undefined;
  }
};

/** Every move of every alias: one row each, written once. */
export const aliasMoves: Projection<AliasMoveRow, RegistryEvent> = {
  name: 'alias_moves',
  version: 1,
  canHandle: [
    'AliasSet',
    'AliasRemoved',
    'RegisteredModelDeleted',
    'RegisteredModelRestored',
    'RegisteredModelRenamed',
  ],
  keys: ({ workspace, position, data }) =>
    'modelId' in data ? [rowKey(workspace, data.modelId, String(position))] : [],
  evolve: (row, event) => {
    const moved = moveOf(event);
    if (moved === undefined || !('modelId' in event.data)) return row;
    return {
      modelId: event.data.modelId,
      ...moved,
      movedPosition: String(event.position),
      moved: logOrder(event.position),
      movedAt: event.recordedAt,
      movedBy: event.actor,
    };
  },
};
