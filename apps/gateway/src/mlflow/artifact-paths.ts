import { manifestDigestOf } from '@kontor/domain/registry';
import { DEFAULT_WORKSPACE } from '@kontor/service/process';
import type { ArtifactRow } from '../registry/artifacts.projection.js';
import { artifactEntity, loggedModelEntity, runEntity } from '../registry/registry.entities.js';
import { artifactPath } from './artifact-path.js';
import { invalid } from './errors.js';
import type { Conditions, RowQuery } from './row-query.js';
import { rowsOf } from './rows-of.js';

/** Whose files a path of the artifact proxy is among, and the path below its root. */
export interface OwnedPath {
  readonly command: 'Run' | 'LoggedModel' | 'Folder';
  /** As in the rows: `run:<id>`, `logged-model:<id>`, `artifact-folder:<name>`. */
  readonly owner: string;
  readonly id: string;
  readonly path: string;
}

// Roots that Kontor gives to runs and logged models: `<location>/<run>/artifacts`, `<location>/models/<model>/artifacts`.
const RUN_PATH = /^.+?\/([0-9a-f]{32})\/artifacts(?:\/(.*))?$/;
const LOGGED_MODEL_PATH = /^.+?\/models\/(m-[0-9a-f]{32})\/artifacts(?:\/(.*))?$/;

/** As S3 takes at most for a key, so that every path can be kept anywhere. @source Amazon S3 User Guide, object key names */
const MAX_PATH_BYTES = 1024;

/** A caller's path, normalised. @throws MlflowError for one that tries to leave its place, or is too long. */
export const checkedPath = (path: string): string => {
  if (Buffer.byteLength(path) > MAX_PATH_BYTES)
    throw invalid(`'path' exceeds the maximum length of ${MAX_PATH_BYTES} bytes`);
  const normal = artifactPath(path);
  if (normal === undefined) throw invalid('Invalid path');
  return normal;
};

/** As {@link checkedPath}, of the proxy: below the root of the caller's workspace. */
export const checkedProxyPath = (workspace: string, path: string): string => inWorkspace(workspace, checkedPath(path));

const PROXY = /^mlflow-artifacts:\/*/;

/** Where the files of a workspace lie below the proxy's root, as locations name it; those of `default` at the root itself. */
export const proxyRoot = (workspace: string): string =>
  workspace === DEFAULT_WORKSPACE ? '' : `workspaces/${workspace}/`;

/**
 * A path of the proxy, below the root of its workspace. Locations name that root, callers may leave it out.
 *
 * @source MLflow 3.18.0, mlflow/server/handlers.py, `_get_workspace_scoped_repo_path_if_enabled`.
 * @throws MlflowError for a path of another workspace.
 */
export const inWorkspace = (workspace: string, path: string): string => {
  const [first, named, ...rest] = path.split('/');
  if (first !== 'workspaces') return path;
  if (!named) throw invalid("Artifact paths prefixed with 'workspaces/' must include a workspace name.");
  if (named === workspace) return rest.join('/');
  throw invalid(
    `Artifact path targets workspace '${named}' but the workspace specified in the request is '${workspace}'.`,
  );
};

/** What a location names as the proxy's path below the root of its workspace; of storage elsewhere the location itself. */
export const proxyPathOf = (workspace: string, location: string): string =>
  PROXY.test(location) ? inWorkspace(workspace, location.replace(PROXY, '')) : location;

/** The folder of files that lie at the root itself. No path has such a part, because paths are normalised. */
const ROOT_FOLDER = '.';

const folderOwner = (id: string): string => `artifact-folder:${id}`;

const inFolder = (path: string): OwnedPath => {
  const [, id = ROOT_FOLDER, rest = path] = /^([^/]*)\/(.*)$/s.exec(path) ?? [];
  return { command: 'Folder', owner: folderOwner(id), id, path: rest };
};

/**
 * Whose files a path is among by its form alone.
 *
 * @param path normalised, below the root of its workspace, not empty.
 */
export const ownedPath = (path: string): OwnedPath => {
  const [, runId, inRun = ''] = RUN_PATH.exec(path) ?? [];
  if (runId !== undefined) return { command: 'Run', owner: `run:${runId}`, id: runId, path: inRun };
  const [, modelId, inModel = ''] = LOGGED_MODEL_PATH.exec(path) ?? [];
  if (modelId !== undefined)
    return { command: 'LoggedModel', owner: `logged-model:${modelId}`, id: modelId, path: inModel };
  return inFolder(path);
};

