import type { LoggedModelRow } from '../registry/logged-models.projection.js';
import {
  loggedModelEntity,
  modelVersionEntity,
  registeredModelEntity,
  runEntity,
} from '../registry/registry.entities.js';
import { listArtifacts, manifestOf } from './artifact-paths.js';
import { checkedPath } from './artifact-routes.js';
import { CommandRejected, type MlflowCall } from './call.js';
import { endpoint, type Endpoint } from './endpoint.js';
import { invalid, missing } from './errors.js';
import { ensureDefaultExperiment, experimentById } from './experiments.js';
import { type Grammar, parseFilter } from './filter.js';
import { bool, int64, type Message, message, repeated, required, string } from './message.js';
import { atMost, cut, newHexId, randomName, toMs } from './names.js';
import { readPageToken, writePageToken } from './page-token.js';
import { toMlflowError } from './rejections.js';
import type { RowQuery } from './row-query.js';
import { metricJson } from './run-json.js';
import { addFilter, orderBySql } from './search.js';

const pair = message({ key: required(string), value: string });

const STATUS = {
  PENDING: 'LOGGED_MODEL_PENDING',
  READY: 'LOGGED_MODEL_READY',
  UPLOAD_FAILED: 'LOGGED_MODEL_UPLOAD_FAILED',
} as const;

const DEFAULT_PAGE = 50n;
const MAX_PAGE = 50_000n;

const LOGGED_MODEL_FILTER: Grammar = {
  entities: {
    attribute: 'attribute',
    attributes: 'attribute',
    param: 'param',
    params: 'param',
    tag: 'tag',
    tags: 'tag',
  },
  stringAttributes: ['name', 'model_id', 'model_type', 'status', 'source_run_id'],
  numericAttributes: ['creation_timestamp', 'last_updated_timestamp'],
  listAttributes: ['name', 'model_id', 'model_type', 'status', 'source_run_id'],
  aliases: { creation_time: 'creation_timestamp' },
  allowsIsNull: false,
  quotesClauses: false,
};

const COLUMNS = {
  ordersByKeys: true,
  attributes: {
    name: `body->>'name'`,
    model_id: `body->>'loggedModelId'`,
    model_type: `body->>'modelType'`,
    status: `body->>'status'`,
    source_run_id: '"sourceRunId"',
    creation_timestamp: `(extract(epoch FROM "createdAt"::timestamptz) * 1000)::bigint`,
    last_updated_timestamp: `(extract(epoch FROM (body->>'updatedAt')::timestamptz) * 1000)::bigint`,
  },
};

/** The model with what other rows say of it: its registrations, and its source run's metrics that name it. */
const modelJson = async (rows: RowQuery, row: LoggedModelRow): Promise<object> => {
  const versions = await rows.all(
    modelVersionEntity,
    { loggedModelId: row.loggedModelId, deleted: false },
    'key',
    1000,
  );
  const names = new Map<string, string>();
  for (const modelId of new Set(versions.map((version) => version.modelId))) {
    const model = await rows.byId(registeredModelEntity, modelId);
    if (model && !model.deleted) names.set(modelId, model.name);
  }
  const registrations = versions.flatMap(({ modelId, version }) => {
    const name = names.get(modelId);
    return name === undefined ? [] : [{ name, version: String(version) }];
  });
  const run = row.sourceRunId === null ? undefined : await rows.byId(runEntity, row.sourceRunId);
  const metrics = run?.metrics.filter(({ loggedModelId }) => loggedModelId === row.loggedModelId) ?? [];
  return {
    info: {
      model_id: row.loggedModelId,
      experiment_id: row.experimentId,
      name: row.name,
      creation_timestamp_ms: toMs(row.createdAt),
      last_updated_timestamp_ms: toMs(row.updatedAt),
      artifact_uri: row.artifactUri,
      status: STATUS[row.status],
      model_type: row.modelType,
      source_run_id: row.sourceRunId ?? '',
      ...(row.tags.length > 0 && { tags: row.tags }),
      ...(registrations.length > 0 && { registrations }),
    },
    data: {
      ...(row.params.length > 0 && { params: row.params }),
      ...(metrics.length > 0 && { metrics: metrics.map((point) => ({ ...metricJson(point), run_id: run?.runId })) }),
    },
  };
};

/** @throws MlflowError if there is none, or it is deleted and deleted ones were not asked for. */
export const loggedModelById = async (call: MlflowCall, id: string, allowDeleted = false): Promise<LoggedModelRow> => {
  const row = await (await call.rows()).byId(loggedModelEntity, id);
  if (row && (allowDeleted || !row.deleted)) return row;
  throw missing(`Logged model with ID '${id}' not found.`);
};

type Pairs = readonly { readonly key: string; readonly value: string | undefined }[];

const toTags = (pairs: Pairs) =>
  pairs.map(({ key, value = '' }) => ({ key: atMost(250, 'key', key), value: cut(8000, value) }));

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

