import type { ExperimentRow } from '../registry/experiments.projection.js';
import { experimentEntity, metricBatchEntity, runEntity } from '../registry/registry.entities.js';
import type { RunRow } from '../registry/runs.projection.js';
import { listArtifacts } from './artifact-paths.js';
import { CommandRejected, type MlflowCall } from './call.js';
import { endpoint, type Endpoint } from './endpoint.js';
import { invalid, missing } from './errors.js';
import { ensureDefaultExperiment, experimentById } from './experiments.js';
import { parseFilter, RUN_FILTER } from './filter.js';
import { double, int64, message, oneOf, repeated, required, string } from './message.js';
import { atMost, checkedKey, cut, newHexId, randomName, safeInteger } from './names.js';
import { readPageToken, writePageToken } from './page-token.js';
import { toMlflowError } from './rejections.js';
import { addFilter, orderBySql, type SearchColumns } from './search.js';
import { rowsOf } from './rows-of.js';

const tag = message({ key: required(string), value: string });
const param = message({ key: required(string), value: string });
const metricFields = {
  key: required(string),
  value: required(double),
  timestamp: required(int64),
  step: int64,
  model_id: string,
  dataset_name: string,
  dataset_digest: string,
} as const;
const metric = message(metricFields);
const status = oneOf('RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED');

const MAX_VALUE = Number.MAX_VALUE;
const DEFAULT_PAGE = 1000n;
const MAX_PAGE = 50_000n;
const MAX_EXPERIMENTS = 1000;

type Point = RunRow['metrics'][number];

/** A stored point as JSON: NaN is a text, because JSON has no such number. */
export const metricJson = (point: Point): object => ({
  key: point.key,
  value: point.isNaN ? 'NaN' : point.value,
  timestamp: point.timestampMs,
  step: point.step,
  ...(point.loggedModelId && { model_id: point.loggedModelId }),
  ...(point.datasetName && { dataset_name: point.datasetName, dataset_digest: point.datasetDigest }),
});

/** A run is deleted with its experiment, and comes back with it whatever was deleted before. */
const isDeleted = (run: RunRow, experiment: ExperimentRow | undefined): boolean =>
  experiment?.deleted === true ||
  (run.deleted && BigInt(run.deletedPosition) > BigInt(experiment?.restoredPosition ?? '0'));

const infoJson = (run: RunRow, deleted: boolean): object => ({
  run_id: run.runId,
  run_uuid: run.runId,
  experiment_id: run.experimentId,
  run_name: run.name,
  user_id: run.userId,
  status: run.status,
  start_time: run.startTimeMs,
  ...(run.endTimeMs !== null && { end_time: run.endTimeMs }),
  artifact_uri: run.artifactUri,
  lifecycle_stage: deleted ? 'deleted' : 'active',
});

const runJson = (run: RunRow, deleted: boolean): object => ({
  info: infoJson(run, deleted),
  data: {
    ...(run.metrics.length > 0 && { metrics: run.metrics.map(metricJson) }),
    ...(run.params.length > 0 && { params: run.params }),
    ...(run.tags.length > 0 && { tags: run.tags }),
  },
  inputs: {
    ...(run.datasets.length > 0 && {
      dataset_inputs: run.datasets.map(({ tags, name, digest, sourceType, source, schema, profile }) => ({
        ...(tags.length > 0 && { tags }),
        dataset: {
          name,
          digest,
          source_type: sourceType,
          source,
          ...(schema && { schema }),
          ...(profile && { profile }),
        },
      })),
    }),
    ...(run.inputModelIds.length > 0 && { model_inputs: run.inputModelIds.map((model_id) => ({ model_id })) }),
  },
  outputs: {
    ...(run.outputs.length > 0 && {
      model_outputs: run.outputs.map(({ loggedModelId, step }) => ({ model_id: loggedModelId, step })),
    }),
  },
});

/** @throws MlflowError if there is no such run, deleted ones included. */
export const runById = async (call: MlflowCall, runId: string): Promise<{ run: RunRow; deleted: boolean }> => {
  const rows = await call.rows();
  const run = await rows.byId(runEntity, runId);
  if (!run) throw missing(`Run with id=${runId} not found`);
  const experiment = await rows.byId(experimentEntity, run.experimentId);
  return { run, deleted: isDeleted(run, experiment) };
};

/** @throws MlflowError unless the run can be written. */
const writableRun = async (call: MlflowCall, runId: string): Promise<RunRow> => {
  const { run, deleted } = await runById(call, runId);
  if (deleted) throw toMlflowError('RUN_DELETED', '', { runId });
  return run;
};

