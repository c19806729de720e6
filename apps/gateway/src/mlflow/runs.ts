import { experimentEntity, runEntity } from '../registry/registry.entities.js';
import type { RunRow } from '../registry/runs.projection.js';
import { checkedPath, listArtifacts } from './artifact-paths.js';
import type { MlflowCall } from './call.js';
import { CommandRejected, inMlflowsWords } from './outcomes.js';
import { endpoint, type Endpoint } from './endpoint.js';
import { invalid, missing } from './errors.js';
import { storedText, withDatasetTexts } from './dataset-texts.js';
import { activeExperiment } from './experiments.js';
import { asciiJson, isJsonObject, type Json, parseJson, spacedJson } from './json.js';
import { int64, message, missingValue, oneOf, repeated, required, string } from './message.js';
import { atMost, checkedLoggedModelId, cut, hexIdOf, lastOfEachKey, nameOf, safeInteger } from './names.js';
import { toMlflowError } from './rejections.js';
import {
  metricFields,
  paramError,
  refuseLargeBatch,
  refuseRepeatedParams,
  toParam,
  toPoint,
  toTag,
} from './run-data.js';
import type { RowQuery } from './row-query.js';
import { runIdFields } from './run-id.js';
import { infoJson, isDeleted, runJson } from './run-json.js';
import { latestPoints } from './run-metrics.js';
import { searchRuns, searchRunsFields } from './run-search.js';
import { madeInto } from './version-rows.js';

const tag = message({ key: required(string), value: string });
const param = message({ key: required(string), value: string });
const metric = message(metricFields);
const status = oneOf('RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED');

/** @throws MlflowError if there is no such run, deleted ones included. */
export const runById = async (call: MlflowCall, runId: string): Promise<{ run: RunRow; deleted: boolean }> =>
  runIn(await call.rows(), runId);

const runIn = async (rows: RowQuery, runId: string): Promise<{ run: RunRow; deleted: boolean }> => {
  const run = await rows.byId(runEntity, runId);
  if (!run) throw missing(`Run with id=${runId} not found`);
  const experiment = await rows.byId(experimentEntity, run.experimentId);
  return { run, deleted: isDeleted(run, experiment) };
};

/**
 * A run that can be written.
 *
 * The stream of a run that was deleted before its experiment still says so after the experiment's restore brought it
 * back, so the run is restored there first.
 *
 * @throws MlflowError if there is none, or it is deleted.
 */
const writableRun = async (call: MlflowCall, runId: string): Promise<RunRow> =>
  restored(call, await undeleted(await call.rows(), runId));

/** The same, of which nothing is wanted but that it is there: what was logged last may be missing in it. */
const foundWritable = async (call: MlflowCall, runId: string): Promise<RunRow> =>
  restored(call, await call.found((rows) => undeleted(rows, runId)));

const undeleted = async (rows: RowQuery, runId: string): Promise<RunRow> => {
  const { run, deleted } = await runIn(rows, runId);
  if (deleted) throw toMlflowError('RUN_DELETED', '', { runId });
  return run;
};

const restored = async (call: MlflowCall, run: RunRow): Promise<RunRow> => {
  if (run.deleted) await inMlflowsWords(call.prepare('RestoreRun', { runId: run.runId }));
  return run;
};

const RUN_ID = /^[a-zA-Z0-9][\p{L}\p{N}_-]{0,255}$/u;

/** What batches, inputs and outputs check before they look for the run. */
const checkedRunId = (runId: string): string => {
  if (RUN_ID.test(runId)) return runId;
  throw invalid(`Invalid value ${asciiJson(runId)} for parameter 'run_id' supplied.`);
};

interface RunData {
  readonly metrics?: readonly object[];
  readonly params?: readonly { readonly key: string; readonly value: string }[];
  readonly tags?: readonly { readonly key: string; readonly value: string }[];
}

const logData = async (
  call: MlflowCall,
  runId: string,
  { metrics = [], params = [], tags = [] }: RunData,
  isBatch = false,
) => {
  await foundWritable(call, runId);
  try {
    await call.command('LogRunData', { runId, metrics, params, tags });
  } catch (error) {
    if (!(error instanceof CommandRejected)) throw error;
    throw paramError(error, runId, isBatch) ?? toMlflowError(error.code, error.message, { ...error.details, runId });
  }
  return {};
};

/** What a logged model's JSON must hold, and what of it the run keeps. @source MLflow 3.18.0, `_log_model`, `get_tags_dict` */
const MODEL_FIELDS = ['artifact_path', 'flavors', 'utc_time_created', 'run_id'];
const KEPT_FIELDS = ['run_id', 'artifact_path', 'utc_time_created', 'model_uuid'];

