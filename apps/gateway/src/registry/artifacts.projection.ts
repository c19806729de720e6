import { hash } from 'node:crypto';
import type { RegistryEvent } from '@kontor/domain/registry';
import type { Projection } from '@kontor/event-sourcing';
import { rowKey } from '../graphql/row-key.js';

type Stored = Extract<RegistryEvent, { type: 'ArtifactStored' }>['data'];
type Owner = Stored['owner'];

export interface ArtifactRow {
  /** As in {@link ownerId}. */
  readonly owner: string;
  readonly path: string;
  readonly digest: string;
  readonly sizeBytes: number;
  readonly storedAt: string;
}

/** Names whose files a path is among: `run:<id>`, `logged-model:<id>` or `artifact-folder:<name>`. */
export const ownerId = (owner: Owner): string => {
  switch (owner.aggregate) {
    case 'run':
      return `run:${owner.runId}`;
    case 'logged-model':
      return `logged-model:${owner.loggedModelId}`;
    case 'artifact-folder':
      return `artifact-folder:${owner.folder}`;
  }
};

/**
 * PostgreSQL takes 2,704 bytes for a row of an index. One holds workspace (63), owner (at most 766), path (1,024) and key
 * together, and a letter outside of ASCII takes three times as much in the key as in the path.
 */
const MAX_KEY_BYTES = 500;

/** The key of a file; with its digest in place of names that are too long for an index. */
const keyOf = (workspace: string, owner: Owner, path: string): string => {
  const key = rowKey(workspace, ownerId(owner), path);
  return key.length <= MAX_KEY_BYTES ? key : rowKey(workspace, 'sha256', hash('sha256', key, 'hex'));
};

/** Which bytes a path names. A removed path has no row; the bytes stay in the content store. */
export const artifacts: Projection<ArtifactRow, RegistryEvent> = {
  name: 'artifacts',
  version: 2,
  canHandle: ['ArtifactStored', 'ArtifactRemoved'],
  keys: ({ workspace, data }) => {
    if ('files' in data) return data.files.map(({ path }) => keyOf(workspace, data.owner, path));
    return 'owner' in data ? [keyOf(workspace, data.owner, data.path)] : [];
  },
  evolve: (_row, event) => {
    if (event.type !== 'ArtifactStored') return undefined;
    const { owner, path, digest, sizeBytes } = event.data;
    return { owner: ownerId(owner), path, digest, sizeBytes, storedAt: event.recordedAt };
  },
};