const toPoint = (
  field: string,
  point: {
    key: string;
    value: number;
    timestamp: bigint;
    step: bigint | undefined;
    model_id: string | undefined;
    dataset_name: string | undefined;
    dataset_digest: string | undefined;
  },
) => {
  const { key, value, timestamp } = point;
  if (timestamp < 0n) {
    throw invalid(
      `Invalid value ${timestamp} for parameter 'timestamp' supplied: metric '${key}' (value=${value}). Timestamp must be a nonnegative long (64-bit integer) `,
    );
  }
  return {
    key: checkedKey(field, key),
    value: Number.isNaN(value) ? 0 : Math.max(-MAX_VALUE, Math.min(MAX_VALUE, value)),
    isNaN: Number.isNaN(value),
    timestampMs: safeInteger('timestamp', timestamp),
    step: safeInteger('step', point.step ?? 0n),
    loggedModelId: point.model_id || null,
    datasetName: point.dataset_name || null,
    datasetDigest: point.dataset_digest || null,
  };
};

const toParam = (field: string, { key, value = '' }: { key: string; value: string | undefined }) => ({
  key: checkedKey(field, key),
  value: cut(6000, value),
});
const toTag = (field: string, { key, value = '' }: { key: string; value: string | undefined }) => ({
  key: checkedKey(field, key),
  value: cut(8000, value),
});

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
  await writableRun(call, runId);
  try {
    await call.command('LogRunData', { runId, metrics, params, tags });
  } catch (error) {
    if (!(error instanceof CommandRejected)) throw error;
    throw paramError(error, runId, isBatch) ?? toMlflowError(error.code, error.message, { ...error.details, runId });
  }
  return {};
};

interface ChangedParam {
  readonly key: string;
  readonly oldValue: string;
  readonly newValue: string;
}

/** The two texts about params, which differ between a single param and a batch. */
const paramError = ({ code, details }: CommandRejected, runId: string, isBatch: boolean) => {
  if (code === 'PARAM_DUPLICATED') {
    const keys = (details['keys'] as readonly string[] | undefined) ?? [];
    return invalid(
      `Duplicate parameter keys have been submitted: [${keys.map((key) => `'${key}'`).join(', ')}]. ` +
        'Please ensure the request contains only one param value per param key.',
    );
  }
  if (code !== 'PARAM_CHANGED') return undefined;
  const changed = (details['params'] as readonly ChangedParam[] | undefined) ?? [];
  const [first] = changed;
  if (!isBatch && first) {
    return invalid(
      `Changing param values is not allowed. Param with key='${first.key}' was already logged with value='${first.oldValue}' ` +
        `for run ID='${runId}'. Attempted logging new value '${first.newValue}'.`,
    );
  }
  const list = changed.map(
    ({ key, oldValue, newValue }) => `{'key': '${key}', 'old_value': '${oldValue}', 'new_value': '${newValue}'}`,
  );
  return invalid(
    `Changing param values is not allowed. Params were already logged='[${list.join(', ')}]' for run ID='${runId}'.`,
  );
};

const refuseLargeBatch = (counts: Readonly<Record<'metrics' | 'params' | 'tags', number>>): void => {
  const refuse = (limit: string, count: string) =>
    invalid(
      `A batch logging request can contain at most ${limit}. Got ${count}. Please split up ${limit.replace(/^\d+ /, '')} across multiple requests and try again.`,
    );
  const { metrics, params, tags } = counts;
  if (metrics > 1000) throw refuse('1000 metrics', `${metrics} metrics`);
  if (params > 100) throw refuse('100 params', `${params} params`);
  if (tags > 100) throw refuse('100 tags', `${tags} tags`);
  const total = metrics + params + tags;
  if (total > 1000) throw refuse('1000 metrics, params, and tags', `${total} metrics, params, and tags`);
};

const RUN_COLUMNS: SearchColumns = {
  attributes: {
    run_id: `body->>'runId'`,
    run_name: `body->>'name'`,
    user_id: `body->>'userId'`,
    status: 'status',
    artifact_uri: `body->>'artifactUri'`,
    start_time: '"startTimeMs"',
    end_time: `(body->>'endTimeMs')::bigint`,
  },
};

interface SearchRuns {
  readonly experiment_ids: readonly string[];
  readonly filter: string | undefined;
  readonly run_view_type: string | undefined;
  readonly max_results: bigint | undefined;
  readonly order_by: readonly string[];
  readonly page_token: string | undefined;
}

