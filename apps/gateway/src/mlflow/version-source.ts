import { posix } from 'node:path';
import type { ModelVersionRow } from '../registry/model-versions.projection.js';
import type { RegisteredModelRow } from '../registry/registered-models.projection.js';
import {
  loggedModelEntity,
  modelVersionEntity,
  registeredModelEntity,
  runEntity,
} from '../registry/registry.entities.js';
import { artifactPath } from './artifact-path.js';
import { inWorkspace, manifestOf, type OwnedPath, ownedPath } from './artifact-paths.js';
import type { MlflowCall } from './call.js';
import { invalid, missing } from './errors.js';
import { atMost } from './names.js';
import { addressesHost, foreignHost } from './storage-hosts.js';
import type { RowQuery } from './row-query.js';
import { latestVersions } from './version-rows.js';

interface Asked {
  readonly source: string;
  readonly runId: string | undefined;
  readonly loggedModelId: string | undefined;
  readonly isPrompt: boolean;
}

/** What a new version is made of, as the registry's command says it. */
interface Origin {
  readonly source: string;
  readonly storageLocation: string;
  readonly runId: string | null;
  readonly loggedModelId: string | null;
  readonly artifacts: Awaited<ReturnType<typeof manifestOf>> | null;
  /** Whose they are, and below which folder; null where they lie elsewhere. */
  readonly filesOf: FilesOf | null;
  readonly trainedBy: string | null;
}

type FilesOf =
  | { readonly aggregate: 'run'; readonly runId: string; readonly path: string }
  | { readonly aggregate: 'logged-model'; readonly loggedModelId: string; readonly path: string };

const unknownOrigin = (source: string): Origin => ({
  source,
  storageLocation: source,
  runId: null,
  loggedModelId: null,
  artifacts: null,
  filesOf: null,
  trainedBy: null,
});

const refuse = (source: string, reason: string) => invalid(`Invalid model version source: '${source}'. ${reason}`);
const RUN_SENTENCE = 'The run_id request parameter must identify the resource that contains the source.';
const MODEL_SENTENCE = 'The model_id request parameter must identify the resource that contains the source.';

/**
 * Where the files of a new version lie, resolved before anything is stored.
 *
 * @source MLflow 3.18.0, mlflow/server/handlers.py, `_create_model_version`.
 * @throws MlflowError for a source that leads elsewhere, or does not fit the run or logged model that is named.
 */
export const resolveSource = async (call: MlflowCall, asked: Asked): Promise<Origin> => {
  const source = atMost(2048, 'source', asked.source);
  if (asked.isPrompt) {
    if (!['dummy-source', 'prompt-template'].includes(source)) {
      throw invalid(`Invalid prompt source: '${source}'. Prompt sources must use an MLflow placeholder.`);
    }
    return unknownOrigin(source);
  }
  const [, scheme = '', rest = ''] = /^([a-z][a-z0-9+.-]*):\/*(.*)$/i.exec(source) ?? [];
  if (addressesHost(scheme, source)) throw foreignHost('source', scheme);
  const isUri = /^[a-z][a-z0-9+.-]+:\//i.test(source) || !/^[a-z][a-z0-9+.-]*:/i.test(source);
  if (
    !isUri ||
    artifactPath(
      source
        .replace(/^[a-z][a-z0-9+.-]*:/i, '')
        .replace(/^\/*/, '')
        .replace(/#/g, ''),
    ) === undefined
  ) {
    throw refuse(
      source,
      'If supplying a source as an http, https, local file path, ftp, objectstore, or mlflow-artifacts uri, an absolute path must be provided without relative path references present. Please provide an absolute path.',
    );
  }
  switch (scheme.toLowerCase()) {
    case 'models':
      return fromModel(await call.rows(), asked, rest);
    case 'runs':
      return fromRun(await call.rows(), asked, rest);
    case 'mlflow-artifacts':
      return fromProxy(await call.rows(), asked, rest);
    case '':
    case 'file':
      return fromLocalPath(await call.rows(), asked);
    default:
      // Where nothing is to be found, no rows are waited for.
      return asked.runId === undefined && asked.loggedModelId === undefined
        ? unknownOrigin(source)
        : fromElsewhere(await call.rows(), asked);
  }
};

const trainer = async (rows: RowQuery, runId: string | null): Promise<string | null> =>
  runId === null ? null : ((await rows.byId(runEntity, runId))?.createdBy ?? null);

/** @throws MlflowError if there is none, or it is deleted. */
const loggedModelOf = async (rows: RowQuery, loggedModelId: string) => {
  const model = await rows.byId(loggedModelEntity, loggedModelId);
  if (model && !model.deleted) return model;
  throw missing(`Logged model with ID '${loggedModelId}' not found.`);
};

