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

/** Which bytes a path names. A removed path has no row; the bytes stay in the content store. */
export const artifacts: Projection<ArtifactRow, RegistryEvent> = {
  name: 'artifacts',
  version: 1,
  canHandle: ['ArtifactStored', 'ArtifactRemoved'],
  keys: ({ workspace, data }) => {
    if ('files' in data) return data.files.map(({ path }) => rowKey(workspace, ownerId(data.owner), path));
    return 'owner' in data ? [rowKey(workspace, ownerId(data.owner), data.path)] : [];
  },
  evolve: (_row, event) => {
    if (event.type !== 'ArtifactStored') return undefined;
    const { owner, path, digest, sizeBytes } = event.data;
    return { owner: ownerId(owner), path, digest, sizeBytes, storedAt: event.recordedAt };
  },
};