const searchRuns = async (request: SearchRuns, call: MlflowCall): Promise<object> => {
  const { filter = '', run_view_type = 'ACTIVE_ONLY', max_results = DEFAULT_PAGE, order_by } = request;
  if (max_results < 1n) {
    throw invalid(`Invalid value ${max_results} for parameter 'max_results' supplied. It must be a positive integer`);
  }
  if (max_results > MAX_PAGE) {
    throw invalid(
      `Invalid value ${max_results} for parameter 'max_results' supplied:  Hint: Value was of type 'int'. See the API docs for more information about request parameters.`,
    );
  }
  const terms = parseFilter(RUN_FILTER, filter);
  const experimentIds = [...new Set(request.experiment_ids)];
  const listing = ['runs', experimentIds, filter, run_view_type, order_by];
  const token = readPageToken(listing, request.page_token);
  const rows = token ? call.rowsAt(token.position) : await call.rows();
  const experiments = await rows.all(experimentEntity, { experimentId: experimentIds }, 'key', MAX_EXPERIMENTS);
  if (experiments.length === 0) return {};

  const conditions = rows.conditions();
  const perExperiment = experiments.map(({ experimentId, deleted, restoredPosition }) => {
    const isOfIt = `"experimentId" = ${conditions.bind(experimentId)}`;
    if (run_view_type === 'ALL') return isOfIt;
    const gone = deleted
      ? 'true'
      : `(deleted AND (body->>'deletedPosition')::bigint > ${conditions.bind(restoredPosition)}::bigint)`;
    return `${isOfIt} AND ${run_view_type === 'DELETED_ONLY' ? gone : `NOT ${gone}`}`;
  });
  conditions.add(perExperiment.map((sql) => `(${sql})`).join(' OR '));
  addFilter(RUN_COLUMNS, terms, conditions);
  const orderBy = orderBySql(RUN_COLUMNS, order_by, {
    aliases: RUN_FILTER.aliases,
    ties: '"startTimeMs" DESC, key ASC',
    conditions,
  });
  const offset = token?.offset ?? 0;
  const size = Number(max_results);
  const found = await rows.list(runEntity, conditions, { orderBy, limit: size + 1, offset });
  const byId = new Map(experiments.map((experiment) => [experiment.experimentId, experiment]));
  const page = found.slice(0, size).map((run) => runJson(run, isDeleted(run, byId.get(run.experimentId))));
  return {
    ...(page.length > 0 && { runs: page }),
    ...(found.length > size && {
      next_page_token: writePageToken(listing, { position: rows.position, offset: offset + size }),
    }),
  };
};

const runIdFields = { run_id: string, run_uuid: string } as const;

/** Old clients send `run_uuid`. @throws MlflowError if both are missing. */
const idOf = ({ run_id, run_uuid }: { run_id: string | undefined; run_uuid: string | undefined }): string => {
  const id = run_id || run_uuid;
  if (id) return id;
  throw invalid(
    "Missing value for required parameter 'run_id'. See the API docs for more information about request parameters.",
  );
};