/** Outside of the platform: the files are not read, so the version has no manifest and cannot be served. */
const fromElsewhere = async (rows: RowQuery, asked: Asked): Promise<Origin> => {
  const { source, loggedModelId = null } = asked;
  const model = loggedModelId === null ? undefined : await loggedModelOf(rows, loggedModelId);
  const runId = asked.runId ?? model?.sourceRunId ?? null;
  return {
    ...{ source, storageLocation: source, runId, loggedModelId, artifacts: null, filesOf: null },
    trainedBy: await trainer(rows, runId),
  };
};

/** The path that a location names on the client's own disk. */
const localPath = (location: string): string | undefined => {
  const [, path] = /^(?:file:(?:\/\/)?)?(\/(?!\/).*)$/i.exec(location) ?? [];
  return path && posix.normalize(`${path}/`);
};

/** On a disk that clients share: only what lies below the files of the run or logged model that is named. */
const fromLocalPath = async (rows: RowQuery, asked: Asked): Promise<Origin> => {
  const { source, runId, loggedModelId } = asked;
  const run = runId === undefined ? undefined : await rows.byId(runEntity, runId);
  const owner = loggedModelId === undefined ? run : await loggedModelOf(rows, loggedModelId);
  if (owner === undefined && runId !== undefined) throw refuse(source, RUN_SENTENCE);
  const root = owner && localPath(owner.artifactUri);
  if (root !== undefined && localPath(source)?.startsWith(root)) return fromElsewhere(rows, asked);
  const field = loggedModelId === undefined ? 'run_id' : 'model_id';
  throw refuse(
    owner ? source.replace(/^file:(?:\/\/)?(?=\/(?!\/))/i, '') : source,
    `To use a local path as a model version source, the ${field} request parameter has to be specified and the local path has to be contained within the artifact directory of the run specified by the ${field}.`,
  );
};

const fromLoggedModel = async (rows: RowQuery, asked: Asked, modelId: string, inModel = ''): Promise<Origin> => {
  const { source, loggedModelId } = asked;
  if (loggedModelId !== modelId) throw refuse(source, MODEL_SENTENCE);
  const model = await loggedModelOf(rows, modelId);
  const runId = asked.runId ?? model.sourceRunId;
  return {
    source,
    storageLocation: inModel === '' ? model.artifactUri : `${model.artifactUri}/${inModel}`,
    runId,
    loggedModelId: modelId,
    artifacts: (await manifestOf(rows, `logged-model:${modelId}`, inModel)) ?? null,
    filesOf: { aggregate: 'logged-model', loggedModelId: modelId, path: inModel },
    trainedBy: await trainer(rows, runId),
  };
};

/** What stands in `models:/<name>/<version>`, `/latest`, `/<stage>` and `models:/<name>@<alias>`. */
const versionMeant = async (
  rows: RowQuery,
  model: RegisteredModelRow,
  meant: { readonly alias: string } | { readonly version: string },
): Promise<ModelVersionRow | undefined> => {
  if ('alias' in meant) {
    const held = model.aliases.find(({ alias }) => alias === meant.alias);
    return held && rows.byId(modelVersionEntity, model.modelId, held.version);
  }
  const { version } = meant;
  if (/^\d+$/.test(version)) return rows.byId(modelVersionEntity, model.modelId, Number(version));
  const latest = (await latestVersions(rows, [model])).get(model.modelId) ?? [];
  return version === 'latest'
    ? latest.at(-1)
    : latest.find(({ stage }) => stage.toLowerCase() === version.toLowerCase());
};

const fromModel = async (rows: RowQuery, asked: Asked, rest: string): Promise<Origin> => {
  if (/^m-[0-9a-f]{32}$/.test(rest)) return fromLoggedModel(rows, asked, rest);
  // Without a version or an alias the text can only be meant as the id of a logged model.
  if (!/[@/]/.test(rest)) throw refuse(asked.source, MODEL_SENTENCE);
  const [, name = '', separator = '', value = ''] = /^([^@/]+)([@/])(.+)$/.exec(rest) ?? [];
  const model = await rows.find(registeredModelEntity, { name, deleted: false });
  if (!model) throw missing(`Registered Model with name=${name} not found`);
  const origin = await versionMeant(rows, model, separator === '@' ? { alias: value } : { version: value });
  if (!origin || origin.deleted) {
    if (separator === '@') throw invalid(`Registered model alias ${value} not found.`);
    throw missing(`Model Version (name=${name}, version=${value}) not found`);
  }
  if (
    (asked.runId && asked.runId !== origin.runId) ||
    (asked.loggedModelId && asked.loggedModelId !== origin.loggedModelId)
  ) {
    throw refuse(asked.source, 'The run_id and model_id request parameters must match the referenced model version.');
  }
  const { storageLocation, runId, loggedModelId, artifacts, trainedBy } = origin;
  return {
    ...{ source: `models:/${name}/${origin.version}`, storageLocation, runId, loggedModelId, artifacts, trainedBy },
    filesOf: artifacts && filesAt(storageLocation),
  };
};