const searchFields = {
  experiment_ids: required(repeated(string)),
  filter: string,
  max_results: int64,
  order_by: repeated(message({ field_name: required(string), ascending: bool })),
  page_token: string,
} as const;

const search = async (request: Message<typeof searchFields>, call: MlflowCall): Promise<object> => {
  const { experiment_ids, filter = '', max_results = DEFAULT_PAGE, order_by } = request;
  if (max_results < 1n || max_results > MAX_PAGE) {
    throw invalid(`Invalid value ${max_results} for parameter 'max_results' supplied. It must be at most ${MAX_PAGE}`);
  }
  const clauses = order_by.map(({ field_name, ascending = true }) => `${field_name} ${ascending ? 'ASC' : 'DESC'}`);
  const listing = ['logged-models', experiment_ids, filter, clauses];
  const token = readPageToken(listing, request.page_token);
  const rows = token ? call.rowsAt(token.position) : await call.rows();
  const conditions = rows.conditions();
  conditions.add(`NOT deleted AND "experimentId" = ANY (${conditions.bind([...experiment_ids])})`);
  addFilter(COLUMNS, parseFilter(LOGGED_MODEL_FILTER, filter), conditions);
  const orderBy =
    clauses.length > 0
      ? orderBySql(COLUMNS, clauses, {
          aliases: LOGGED_MODEL_FILTER.aliases,
          ties: '"createdAt" DESC, key',
          conditions,
        })
      : '"createdAt" DESC, key';
  const offset = token?.offset ?? 0;
  const size = Number(max_results);
  const found = await rows.list(loggedModelEntity, conditions, { orderBy, limit: size + 1, offset });
  const models = await Promise.all(found.slice(0, size).map((row) => modelJson(rows, row)));
  return {
    ...(models.length > 0 && { models }),
    ...(found.length > size && {
      next_page_token: writePageToken(listing, { position: rows.position, offset: offset + size }),
    }),
  };
};

export const loggedModelEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'POST',
    path: '/mlflow/logged-models/search',
    fields: searchFields,
    handle: search,
  }),
  endpoint({
    method: 'POST',
    path: '/mlflow/logged-models',
    fields: {
      experiment_id: required(string),
      name: string,
      model_type: string,
      source_run_id: string,
      params: repeated(pair),
      tags: repeated(pair),
    },
    handle: async ({ experiment_id, name, model_type = '', source_run_id, params, tags }, call) => {
      if (experiment_id === '0') await ensureDefaultExperiment(call);
      const { experimentId, artifactLocation, deleted } = await experimentById(call, experiment_id);
      if (deleted) throw toMlflowError('EXPERIMENT_DELETED', '', { experimentId });
      if (name !== undefined && /[/:.%"']/.test(name)) {
        throw invalid(
          `Invalid model name ('${name}') provided. Model name must be a non-empty string and cannot contain the following characters: ('/', ':', '.', '%', '"', "'")`,
        );
      }
      const loggedModelId = `m-${newHexId()}`;
      await sendParams(call, 'CreateLoggedModel', {
        loggedModelId,
        experimentId,
        name: atMost(256, 'name', name || randomName()),
        modelType: model_type,
        sourceRunId: source_run_id || null,
        artifactUri: `${artifactLocation.replace(/\/$/, '')}/models/${loggedModelId}/artifacts`,
        params: toParams(params),
        tags: toTags(tags),
      });
      return { model: await modelJson(await call.rows(), await loggedModelById(call, loggedModelId)) };
    },
  }),
  endpoint({
    method: 'GET',
    path: '/mlflow/logged-models/{model_id}',
    fields: { model_id: required(string), allow_deleted: bool },
    handle: async ({ model_id, allow_deleted }, call) => ({
      model: await modelJson(await call.rows(), await loggedModelById(call, model_id, allow_deleted)),
    }),
  }),
  endpoint({
    method: 'PATCH',
    path: '/mlflow/logged-models/{model_id}',
    fields: {
      model_id: required(string),
      status: required(string),
    },
    handle: async ({ model_id, status }, call) => {
      if (!Object.values(STATUS).some((known) => known === status)) {
        throw invalid(
          `Invalid value '${status}' for parameter 'status' supplied. It must be one of ${Object.values(STATUS).join(', ')}.`,
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
      return { model: await modelJson(await call.rows(), await loggedModelById(call, model_id, true)) };
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/mlflow/logged-models/{model_id}',
    fields: { model_id: required(string) },
    handle: async ({ model_id }, call) => {
      const { loggedModelId, deleted } = await loggedModelById(call, model_id, true);
      if (!deleted) await call.send('DeleteLoggedModel', { loggedModelId });
      return {};
    },
  }),
  endpoint({
    method: 'POST',
    path: '/mlflow/logged-models/{model_id}/params',
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
