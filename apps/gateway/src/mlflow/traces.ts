import { traceEntity } from '../registry/registry.entities.js';
import type { MlflowCall } from './call.js';
import { endpoint, type Endpoint } from './endpoint.js';
import { invalid, missing } from './errors.js';
import { checkedExperimentId } from './experiments.js';
import { bool, int64, type Message, message, missingValue, repeated, required, string } from './message.js';
import { checkedKey, safeInteger } from './names.js';
import { ARCHIVAL_FAILURE, isSystemTag, tagValue, toTrace, traceInfoFields } from './trace-fields.js';
import { traceInfoJson } from './trace-json.js';
import { isWhole, spansOf, traceById, tracesByIds, wholeTrace } from './trace-rows.js';
import { searchTraces, searchTracesFields } from './trace-search.js';

/** More than a page of a search shows. */
const MAX_IDS = 1000;

/** Traces that are answered with their spans, all of which are in memory then. MLflow's client asks for 10. */
const MAX_WHOLE_TRACES = 100;

const checkedIds = (ids: readonly string[], most: number): readonly string[] => {
  if (ids.length > most)
    throw invalid(`'trace_ids' holds ${ids.length} ids; at most ${most} can be asked for at once.`);
  return ids;
};

const batchFields = { trace_ids: required(repeated(string)), experiment_ids: repeated(string) } as const;

/** An empty list of experiments is one that is not there: proto3 cannot tell them apart, and no client sends it. */
const idsOf = ({ trace_ids, experiment_ids }: Message<typeof batchFields>, most: number) =>
  [checkedIds(trace_ids, most), experiment_ids.length > 0 ? experiment_ids : undefined] as const;

const refuseSystemTag = (key: string, isRefused: boolean, what: 'set' | 'deleted'): void => {
  if (isRefused) throw invalid(`Tag '${key}' is immutable and cannot be ${what} on a trace.`);
};

export const setTraceTag = async (call: MlflowCall, traceId: string, key: string, value = ''): Promise<object> => {
  refuseSystemTag(key, isSystemTag(key), 'set');
  const tag = { key: checkedKey('key', key), value: tagValue(key, value) };
  await traceById(call, traceId);
  await call.send('SetTraceTag', { traceId, ...tag });
  return {};
};

export const removeTraceTag = async (call: MlflowCall, traceId: string, key: string): Promise<object> => {
  refuseSystemTag(key, isSystemTag(key) && key !== ARCHIVAL_FAILURE, 'deleted');
  const row = await (await call.rows()).byId(traceEntity, traceId);
  if (row === undefined || row.deleted || !row.tags.some((tag) => tag.key === key))
    throw missing(`No trace tag with key '${key}' for trace with ID '${traceId}'`);
  await call.send('RemoveTraceTag', { traceId, key });
  return {};
};

export const deleteTracesFields = {
  experiment_id: required(string),
  max_timestamp_millis: int64,
  max_traces: int64,
  request_ids: repeated(string),
} as const;

/** @source MLflow 3.17, mlflow/store/tracking/abstract_store.py, `delete_traces` */
const checkDeletion = ({
  max_timestamp_millis: until,
  max_traces: most,
  request_ids: ids,
}: Message<typeof deleteTracesFields>) => {
  if (until === undefined && ids.length === 0)
    throw invalid('Either `max_timestamp_millis` or `trace_ids` must be specified.');
  if (until !== undefined && ids.length > 0)
    throw invalid('Only one of `max_timestamp_millis` and `trace_ids` can be specified.');
  if (ids.length > 0 && most !== undefined)
    throw invalid("`max_traces` can't be specified if `trace_ids` is specified.");
  if (most !== undefined && most <= 0n) throw invalid(`\`max_traces\` must be a positive integer, received ${most}.`);
};

/** Traces that are read at once. */
const PIECE = 1000;

/** Deletes traces of an experiment, the oldest first: each is an event of its own. */
export const deleteTraces = async (call: MlflowCall, asked: Message<typeof deleteTracesFields>): Promise<object> => {
  const experimentId = checkedExperimentId(asked.experiment_id);
  checkDeletion(asked);
  const { max_timestamp_millis: until, max_traces: most, request_ids } = asked;
  const rows = await call.rows();
  const limit = most === undefined ? Infinity : safeInteger('max_traces', most);
  let deleted = 0;
  for (;;) {
    const conditions = rows.conditions();
    conditions.add(`NOT deleted AND "experimentId" = ${conditions.bind(experimentId)}`);
    if (until !== undefined) conditions.add(`"requestTimeMs" <= ${conditions.bind(until)}`);
    else conditions.add(`body->>'traceId' = ANY (${conditions.bind(request_ids)})`);
    // All pieces are of one moment, so what was deleted since is passed over by its number.
    const found = await rows.list(traceEntity, conditions, {
      orderBy: '"requestTimeMs", key',
      limit: Math.min(PIECE, limit - deleted),
      offset: deleted,
    });
    await call.sendAll(found.map(({ traceId }) => ({ type: 'DeleteTrace', data: { traceId } })));
    deleted += found.length;
    if (found.length < PIECE || deleted >= limit) return { traces_deleted: deleted };
  }
};