/** As {@link ownedPath}, but a run or logged model owns only what lies below its own root; all else lies in a folder. */
export const ownerOf = async (rows: RowQuery, path: string): Promise<OwnedPath> => {
  const owned = ownedPath(path);
  if (owned.command === 'Folder') return owned;
  const row = await (owned.command === 'Run' ? rows.byId(runEntity, owned.id) : rows.byId(loggedModelEntity, owned.id));
  const root = row && proxyPathOf(rows.workspace, row.artifactUri);
  const whole = [root, owned.path].filter((part) => part !== '').join('/');
  return whole === path ? owned : inFolder(path);
};

export interface ListedFile {
  readonly path: string;
  readonly is_dir: boolean;
  readonly file_size?: number;
}

/** What lies directly below a folder, by name; of a file below it only the folder that leads there. */
const childrenOf = (
  folder: string,
  files: readonly { readonly path: string; readonly sizeBytes: number }[],
): readonly ListedFile[] => {
  const prefix = folder === '' ? '' : `${folder}/`;
  const listed = new Map<string, ListedFile>();
  for (const { path, sizeBytes } of files) {
    if (!path.startsWith(prefix)) continue;
    const slash = path.indexOf('/', prefix.length);
    const name = slash < 0 ? path : path.slice(0, slash);
    // Where a file of this name lies beside the folder, the folder is shown: it has more to hide.
    if (slash >= 0) listed.set(name, { path: name, is_dir: true });
    else if (!listed.has(name)) listed.set(name, { path: name, is_dir: false, file_size: sizeBytes });
  }
  return [...listed.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
};

/** Files and folders directly below a folder of an owner, by name. `path` in the answer is relative to the owner's root. */
export const listArtifacts = async (rows: RowQuery, owner: string, folder: string): Promise<readonly ListedFile[]> =>
  childrenOf(folder, await rowsOf(rows, artifactEntity, { owner }, 'path'));

/** More runs in one folder than a client shows. */
const MAX_ROOTS = 100_000;

/** Roots of the runs and logged models below a folder that have files. */
const rootsBelow = async (rows: RowQuery, folder: string): Promise<readonly string[]> => {
  const withFiles = (owner: string): Conditions => {
    const conditions = rows.conditions();
    const prefixes = ['', proxyRoot(rows.workspace)].map((root) =>
      conditions.bind(`mlflow-artifacts:/${root}${folder === '' ? '' : `${folder}/`}`),
    );
    conditions.add(prefixes.map((prefix) => `starts_with(body->>'artifactUri', ${prefix})`).join(' OR '));
    return conditions.add(`EXISTS (SELECT FROM ${rows.relation(artifactEntity, 'a')} WHERE a.owner = ${owner})`);
  };
  const page = { orderBy: 'key', limit: MAX_ROOTS };
  const runs = await rows.list(runEntity, withFiles(`'run:' || (runs.body->>'runId')`), page);
  const ownerOfModel = `'logged-model:' || (logged_models.body->>'loggedModelId')`;
  const models = await rows.list(loggedModelEntity, withFiles(ownerOfModel), page);
  return [...runs, ...models].map(({ artifactUri }) => proxyPathOf(rows.workspace, artifactUri));
};

/**
 * Files and folders directly below a path of the proxy, by name: also above the roots of runs and logged models, where
 * only folders lead on. `path` in the answer is relative to the root of the workspace, or to that of the run or logged model.
 *
 * @param path normalised; empty is the root of the workspace.
 */
export const listProxy = async (rows: RowQuery, path: string): Promise<readonly ListedFile[]> => {
  const owned = path === '' ? undefined : await ownerOf(rows, path);
  if (owned && owned.command !== 'Folder') return listArtifacts(rows, owned.owner, owned.path);
  const conditions = rows.conditions();
  const [folder = ''] = path.split('/');
  conditions.add(
    folder === '' ? `starts_with(owner, '${folderOwner('')}')` : `owner = ${conditions.bind(folderOwner(folder))}`,
  );
  const files = await rows.list(artifactEntity, conditions, { orderBy: 'key', limit: MAX_ROOTS });
  const inFolders = files.map(({ owner, path: below, sizeBytes }) => ({
    path: owner === folderOwner(ROOT_FOLDER) ? below : `${owner.slice(folderOwner('').length)}/${below}`,
    sizeBytes,
  }));
  const roots = (await rootsBelow(rows, path)).map((root) => ({ path: `${root}/`, sizeBytes: 0 }));
  return childrenOf(path, [...inFolders, ...roots]);
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
    manifestDigest: manifestDigestOf(files),
    files,
    servable: models.length === 1 && model ? { ...model, goldenDigest: golden?.digest ?? null } : null,
  };
};
