import { endpoint, type Endpoint } from './endpoint.js';
import { invalid } from './errors.js';
import { int64, message, oneOf, repeated, required, string } from './message.js';
import { atMost, hexIdOf, timeMs } from './names.js';
import { runById } from './runs.js';
import { toBegunTrace, toTraceMetadata, toTraceTags } from './trace-fields.js';
import { oldTraceInfoJson } from './trace-json.js';
import { traceById, tracesByIds } from './trace-rows.js';
import { searchTraces, searchTracesFields } from './trace-search.js';
import { deleteTraces, deleteTracesFields, removeTraceTag, setTraceTag } from './traces.js';

const pair = message({ key: required(string), value: string });

/** @source MLflow 3.17, `MAX_TRACE_LINKS_PER_REQUEST` */
const MAX_LINKS = 100;

/** Traces as clients before MLflow 3 know them, and what clients of today still call there. */
export const oldTraceEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'POST',
    path: '/mlflow/traces',
    creates: true,
    fields: {
      experiment_id: required(string),
      timestamp_ms: int64,
      request_metadata: repeated(pair),
      tags: repeated(pair),
    },
    handle: async ({ timestamp_ms = 0n, ...given }, call) => {
      const traceId = hexIdOf(call.commandId);
      await call.send('LogTrace', await toBegunTrace(call, traceId, { ...given, timestamp_ms }));
      return { trace_info: oldTraceInfoJson(await traceById(call, traceId)) };
    },
  }),
  endpoint({
    method: 'GET',
    path: '/mlflow/traces',
    fields: { experiment_ids: required(repeated(string)), ...searchTracesFields },
    handle: async ({ experiment_ids, ...asked }, call) => {
      const { found, next } = await searchTraces(call, experiment_ids, asked);
      return {
        ...(found.length > 0 && { traces: found.map(oldTraceInfoJson) }),
        ...(next && { next_page_token: next }),
      };
    },
  }),
  endpoint({
    method: 'PATCH',
    path: '/mlflow/traces/{request_id}',
    fields: {
      request_id: required(string),
      timestamp_ms: int64,
      status: oneOf('OK', 'ERROR', 'IN_PROGRESS'),
      request_metadata: repeated(pair),
      tags: repeated(pair),
    },
    handle: async ({ request_id: traceId, timestamp_ms = 0n, status, request_metadata, tags }, call) => {
      await traceById(call, traceId);
      await call.send('EndTrace', {
        ...{ traceId, endTimeMs: timeMs('timestamp_ms', timestamp_ms), state: status ?? 'STATE_UNSPECIFIED' },
        ...{ metadata: toTraceMetadata(request_metadata), tags: toTraceTags(tags) },
      });
      return { trace_info: oldTraceInfoJson(await traceById(call, traceId)) };
    },
  }),
  endpoint({
    method: 'GET',
    path: '/mlflow/traces/{request_id}/info',
    fields: { request_id: required(string) },
    handle: async ({ request_id }, call) => ({ trace_info: oldTraceInfoJson(await traceById(call, request_id)) }),
  }),
  endpoint({
    method: 'PATCH',
    path: '/mlflow/traces/{request_id}/tags',
    fields: { request_id: required(string), key: required(string), value: string },
    handle: ({ request_id, key, value }, call) => setTraceTag(call, request_id, key, value),
  }),
  endpoint({
    method: 'DELETE',
    path: '/mlflow/traces/{request_id}/tags',
    fields: { request_id: required(string), key: required(string) },
    handle: ({ request_id, key }, call) => removeTraceTag(call, request_id, key),
  }),
  endpoint({
    method: 'POST',
    path: '/mlflow/traces/delete-traces',
    fields: deleteTracesFields,
    handle: (asked, call) => deleteTraces(call, asked),
  }),
  endpoint({
    method: 'POST',
    path: '/mlflow/traces/link-to-run',
    fields: { trace_ids: required(repeated(string)), run_id: required(string) },
    handle: async ({ trace_ids, run_id }, call) => {
      if (trace_ids.length > MAX_LINKS) {
        throw invalid(
          `Cannot link more than ${MAX_LINKS} traces to a run in a single request. Provided ${trace_ids.length} traces.`,
        );
      }
      const { run } = await runById(call, run_id);
      // Ids of no trace are passed over, as in MLflow.
      const found = await tracesByIds(await call.rows(), trace_ids);
      await call.sendAll(found.map(({ traceId }) => ({ type: 'LinkTraceToRun', data: { traceId, runId: run.runId } })));
      return {};
    },
  }),
  endpoint({
    method: 'POST',
    path: '/mlflow/traces/link-prompts',
    fields: {
      trace_id: required(string),
      prompt_versions: required(repeated(message({ name: required(string), version: required(string) }))),
    },
    handle: async ({ trace_id: traceId, prompt_versions }, call) => {
      const prompts = prompt_versions.map(({ name, version }) => {
        if (!/^\d{1,15}$/.test(version)) throw invalid(`Parameter 'version' must be an integer, got '${version}'.`);
        return { name: atMost(256, 'name', name), version: String(Number(version)) };
      });
      if (prompts.length > MAX_LINKS)
        throw invalid(`Cannot link more than ${MAX_LINKS} prompt versions to a trace in a single request.`);
      await traceById(call, traceId);
      if (prompts.length > 0) await call.send('LinkTraceToPrompts', { traceId, prompts });
      return {};
    },
  }),
];
