import type { LoggedModelRow } from '../registry/logged-models.projection.js';
import { loggedModelEntity } from '../registry/registry.entities.js';
import { checkedPath, listArtifacts, manifestOf } from './artifact-paths.js';
import type { MlflowCall } from './call.js';
import { CommandRejected } from './outcomes.js';
import { endpoint, type Endpoint } from './endpoint.js';
import { invalid, missing } from './errors.js';
import { activeExperiment } from './experiments.js';
import { LOGGED_MODEL_STATUS, loggedModelJson } from './logged-model-json.js';
import { searchLoggedModels, searchLoggedModelsFields } from './logged-model-search.js';
import { bool, message, repeated, required, string } from './message.js';
import { atMost, cut, hexIdOf, lastOfEachKey, nameOf } from './names.js';
import { toMlflowError } from './rejections.js';
import { madeInto } from './version-rows.js';

const pair = message({ key: required(string), value: string });

/** @throws MlflowError if there is none, or it is deleted and deleted ones were not asked for. */
export const loggedModelById = async (call: MlflowCall, id: string, allowDeleted = false): Promise<LoggedModelRow> => {
  const row = await (await call.rows()).byId(loggedModelEntity, id);
  if (row && (allowDeleted || !row.deleted)) return row;
  throw missing(`Logged model with ID '${id}' not found.`);
};

type Pairs = readonly { readonly key: string; readonly value: string | undefined }[];

const toTags = (pairs: Pairs) =>
  lastOfEachKey(pairs.map(({ key, value = '' }) => ({ key: atMost(250, 'key', key), value: cut(8000, value) })));

/** Params, each once. @throws MlflowError for a key with two values. */
const toParams = (pairs: Pairs) => {
  const params = new Map<string, string>();
  for (const { key, value = '' } of pairs) {
    if ((params.get(key) ?? value) !== value) {
      throw invalid(`Duplicate parameter keys have been submitted: ['${key}'].`);
    }
    params.set(atMost(250, 'key', key), cut(6000, value));
  }
  return [...params].map(([key, value]) => ({ key, value }));
};

const sendParams = async (call: MlflowCall, type: string, data: object): Promise<void> => {
  try {
    await call.command(type, data);
  } catch (error) {
    if (!(error instanceof CommandRejected)) throw error;
    if (error.code === 'PARAM_CHANGED') throw invalid('Changing param values is not allowed.');
    throw toMlflowError(error.code, error.message, error.details);
  }
};