const location = message({ mlflow_experiment: message({ experiment_id: string }) });

/** @source MLflow 3.17, mlflow/server/handlers.py, and mlflow/store/tracking/sqlalchemy_store.py for the texts. */
export const traceEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'POST',
    version: 3,
    path: '/mlflow/traces',
    fields: { trace: required(message({ trace_info: required(message(traceInfoFields)) })) },
    handle: async ({ trace: { trace_info } }, call) => {
      const data = await toTrace(call, trace_info);
      if (data.assessments.some(({ name }) => name === ''))
        throw missingValue('trace.trace_info.assessments.assessment_name');
      await call.send('LogTrace', data);
      return { trace: { trace_info: traceInfoJson(await traceById(call, data.traceId)) } };
    },
  }),
  endpoint({
    method: 'GET',
    version: 3,
    path: '/mlflow/traces/{trace_id}',
    fields: { trace_id: required(string) },
    handle: async ({ trace_id }, call) => ({ trace: { trace_info: traceInfoJson(await traceById(call, trace_id)) } }),
  }),
  endpoint({
    method: 'GET',
    version: 3,
    path: '/mlflow/traces/get',
    fields: { trace_id: required(string), allow_partial: bool },
    handle: async ({ trace_id, allow_partial = false }, call) => {
      const { row, spans } = await wholeTrace(call, trace_id, allow_partial);
      return { trace: { trace_info: traceInfoJson(row), ...(spans.length > 0 && { spans }) } };
    },
  }),
  endpoint({
    method: 'GET',
    version: 3,
    path: '/mlflow/traces/batchGet',
    fields: batchFields,
    handle: async (asked, call) => {
      const rows = await call.rows();
      const traces: object[] = [];
      for (const row of await tracesByIds(rows, ...idsOf(asked, MAX_WHOLE_TRACES))) {
        const spans = await spansOf(rows, call.parts.artifacts, row);
        // Those whose spans are still on their way are left out, as in MLflow.
        if (isWhole(row, spans)) traces.push({ trace_info: traceInfoJson(row), spans });
      }
      return traces.length > 0 ? { traces } : {};
    },
  }),
  endpoint({
    method: 'POST',
    version: 3,
    path: '/mlflow/traces/batchGetInfos',
    reads: true,
    fields: batchFields,
    handle: async (asked, call) => {
      const found = await tracesByIds(await call.rows(), ...idsOf(asked, MAX_IDS));
      return found.length > 0 ? { trace_infos: found.map(traceInfoJson) } : {};
    },
  }),
  endpoint({
    method: 'POST',
    version: 3,
    path: '/mlflow/traces/search',
    reads: true,
    fields: { locations: required(repeated(location)), ...searchTracesFields },
    handle: async ({ locations, ...asked }, call) => {
      const ids = locations.flatMap(({ mlflow_experiment: at }) => (at?.experiment_id ? [at.experiment_id] : []));
      const { found, next } = await searchTraces(call, ids, asked);
      return { ...(found.length > 0 && { traces: found.map(traceInfoJson) }), ...(next && { next_page_token: next }) };
    },
  }),
  endpoint({
    method: 'POST',
    version: 3,
    path: '/mlflow/traces/delete-traces',
    fields: deleteTracesFields,
    handle: (asked, call) => deleteTraces(call, asked),
  }),
  endpoint({
    method: 'PATCH',
    version: 3,
    path: '/mlflow/traces/{trace_id}/tags',
    fields: { trace_id: required(string), key: required(string), value: string },
    handle: ({ trace_id, key, value }, call) => setTraceTag(call, trace_id, key, value),
  }),
  endpoint({
    method: 'DELETE',
    version: 3,
    path: '/mlflow/traces/{trace_id}/tags',
    fields: { trace_id: required(string), key: required(string) },
    handle: ({ trace_id, key }, call) => removeTraceTag(call, trace_id, key),
  }),
];