export const runEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'POST',
    path: '/mlflow/runs/create',
    fields: {
      experiment_id: required(string),
      user_id: string,
      run_name: string,
      start_time: int64,
      tags: repeated(tag),
    },
    handle: async ({ experiment_id, user_id = '', run_name = '', start_time = 0n, tags }, call) => {
      if (experiment_id === '0') await ensureDefaultExperiment(call);
      const { experimentId, artifactLocation, deleted } = await experimentById(call, experiment_id);
      if (deleted) throw toMlflowError('EXPERIMENT_DELETED', '', { experimentId });
      const pairs = tags.map((pair, index) => toTag(`tags[${index}].key`, pair));
      const named = pairs.find(({ key }) => key === 'mlflow.runName')?.value;
      if (named && run_name && named !== run_name) {
        throw invalid(
          `Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values (run_name='${run_name}', mlflow.runName='${named}').`,
        );
      }
      const name = atMost(250, 'run_name', run_name || named || randomName());
      const runId = newHexId();
      await call.send('StartRun', {
        runId,
        experimentId,
        name,
        userId: atMost(256, 'user_id', user_id),
        startTimeMs: safeInteger('start_time', start_time),
        artifactUri: `${artifactLocation.replace(/\/$/, '')}/${runId}/artifacts`,
        tags: named ? pairs : [...pairs, { key: 'mlflow.runName', value: name }],
      });
      return { run: runJson((await runById(call, runId)).run, false) };
    },
  }),
  endpoint({
    method: 'GET',
    path: '/mlflow/runs/get',
    fields: runIdFields,
    handle: async (request, call) => {
      const { run, deleted } = await runById(call, idOf(request));
      return { run: runJson(run, deleted) };
    },
  }),
  endpoint({
    method: 'POST',
    path: '/mlflow/runs/update',
    fields: { ...runIdFields, status, end_time: int64, run_name: string },
    handle: async (request, call) => {
      const { runId } = await writableRun(call, idOf(request));
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
        await runById(call, runId);
        await call.send(verb === 'delete' ? 'DeleteRun' : 'RestoreRun', { runId });
        return {};
      },
    }),
  ),
  ...(['POST', 'GET'] as const).map((method) =>
    endpoint({
      method,
      path: '/mlflow/runs/search',
      fields: {
        experiment_ids: repeated(string),
        filter: string,
        run_view_type: oneOf('ACTIVE_ONLY', 'DELETED_ONLY', 'ALL'),
        max_results: int64,
        order_by: repeated(string),
        page_token: string,
      },
      handle: searchRuns,
    }),
  ),
  endpoint({
    method: 'POST',
    path: '/mlflow/runs/log-metric',
    fields: { ...runIdFields, ...metricFields },
    handle: (request, call) => logData(call, idOf(request), { metrics: [toPoint('name', request)] }),
  }),
  endpoint({
    method: 'POST',
    path: '/mlflow/runs/log-parameter',
    fields: { ...runIdFields, key: required(string), value: string },
    handle: (request, call) => logData(call, idOf(request), { params: [toParam('key', request)] }),
  }),
  endpoint({
    method: 'POST',
    path: '/mlflow/runs/set-tag',
    fields: { ...runIdFields, key: required(string), value: string },
    handle: (request, call) => logData(call, idOf(request), { tags: [toTag('key', request)] }),
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
      refuseLargeBatch({ metrics: metrics.length, params: params.length, tags: tags.length });
      const data = {
        metrics: metrics.map((point, index) => toPoint(`metrics[${index}].name`, point)),
        params: params.map((pair, index) => toParam(`params[${index}].key`, pair)),
        tags: tags.map((pair, index) => toTag(`tags[${index}].key`, pair)),
      };
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
      const { runId } = await writableRun(call, run_id);
      await call.send('LogRunInputs', {
        runId,
        datasets: datasets.map(({ tags, dataset: { name, digest, source_type, source, schema, profile } }) => ({
          name: atMost(500, 'name', name),
          digest: atMost(36, 'digest', digest),
          sourceType: source_type,
          source: atMost(65_535, 'source', source),
          schema: schema ?? null,
          profile: profile ?? null,
          tags: tags.map(({ key, value = '' }) => ({
            key: atMost(255, 'key', key),
            value: atMost(500, 'value', value),
          })),
        })),
        loggedModelIds: models.map(({ model_id }) => model_id),
      });
      return {};
    },
  }),
  endpoint({
    method: 'POST',
    path: '/mlflow/runs/outputs',
    fields: {
      run_id: required(string),
      models: repeated(message({ model_id: required(string), step: int64 })),
    },
    handle: async ({ run_id, models }, call) => {
      const { runId } = await writableRun(call, run_id);
      await call.send('LogRunOutputs', {
        runId,
        models: models.map(({ model_id, step = 0n }) => ({ loggedModelId: model_id, step: safeInteger('step', step) })),
      });
      return {};
    },
  }),
  endpoint({
    method: 'GET',
    path: '/mlflow/metrics/get-history',
    fields: { ...runIdFields, metric_key: required(string), max_results: int64, page_token: string },
    handle: async (request, call) => {
      const runId = idOf(request);
      const listing = ['history', runId, request.metric_key];
      const token = readPageToken(listing, request.page_token);
      if (request.max_results !== undefined && request.max_results < 1n) {
        throw invalid(
          `Invalid value ${request.max_results} for parameter 'max_results' supplied. It must be a positive integer.`,
        );
      }
      const rows = token ? call.rowsAt(token.position) : await call.rows();
      const batches = await rowsOf(rows, metricBatchEntity, { runId, metric: request.metric_key }, 'logged');
      const points = batches.flatMap((batch) => batch.points);
      points.sort((a, b) => a.timestampMs - b.timestampMs || a.step - b.step || a.value - b.value);
      const offset = token?.offset ?? 0;
      const size = request.max_results === undefined ? points.length : Number(request.max_results);
      const page = points.slice(offset, offset + size);
      return {
        ...(page.length > 0 && { metrics: page.map(metricJson) }),
        ...(offset + size < points.length && {
          next_page_token: writePageToken(listing, { position: rows.position, offset: offset + size }),
        }),
      };
    },
  }),
  endpoint({
    method: 'GET',
    path: '/mlflow/artifacts/list',
    fields: { ...runIdFields, path: string, page_token: string },
    handle: async (request, call) => {
      const { run } = await runById(call, idOf(request));
      const files = await listArtifacts(await call.rows(), `run:${run.runId}`, request.path ?? '');
      return { root_uri: run.artifactUri, ...(files.length > 0 && { files }) };
    },
  }),
];