export const loggedModelEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'POST',
    path: '/mlflow/logged-models/search',
    reads: true,
    fields: searchLoggedModelsFields,
    handle: searchLoggedModels,
  }),
  endpoint({
    method: 'POST',
    path: '/mlflow/logged-models',
    creates: true,
    fields: {
      experiment_id: required(string),
      name: string,
      model_type: string,
      source_run_id: string,
      params: repeated(pair),
      tags: repeated(pair),
    },
    handle: async ({ experiment_id, name, model_type = '', source_run_id, params, tags }, call) => {
      const { experimentId, artifactLocation } = await activeExperiment(call, experiment_id);
      if (name !== undefined && /[/:.%"']/.test(name)) {
        throw invalid(
          `Invalid model name ('${name}') provided. Model name must be a non-empty string and cannot contain the following characters: ('/', ':', '.', '%', '"', "'")`,
        );
      }
      const loggedModelId = `m-${hexIdOf(call.commandId)}`;
      await sendParams(call, 'CreateLoggedModel', {
        loggedModelId,
        experimentId,
        name: atMost(256, 'name', name || nameOf(call.commandId)),
        modelType: model_type,
        sourceRunId: source_run_id || null,
        artifactUri: `${artifactLocation.replace(/\/$/, '')}/models/${loggedModelId}/artifacts`,
        params: toParams(params),
        tags: toTags(tags),
      });
      return { model: await loggedModelJson(await call.rows(), await loggedModelById(call, loggedModelId)) };
    },
  }),
  endpoint({
    method: 'GET',
    path: '/mlflow/logged-models/{model_id}',
    fields: { model_id: required(string), allow_deleted: bool },
    handle: async ({ model_id, allow_deleted }, call) => ({
      model: await loggedModelJson(await call.rows(), await loggedModelById(call, model_id, allow_deleted)),
    }),
  }),
  endpoint({
    method: 'PATCH',
    // Which one is what the body says, as in MLflow.
    path: '/mlflow/logged-models/{id}',
    fields: {
      model_id: required(string),
      status: required(string),
    },
    handle: async ({ model_id, status }, call) => {
      if (!Object.values(LOGGED_MODEL_STATUS).some((known) => known === status)) {
        throw invalid(
          `Invalid value '${status}' for parameter 'status' supplied. It must be one of ${Object.values(LOGGED_MODEL_STATUS).join(', ')}.`,
        );
      }
      const row = await loggedModelById(call, model_id, true);
      const manifest = await manifestOf(await call.rows(), `logged-model:${row.loggedModelId}`, '');
      if (status !== 'LOGGED_MODEL_PENDING') {
        await call.send('FinalizeLoggedModel', {
          loggedModelId: row.loggedModelId,
          status: status === 'LOGGED_MODEL_READY' ? 'READY' : 'UPLOAD_FAILED',
          manifestDigest: status === 'LOGGED_MODEL_READY' ? (manifest?.manifestDigest ?? null) : null,
        });
      }
      return { model: await loggedModelJson(await call.rows(), await loggedModelById(call, model_id, true)) };
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/mlflow/logged-models/{model_id}',
    fields: { model_id: required(string) },
    handle: async ({ model_id }, call) => {
      const { loggedModelId, deleted } = await loggedModelById(call, model_id, true);
      if (deleted) return {};
      const made = await madeInto(await call.rows(), { loggedModelId });
      await call.send('DeleteLoggedModel', { loggedModelId, madeInto: made });
      return {};
    },
  }),
  endpoint({
    method: 'POST',
    path: '/mlflow/logged-models/{id}/params',
    fields: { model_id: required(string), params: repeated(pair) },
    handle: async ({ model_id, params }, call) => {
      const { loggedModelId } = await loggedModelById(call, model_id, true);
      await sendParams(call, 'LogLoggedModelParams', {
        loggedModelId,
        params: toParams(params),
      });
      return {};
    },
  }),
  endpoint({
    method: 'PATCH',
    path: '/mlflow/logged-models/{model_id}/tags',
    fields: { model_id: required(string), tags: repeated(pair) },
    handle: async ({ model_id, tags }, call) => {
      const { loggedModelId } = await loggedModelById(call, model_id, true);
      await call.send('SetLoggedModelTags', {
        loggedModelId,
        tags: toTags(tags),
      });
      return {};
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/mlflow/logged-models/{model_id}/tags/{tag_key}',
    fields: { model_id: required(string), tag_key: required(string) },
    handle: async ({ model_id, tag_key: key }, call) => {
      const { loggedModelId, tags } = await loggedModelById(call, model_id, true);
      if (!tags.some((tag) => tag.key === key))
        throw missing(`No tag with key '${key}' found for model with ID '${model_id}'.`);
      await call.send('RemoveLoggedModelTag', { loggedModelId, key });
      return {};
    },
  }),
  endpoint({
    method: 'GET',
    path: '/mlflow/logged-models/{model_id}/artifacts/directories',
    fields: { model_id: required(string), artifact_directory_path: string },
    handle: async ({ model_id, artifact_directory_path = '' }, call) => {
      const { loggedModelId, artifactUri } = await loggedModelById(call, model_id, true);
      const files = await listArtifacts(
        await call.rows(),
        `logged-model:${loggedModelId}`,
        checkedPath(artifact_directory_path),
      );
      return { root_uri: artifactUri, ...(files.length > 0 && { files }) };
    },
  }),
];
