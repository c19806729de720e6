import type { Command } from '@kontor/event-sourcing';
import type { ArtifactOwner, RegistryEvent } from './events.js';

/** Path to digest. */
export type Artifacts = ReadonlyMap<string, string>;

export const NO_ARTIFACTS: Artifacts = new Map();

interface StoredFile {
  readonly path: string;
  readonly digest: string;
  readonly sizeBytes: number;
}

/** `ArtifactStored`, or nothing if the path names these bytes already. */
export const storeArtifact = (
  owner: ArtifactOwner,
  artifacts: Artifacts,
  { path, digest, sizeBytes }: StoredFile,
): readonly RegistryEvent[] => {
  const previousDigest = artifacts.get(path) ?? null;
  if (previousDigest === digest) return [];
  return [{ type: 'ArtifactStored', data: { owner, path, digest, sizeBytes, previousDigest } }];
};

/** `ArtifactRemoved` for a file, or for a folder with all that lies below it; nothing if nothing was there. */
export const removeArtifacts = (owner: ArtifactOwner, artifacts: Artifacts, path: string): readonly RegistryEvent[] => {
  const files = [...artifacts]
    .filter(([file]) => file === path || file.startsWith(`${path}/`))
    .map(([file, digest]) => ({ path: file, digest }));
  return files.length === 0 ? [] : [{ type: 'ArtifactRemoved', data: { owner, path, files } }];
};

/** `ArtifactWriteRefused`: the files are what they were, and it is known who tried. */
export const refuseWrite = (
  owner: ArtifactOwner,
  {
    data: { path, registeredAs },
    metadata,
  }: Command<
    string,
    { readonly path: string; readonly registeredAs: { readonly modelName: string; readonly version: number } }
  >,
): readonly RegistryEvent[] => [
  { type: 'ArtifactWriteRefused', data: { owner, path, registeredAs, by: metadata.actor.id } },
];

/** The files after an event of the aggregate that owns them. */
export const evolveArtifacts = (artifacts: Artifacts, event: RegistryEvent): Artifacts => {
  if (event.type === 'ArtifactStored') return new Map(artifacts).set(event.data.path, event.data.digest);
  if (event.type !== 'ArtifactRemoved') return artifacts;
  const removed = new Set(event.data.files.map(({ path }) => path));
  return new Map([...artifacts].filter(([path]) => !removed.has(path)));
};
