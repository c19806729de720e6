import { createHash } from 'node:crypto';
import { canonicalize } from '@kontor/service/process';
import type { ArtifactRow } from '../registry/artifacts.projection.js';
import { artifactEntity } from '../registry/registry.entities.js';
import type { RowQuery } from './row-query.js';
import { rowsOf } from './rows-of.js';

/** Whose files a path of the artifact proxy is among, and the path below its root. */
export interface OwnedPath {
  readonly command: 'Run' | 'LoggedModel' | 'Folder';
  /** As in the rows: `run:<id>`, `logged-model:<id>`, `artifact-folder:<name>`. */
  readonly owner: string;
  readonly id: string;
  readonly path: string;
}

// Roots that Kontor gives to runs and logged models: `<experiment>/<run>/artifacts`, `<experiment>/models/<model>/artifacts`.
const RUN_PATH = /^\d+\/([0-9a-f]{32})\/artifacts(?:\/(.*))?$/;
const LOGGED_MODEL_PATH = /^\d+\/models\/(m-[0-9a-f]{32})\/artifacts(?:\/(.*))?$/;

/** @param path normalised, relative to the proxy's root, not empty. */
export const ownedPath = (path: string): OwnedPath => {
  const [, runId, inRun = ''] = RUN_PATH.exec(path) ?? [];
  if (runId !== undefined) return { command: 'Run', owner: `run:${runId}`, id: runId, path: inRun };
  const [, modelId, inModel = ''] = LOGGED_MODEL_PATH.exec(path) ?? [];
  if (modelId !== undefined)
    return { command: 'LoggedModel', owner: `logged-model:${modelId}`, id: modelId, path: inModel };
  const slash = path.indexOf('/');
  const folder = slash < 0 ? path : path.slice(0, slash);
  return {
    command: 'Folder',
    owner: `artifact-folder:${folder}`,
    id: folder,
    path: slash < 0 ? '' : path.slice(slash + 1),
  };
};

export interface ListedFile {
  readonly path: string;
  readonly is_dir: boolean;
  readonly file_size?: number;
}

/** Files and folders directly below a folder of an owner, by name. `path` in the answer is relative to the owner's root. */
export const listArtifacts = async (rows: RowQuery, owner: string, folder: string): Promise<readonly ListedFile[]> => {
  const prefix = folder === '' ? '' : `${folder.replace(/\/$/, '')}/`;
  const listed = new Map<string, ListedFile>();
  for (const { path, sizeBytes } of await rowsOf(rows, artifactEntity, { owner }, 'path')) {
    if (!path.startsWith(prefix)) continue;
    const slash = path.indexOf('/', prefix.length);
    const name = slash < 0 ? path : path.slice(0, slash);
    if (!listed.has(name))
      listed.set(name, slash < 0 ? { path: name, is_dir: false, file_size: sizeBytes } : { path: name, is_dir: true });
  }
  return [...listed.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
};

const SERVABLE = { 'model.onnx': 'onnx', 'decision-table.json': 'decision-table' } as const;

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

interface Manifest {
  readonly manifestDigest: string;
  readonly files: readonly { readonly path: string; readonly sizeBytes: number; readonly digest: string }[];
  readonly servable: {
    readonly flavor: (typeof SERVABLE)[keyof typeof SERVABLE];
    readonly digest: string;
    readonly sizeBytes: number;
    readonly goldenDigest: string | null;
  } | null;
}

/**
 * What the files below a folder are, as one identity: the digest of their canonical list.
 *
 * Servable if exactly one file is a model that the data plane runs; its recorded outputs are `golden.json`.
 *
 * @returns undefined if there are no files.
 * @source RFC 8785 for the list's bytes.
 */
export const manifestOf = async (rows: RowQuery, owner: string, folder: string): Promise<Manifest | undefined> => {
  const prefix = folder === '' ? '' : `${folder}/`;
  const all: readonly ArtifactRow[] = await rowsOf(rows, artifactEntity, { owner }, 'path');
  const files = all
    .filter(({ path }) => path.startsWith(prefix))
    .map(({ path, sizeBytes, digest }) => ({ path: path.slice(prefix.length), sizeBytes, digest }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
  if (files.length === 0) return undefined;
  const models = files.flatMap(({ path, digest, sizeBytes }) => {
    const name = nameOf(path);
    return name === 'model.onnx' || name === 'decision-table.json'
      ? [{ flavor: SERVABLE[name], digest, sizeBytes }]
      : [];
  });
  const [model] = models;
  const golden = files.find(({ path }) => nameOf(path) === 'golden.json');
  return {
    manifestDigest: `sha256:${createHash('sha256').update(canonicalize(files)).digest('hex')}`,
    files,
    servable: models.length === 1 && model ? { ...model, goldenDigest: golden?.digest ?? null } : null,
  };
};
