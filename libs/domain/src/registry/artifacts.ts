import { type Command, type Decision, reject } from '@kontor/event-sourcing';
import type { VersionArtifacts } from '../version-artifacts.js';
import type { ArtifactOwner, RegistryEvent } from './events.js';
import type { RegistryRejection } from './rejections.js';

type Decided = Decision<RegistryEvent, RegistryRejection>;
type Registered = Omit<Extract<RegistryEvent, { type: 'ArtifactsRegistered' }>['data'], 'owner'>;

/** The files of a run, of a logged model or in a folder. */
export interface Artifacts {
  /** Path to digest. */
  readonly files: ReadonlyMap<string, string>;
  /** The versions that were registered from folders among them, deleted ones too. */
  readonly registered: readonly Registered[];
}

export const NO_ARTIFACTS: Artifacts = { files: new Map(), registered: [] };

interface Writing {
  readonly path: string;
  /** Those that are deleted: what they were made of may change. */
  readonly deletedVersions: readonly { readonly modelId: string; readonly version: number }[];
}

/** A version is made of what lies below its folder, which is `''` for everything. */
const isBelow = (folder: string, path: string): boolean =>
  folder === '' || path === folder || path.startsWith(`${folder}/`);

/** Whether one of two paths is the other one or lies below it. `''` is everything. */
export const overlaps = (one: string, other: string): boolean => isBelow(one, other) || isBelow(other, one);

const refusal = (
  owner: ArtifactOwner,
  { registered }: Artifacts,
  { data: { path, deletedVersions }, metadata }: Command<string, Writing>,
): readonly RegistryEvent[] | undefined => {
  const kept = registered.find(
    ({ path: folder, modelId, version }) =>
      overlaps(folder, path) &&
      !deletedVersions.some((deleted) => deleted.modelId === modelId && deleted.version === version),
  );
  if (kept === undefined) return undefined;
  const registeredAs = { modelName: kept.modelName, version: kept.version };
  return refuseWrite(owner, { type: 'Refuse', data: { path, registeredAs }, metadata });
};

/** The file that lies where a path needs a folder, or one that lies below it; undefined if the path can be a file. */
const inTheWay = ({ files }: Artifacts, path: string): string | undefined => {
  if (files.has(path)) return undefined;
  for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
    const above = path.slice(0, slash);
    if (files.has(above)) return above;
  }
  for (const file of files.keys()) if (isBelow(path, file)) return file;
  return undefined;
};

/**
 * `ArtifactStored`; nothing if the path names these bytes already; `ArtifactWriteRefused` if a version is made of it;
 * ARTIFACT_PATH_TAKEN if a file would have to be a folder too, of which a client could list and download only one.
 */
export const storeArtifact = (
  owner: ArtifactOwner,
  artifacts: Artifacts,
  command: Command<string, Writing & { readonly digest: string; readonly sizeBytes: number }>,
): Decided => {
  const refused = refusal(owner, artifacts, command);
  if (refused) return refused;
  const { path, digest, sizeBytes } = command.data;
  const previousDigest = artifacts.files.get(path) ?? null;
  if (previousDigest === digest) return [];
  const other = inTheWay(artifacts, path);
  if (other !== undefined) return reject('ARTIFACT_PATH_TAKEN', { path, other });
  return [{ type: 'ArtifactStored', data: { owner, path, digest, sizeBytes, previousDigest } }];
};

/**
 * `ArtifactRemoved` for a file, or for a folder with all that lies below it; nothing if nothing was there;
 * `ArtifactWriteRefused` if a version is made of it.
 */
export const removeArtifacts = (
  owner: ArtifactOwner,
  artifacts: Artifacts,
  command: Command<string, Writing>,
): readonly RegistryEvent[] => {
  const refused = refusal(owner, artifacts, command);
  if (refused) return refused;
  const { path } = command.data;
  const files = [...artifacts.files]
    .filter(([file]) => isBelow(path, file))
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

/** What the registration of a version asks whoever has its files. `files`: of its manifest, relative to the folder `path`. */
export type RegisterArtifacts<Owner> = Command<
  'RegisterArtifacts',
  Owner & Registered & { readonly files: VersionArtifacts['files'] }
>;

/** `ArtifactsRegistered`: they stay what they are. ARTIFACTS_CHANGED if they are others than those of the manifest. */
export const registerArtifacts = (
  owner: ArtifactOwner,
  artifacts: Artifacts,
  { data: { path, files, modelId, modelName, version } }: RegisterArtifacts<object>,
): Decided => {
  const prefix = path === '' ? '' : `${path}/`;
  const present = [...artifacts.files.keys()].filter((file) => file.startsWith(prefix)).length;
  const isSame =
    present === files.length && files.every((file) => artifacts.files.get(`${prefix}${file.path}`) === file.digest);
  if (!isSame) return reject('ARTIFACTS_CHANGED', { owner, path });
  return [{ type: 'ArtifactsRegistered', data: { owner, path, modelId, modelName, version } }];
};

/** The files after an event of the aggregate that owns them. */
export const evolveArtifacts = (artifacts: Artifacts, event: RegistryEvent): Artifacts => {
  const { files, registered } = artifacts;
  switch (event.type) {
    case 'ArtifactStored':
      return { registered, files: new Map(files).set(event.data.path, event.data.digest) };
    case 'ArtifactRemoved': {
      const removed = new Set(event.data.files.map(({ path }) => path));
      return { registered, files: new Map([...files].filter(([path]) => !removed.has(path))) };
    }
    case 'ArtifactsRegistered': {
      const { path, modelId, modelName, version } = event.data;
      return { files, registered: [...registered, { path, modelId, modelName, version }] };
    }
    default:
      return artifacts;
  }
};
