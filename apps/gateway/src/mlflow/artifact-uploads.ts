import { Readable } from 'node:stream';
import type { StoredArtifact } from '@kontor/artifact-store';
import { overlaps } from '@kontor/domain/registry';
import type { FastifyRequest } from 'fastify';
import { modelVersionEntity, registeredModelEntity } from '../registry/registry.entities.js';
import { checkedPath, listProxy, type OwnedPath, ownedPath, ownerOf } from './artifact-paths.js';
import type { MlflowCall } from './call.js';
import { invalid } from './errors.js';
import { readMessage, string } from './message.js';
import { atMost } from './names.js';
import { inputOf, readBytes } from './request.js';
import { runById } from './runs.js';

const idField = { Run: 'runId', LoggedModel: 'loggedModelId', Folder: 'folder' } as const;

/** More than anybody makes of one run. */
const MAX_VERSIONS = 1000;

/** A path that may be written, as far as the edge knows: what is registered meanwhile, the registry refuses to change. */
export interface WritablePath extends OwnedPath {
  /** What the commands that write it say beside it. */
  readonly facts: { readonly deletedVersions?: readonly { readonly modelId: string; readonly version: number }[] };
}

/**
 * Refuses to change what a registered version is made of before any bytes come, and records who tried. That it is a rejection is
 * said by the context's `refusals`.
 *
 * @throws MlflowError 409 ARTIFACT_IMMUTABLE that names the version.
 */
const writableUnlessRegistered = async (call: MlflowCall, owned: OwnedPath): Promise<WritablePath> => {
  const { command, id, path } = owned;
  const column = { Run: 'runId', LoggedModel: 'loggedModelId', Folder: undefined }[command];
  if (column === undefined) return { ...owned, facts: {} };
  const rows = await call.rows();
  const made = await rows.all(modelVersionEntity, { [column]: id }, 'deleted, key', MAX_VERSIONS);
  const versions = made.filter(({ storageLocation }) => {
    const root = ownedPath(storageLocation.replace(/^mlflow-artifacts:\/*/, ''));
    return root.id === id && overlaps(root.path, path);
  });
  const kept = versions.find(({ deleted }) => !deleted);
  if (kept) {
    const model = await rows.byId(registeredModelEntity, kept.modelId);
    const registeredAs = { modelName: model?.name ?? kept.modelId, version: kept.version };
    await call.send(`Refuse${command}ArtifactWrite`, { [idField[command]]: id, path, registeredAs });
    throw new Error('a write that the gateway refused was accepted');
  }
  if (versions.length === 0) return { ...owned, facts: {} };
  return { ...owned, facts: { deletedVersions: versions.map(({ modelId, version }) => ({ modelId, version })) } };
};

/** What a path of the proxy names, if it can be written. @throws MlflowError for a root, or what a version is made of. */
export const writable = async (call: MlflowCall, path: string): Promise<WritablePath> => {
  const owned = path === '' ? undefined : await ownerOf(await call.rows(), path);
  if (owned === undefined || owned.path === '') throw invalid('Invalid path');
  if (owned.command === 'Folder') atMost(250, 'first part of path', owned.id);
  return writableUnlessRegistered(call, owned);
};

/** As {@link writable}, for a file. @throws MlflowError also for what is a folder of runs, logged models or files. */
export const writableFile = async (call: MlflowCall, path: string): Promise<WritablePath> => {
  const at = await writable(call, path);
  if (at.command === 'Folder' && (await listProxy(await call.rows(), path)).length > 0)
    throw invalid(`Invalid path: '${path}' is a folder.`);
  return at;
};

/**
 * Makes stored bytes the content of a file, unless a version was made of it while they came.
 *
 * @throws MlflowError as {@link writable}.
 */
export const record = async (call: MlflowCall, at: WritablePath, stored: StoredArtifact): Promise<void> => {
  const { command, id, path, facts } = at;
  await call.send(`Record${command}Artifact`, { [idField[command]]: id, path, ...stored, ...facts });
};

/** The bytes of a request. An empty file comes without a body. */
const bytesOf = (request: FastifyRequest): Readable => (request.body as Readable | undefined) ?? Readable.from([]);

const announcedBytes = (request: FastifyRequest): number => Number(request.headers['content-length'] ?? 0);

/** Stores the body at a path of the proxy. Nothing is recorded unless all of it has come. */
export const upload = async (request: FastifyRequest, call: MlflowCall, path: string): Promise<void> => {
  const at = await writableFile(call, path);
  await record(call, at, await call.parts.artifacts.put(bytesOf(request), announcedBytes(request)));
};

/**
 * Removes a file, or a folder with all that is in it, from the names; the bytes stay.
 *
 * @throws MlflowError as {@link writable}, and for a folder directly below the root: runs of an experiment may lie in it.
 */
export const remove = async (call: MlflowCall, path: string): Promise<void> => {
  const { command, id, path: below, facts } = await writable(call, path);
  if (!path.includes('/') && (await listProxy(await call.rows(), path)).length > 0) throw invalid('Invalid path');
  await call.send(`Remove${command}Artifacts`, { [idField[command]]: id, path: below, ...facts });
};

/** The form of MLflow's page, for notes and pictures. @source MLflow 3.18.0, mlflow/server/handlers.py, `upload_artifact_handler` */
const MAX_FORM_BYTES = 10 * 1024 * 1024;

const formFields = { run_id: string, run_uuid: string, path: string } as const;

/** Stores the body as a file of a run. */
export const uploadForm = async (request: FastifyRequest, call: MlflowCall): Promise<void> => {
  const { input } = await inputOf({ method: 'POST', query: true, fields: formFields }, request);
  const form = readMessage(formFields, input);
  if (!form.run_id) throw invalid('Request must specify run_id or run_uuid.');
  if (!form.path) throw invalid('Request must specify path.');
  const path = checkedPath(form.path);
  const bytes = await readBytes(bytesOf(request), MAX_FORM_BYTES);
  if (bytes === undefined) throw invalid('Artifact size is too large. Max size is 10MB.');
  if (bytes.length === 0) throw invalid('Request must specify data.');
  const { run } = await runById(call, form.run_id);
  if (path === '') throw invalid('Invalid path');
  const at = await writableUnlessRegistered(call, { command: 'Run', owner: `run:${run.runId}`, id: run.runId, path });
  await record(call, at, await call.parts.artifacts.put(Readable.from([bytes]), bytes.length));
};