/** What the run's tag about models says of one. */
const modelText = (modelJson: string): string => {
  let model: Json;
  try {
    model = parseJson(modelJson);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw invalid(`Malformed model info. \n ${modelJson} \n is not a valid JSON.`);
  }
  const fields = isJsonObject(model) ? model : {};
  const absent = MODEL_FIELDS.filter((name) => !(name in fields)).map((name) => `'${name}'`);
  if (absent.length > 0) throw invalid(`Model json is missing mandatory fields: {${absent.join(', ')}}`);
  const { flavors } = fields;
  const kept: Json = {
    ...Object.fromEntries(KEPT_FIELDS.map((name) => [name, fields[name] ?? null])),
    flavors: Object.fromEntries(
      Object.entries(isJsonObject(flavors) ? flavors : {}).map(([name, config]) => [
        name,
        isJsonObject(config) ? Object.fromEntries(Object.entries(config).filter(([key]) => key !== 'config')) : config,
      ]),
    ),
  };
  return spacedJson(kept);
};

export const runEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'POST',
    path: '/mlflow/runs/create',
    creates: true,
    fields: {
      experiment_id: string,
      user_id: string,
      run_name: string,
      start_time: int64,
      tags: repeated(tag),
    },
    handle: async ({ experiment_id, user_id = '', run_name = '', start_time = 0n, tags }, call) => {
      if (!experiment_id) throw missingValue('experiment_id');
      const { experimentId, artifactLocation } = await activeExperiment(call, experiment_id);
      // As in MLflow, the characters of a key are judged only when a tag is set later.
      const pairs = lastOfEachKey(
        tags.map(({ key, value = '' }) => ({ key: atMost(250, 'key', key), value: cut(8000, value) })),
      );
      const named = pairs.find(({ key }) => key === 'mlflow.runName')?.value;
      if (named && run_name && named !== run_name) {
        throw invalid(
          `Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values (run_name='${run_name}', mlflow.runName='${named}').`,
        );
      }
      const name = atMost(250, 'run_name', run_name || named || nameOf(call.commandId));
      const runId = hexIdOf(call.commandId);
      const started = call.begin(runEntity, 'StartRun', {
        runId,
        experimentId,
        name,
        userId: atMost(256, 'user_id', user_id),
        startTimeMs: safeInteger('start_time', start_time),
        artifactUri: `${artifactLocation.replace(/\/$/, '')}/${runId}/artifacts`,
        tags: named ? pairs : [...pairs, { key: 'mlflow.runName', value: name }],
      });
      const { outputs: _, ...created } = runJson(await inMlflowsWords(started), [], false);
      return { run: created };
    },
  }),
  endpoint({
    method: 'GET',
    path: '/mlflow/runs/get',
    fields: runIdFields,
    handle: async (request, call) => {
      const runId = request.run_id;
      const [points, { run, deleted }] = await Promise.all([
        latestPoints(await call.rows(), [runId]),
        runById(call, runId),
      ]);
      return { run: runJson(await withDatasetTexts(call.parts.artifacts, run), points.get(runId) ?? [], deleted) };
    },
  }),
  endpoint({
    method: 'POST',
    path: '/mlflow/runs/update',
    fields: { ...runIdFields, status, end_time: int64, run_name: string },
    handle: async (request, call) => {
      const { runId } = await foundWritable(call, request.run_id);
      await call.send('UpdateRun', {
        runId,
        status: request.status ?? null,
        endTimeMs: request.end_time === undefined ? null : safeInteger('end_time', request.end_time),
        name: request.run_name ? atMost(250, 'run_name', request.run_name) : null,
      });
      const { run, deleted } = await runById(call, runId);
      return { run_info: infoJson(run, deleted) };
    },
  }),
  ...(['delete', 'restore'] as const).map((verb) =>
    endpoint({
      method: 'POST',
      path: `/mlflow/runs/${verb}`,
      fields: { run_id: required(string) },
      handle: async ({ run_id: runId }, call) => {
        const { run, deleted } = await runById(call, runId);
        // Deleted in its stream, alive by its experiment's restore: the second deletion must be a fact of its own.
        if (verb === 'delete' && run.deleted && !deleted) await inMlflowsWords(call.prepare('RestoreRun', { runId }));
        if (verb === 'restore') await call.send('RestoreRun', { runId });
        else await call.send('DeleteRun', { runId, madeInto: await madeInto(await call.rows(), { runId }) });
        return {};
      },
    }),
  ),
  ...(['POST', 'GET'] as const).map((method) =>
    endpoint({
      method,
      path: '/mlflow/runs/search',
      reads: true,
      fields: searchRunsFields,
      handle: searchRuns,
    }),
  ),
  endpoint({
    method: 'POST',
    path: '/mlflow/runs/log-metric',
    fields: { ...runIdFields, ...metricFields },
    handle: (request, call) => logData(call, request.run_id, { metrics: [toPoint('', request)] }),
  }),
  endpoint({
    method: 'POST',
    path: '/mlflow/runs/log-parameter',
    fields: { ...runIdFields, key: required(string), value: string },
    handle: (request, call) => logData(call, request.run_id, { params: [toParam('key', request)] }),
  }),
  endpoint({
    method: 'POST',
    path: '/mlflow/runs/set-tag',
    fields: { ...runIdFields, key: required(string), value: string },
    handle: (request, call) => logData(call, request.run_id, { tags: [toTag('key', request)] }),
  }),
  endpoint({
    method: 'POST',
    path: '/mlflow/runs/delete-tag',
    fields: { run_id: required(string), key: required(string) },
    handle: async ({ run_id: runId, key }, call) => {
      const { tags } = await writableRun(call, runId);
      if (!tags.some((known) => known.key === key)) throw missing(`No tag with name: ${key} in run with id ${runId}`);
      await call.send('RemoveRunTag', { runId, key });
      return {};
    },
  }),
  endpoint({
    method: 'POST',
    path: '/mlflow/runs/log-batch',
    fields: { run_id: required(string), metrics: repeated(metric), params: repeated(param), tags: repeated(tag) },
    handle: async ({ run_id, metrics, params, tags }, call) => {
      checkedRunId(run_id);
      refuseLargeBatch({ metrics: metrics.length, params: params.length, tags: tags.length });
      const data = {
        metrics: metrics.map((point, index) => toPoint(`metrics[${index}].`, point)),
        params: params.map((pair, index) => toParam(`params[${index}].key`, pair)),
        tags: tags.map((pair, index) => toTag(`tags[${index}].key`, pair)),
      };
      refuseRepeatedParams(data.params);
      return logData(call, run_id, data, true);
    },
  }),
  endpoint({
    method: 'POST',
    path: '/mlflow/runs/log-inputs',
    fields: {
      run_id: required(string),
      datasets: repeated(
        message({
          tags: repeated(tag),
          dataset: required(
            message({
              name: required(string),
              digest: required(string),
              source_type: required(string),
              source: required(string),
              schema: string,
              profile: string,
            }),
          ),
        }),
      ),
      models: repeated(message({ model_id: required(string) })),
    },
    handle: async ({ run_id, datasets, models }, call) => {
      const { runId } = await foundWritable(call, checkedRunId(run_id));
      const checked = datasets.map(({ tags, dataset: { name, digest, source_type, source, schema, profile } }) => ({
        name: atMost(500, 'name', name),
        digest: atMost(36, 'digest', digest),
        sourceType: source_type,
        source: atMost(65_535, 'source', source),
        schema: schema && atMost(1_048_575, 'schema', schema),
        profile: profile && atMost(16_777_215, 'profile', profile),
        tags: tags.map(({ key, value = '' }) => ({
          key: atMost(255, 'key', key),
          value: atMost(500, 'value', value),
        })),
      }));
      const loggedModelIds = models.map(({ model_id }, index) =>
        checkedLoggedModelId(`models[${index}].model_id`, model_id),
      );
      const stored = [];
      for (const dataset of checked) {
        const schema = await storedText(call.parts.artifacts, dataset.schema);
        stored.push({ ...dataset, schema, profile: await storedText(call.parts.artifacts, dataset.profile) });
      }
      await call.send('LogRunInputs', { runId, datasets: stored, loggedModelIds });
      return {};
    },
  }),
  endpoint({
    method: 'POST',
    path: '/mlflow/runs/outputs',
    fields: {
      run_id: required(string),
      models: required(repeated(message({ model_id: required(string), step: int64 }))),
    },
    handle: async ({ run_id, models }, call) => {
      const { runId } = await foundWritable(call, run_id);
      await call.send('LogRunOutputs', {
        runId,
        models: models.map(({ model_id, step = 0n }, index) => ({
          loggedModelId: checkedLoggedModelId(`models[${index}].model_id`, model_id),
          step: safeInteger(`models[${index}].step`, step),
        })),
      });
      return {};
    },
  }),
  endpoint({
    method: 'POST',
    path: '/mlflow/runs/log-model',
    creates: true,
    fields: { run_id: required(string), model_json: required(string) },
    handle: async ({ run_id, model_json }, call) => {
      const { runId } = await foundWritable(call, run_id);
      await call.send('LogRunModel', { runId, model: atMost(8000, 'value', modelText(model_json)) });
      return {};
    },
  }),
  endpoint({
    method: 'GET',
    path: '/mlflow/artifacts/list',
    fields: { ...runIdFields, path: string, page_token: string },
    handle: async (request, call) => {
      const { run } = await runById(call, request.run_id);
      const files = await listArtifacts(await call.rows(), `run:${run.runId}`, checkedPath(request.path ?? ''));
      return { root_uri: run.artifactUri, ...(files.length > 0 && { files }) };
    },
  }),
];