/** Whose files a version is made of, by the location that it has. */
const filesAt = (location: string): FilesOf | null => {
  const { command, id, path } = ownedPath(location.replace(/^mlflow-artifacts:\/*/, ''));
  if (command === 'Folder') return null;
  return command === 'Run'
    ? { aggregate: 'run', runId: id, path }
    : { aggregate: 'logged-model', loggedModelId: id, path };
};

const fromRun = async (rows: RowQuery, asked: Asked, rest: string): Promise<Origin> => {
  const { source } = asked;
  if (asked.loggedModelId !== undefined) throw refuse(source, MODEL_SENTENCE);
  const slash = rest.indexOf('/');
  const runId = slash < 0 ? rest : rest.slice(0, slash);
  const folder = slash < 0 ? '' : rest.slice(slash + 1).replace(/\/$/, '');
  if (runId === '' || asked.runId !== runId) throw refuse(source, RUN_SENTENCE);
  // Of a run that is not here the files are not either.
  return (await fromRunFolder(rows, source, runId, folder)) ?? fromElsewhere(rows, asked);
};

/** Undefined if there is no such run. */
const fromRunFolder = async (
  rows: RowQuery,
  source: string,
  runId: string,
  folder: string,
): Promise<Origin | undefined> => {
  const run = await rows.byId(runEntity, runId);
  if (!run) return undefined;
  // A run's own folder, or the model that it logged under this name.
  const artifacts = await manifestOf(rows, `run:${runId}`, folder);
  return {
    source,
    storageLocation: folder === '' ? run.artifactUri : `${run.artifactUri}/${folder}`,
    runId,
    loggedModelId: null,
    artifacts: artifacts ?? null,
    filesOf: { aggregate: 'run', runId, path: folder },
    trainedBy: run.createdBy,
  };
};

const fromProxy = async (rows: RowQuery, asked: Asked, rest: string): Promise<Origin> => {
  const { source, runId, loggedModelId } = asked;
  const { command, id, path } = ownedPath(inWorkspace(rows.workspace, rest.replace(/\/$/, '')));
  if (loggedModelId !== undefined) {
    if (command !== 'LoggedModel') throw refuse(source, MODEL_SENTENCE);
    return fromLoggedModel(rows, asked, id, path);
  }
  const origin = command === 'Run' && runId === id ? await fromRunFolder(rows, source, id, path) : undefined;
  if (origin === undefined) throw refuse(source, RUN_SENTENCE);
  return origin;
};

interface Imported extends Omit<Asked, 'isPrompt'> {
  /** Where the files lie, if `source` names another version. */
  readonly location: string | undefined;
}

/**
 * Where the files of an imported version lie. Nothing is refused, because it is a fact that it was registered from there.
 * A source below a run or logged model that is here is named as it is named here, and its files are the version's.
 */
export const importedOrigin = async (rows: RowQuery, asked: Imported): Promise<Origin> => {
  const { source, location = source, runId = null, loggedModelId = null } = asked;
  const { command, id, path } = referenced(location) ?? ownedPath(location.replace(/\/$/, ''));
  const at = { source, isPrompt: false, runId: asked.runId, loggedModelId: command === 'LoggedModel' ? id : undefined };
  let origin: Origin | undefined;
  if (command === 'LoggedModel' && (await rows.byId(loggedModelEntity, id)))
    origin = await fromLoggedModel(rows, at, id, path);
  if (command === 'Run') origin = await fromRunFolder(rows, source, id, path);
  if (origin === undefined)
    return {
      ...{ source, storageLocation: location, runId, loggedModelId, artifacts: null, filesOf: null },
      trainedBy: await trainer(rows, runId),
    };
  return {
    ...origin,
    source: /^(?:models|runs):/.test(source) ? source : origin.storageLocation,
    runId: runId ?? origin.runId,
    loggedModelId: loggedModelId ?? origin.loggedModelId,
  };
};

/** What `models:/<logged model>` and `runs:/<run>/<path>` name. */
const referenced = (location: string): Pick<OwnedPath, 'command' | 'id' | 'path'> | undefined => {
  const [, model] = /^models:\/+(m-[0-9a-f]{32})$/.exec(location) ?? [];
  if (model !== undefined) return { command: 'LoggedModel', id: model, path: '' };
  const [, run, path = ''] = /^runs:\/+([^/]+)\/?(.*)$/.exec(location) ?? [];
  return run === undefined ? undefined : { command: 'Run', id: run, path };
};
