import { setTimeout as delay } from 'node:timers/promises';
import { text as readText } from 'node:stream/consumers';
import type { ArtifactStore } from '@kontor/artifact-store';
import { traceEntity, traceSpansEntity } from '../registry/registry.entities.js';
import type { TraceRow } from '../registry/traces.projection.js';
import type { MlflowCall } from './call.js';
import { missing, MlflowError } from './errors.js';
import { isJsonObject, type Json, type JsonObject, parseJson } from './json.js';
import type { RowQuery } from './row-query.js';

/** @throws MlflowError if there is none, or it is deleted. */
export const traceById = async (call: MlflowCall, id: string): Promise<TraceRow> => {
  const row = await (await call.rows()).byId(traceEntity, id);
  if (row && !row.deleted) return row;
  throw missing(`Trace with ID '${id}' not found.`);
};

/** Those of these traces that are there, in the order asked for; `experimentIds` leaves out all others. */
export const tracesByIds = async (
  rows: RowQuery,
  ids: readonly string[],
  experimentIds?: readonly string[],
): Promise<readonly TraceRow[]> => {
  const found = await Promise.all([...new Set(ids)].map((id) => rows.byId(traceEntity, id)));
  return found.filter(
    (row): row is TraceRow =>
      row !== undefined && !row.deleted && (experimentIds === undefined || experimentIds.includes(row.experimentId)),
  );
};

/** A span as protobuf's JSON writes OpenTelemetry's message, with ids in base64. */
export type SpanJson = JsonObject;

const startOf = ({ start_time_unix_nano: start }: SpanJson): bigint => BigInt(String(start ?? 0));

/** The root first, then by their start. */
const byStart = (a: SpanJson, b: SpanJson): number => {
  const isRoot = (span: SpanJson) => (span['parent_span_id'] === undefined ? 0 : 1);
  const [first, second] = [startOf(a), startOf(b)];
  return isRoot(a) - isRoot(b) || (first < second ? -1 : first > second ? 1 : 0);
};

const spansIn = (json: Json): readonly SpanJson[] => (Array.isArray(json) ? json.filter(isJsonObject) : []);

/** The spans of a trace; of one that came twice the newer one. */
export const spansOf = async (
  rows: RowQuery,
  artifacts: ArtifactStore,
  { traceId, hasSpans }: TraceRow,
): Promise<readonly SpanJson[]> => {
  // As MLflow, which answers 500: then clients ask again, and there is nothing else to come.
  if (!hasSpans) throw new MlflowError('INTERNAL_ERROR', 'Trace data not stored in tracking store', { status: 400 });
  const batches = await rows.all(traceSpansEntity, { traceId }, 'logged, key');
  const digests = [...new Set(batches.map(({ digest }) => digest))];
  const byId = new Map<string, SpanJson>();
  // One after the other: a trace may have thousands of batches, and each is an open file.
  for (const digest of digests) {
    const text = await readText((await artifacts.open(digest)).bytes);
    for (const span of spansIn(parseJson(text))) byId.set(String(span['span_id']), span);
  }
  return [...byId.values()].sort(byStart);
};

/** Whether all spans are there that the client counted. @source MLflow 3.17, `TraceMetadataKey.SIZE_STATS` */
export const isWhole = ({ metadata }: TraceRow, spans: readonly SpanJson[]): boolean => {
  const stats = metadata.find(({ key }) => key === 'mlflow.trace.sizeStats')?.value;
  const [, expected = '0'] = /"num_spans": ?(\d+)/.exec(stats ?? '') ?? [];
  return spans.length >= Number(expected) && spans.length > 0;
};

/** Spans travel on their own, beside what the client says of the trace. @source MLflow 3.17, `SqlAlchemyStore.get_trace` */
const RETRY_AFTER_MS = [1000, 2000];

/**
 * A trace with its spans, when all are there; a trace of now is waited for.
 *
 * @throws MlflowError in MLflow's words if there is no such trace, or some of its spans do not come.
 */
export const wholeTrace = async (
  call: MlflowCall,
  id: string,
  allowPartial: boolean,
): Promise<{ readonly row: TraceRow; readonly spans: readonly SpanJson[] }> => {
  let rows = await call.rows();
  for (const pauseMs of [...RETRY_AFTER_MS, undefined]) {
    const row = await rows.byId(traceEntity, id);
    if (row === undefined || row.deleted) throw missing(`Trace with ID ${id} is not found.`);
    const spans = await spansOf(rows, call.parts.artifacts, row);
    if (allowPartial || isWhole(row, spans)) return { row, spans };
    if (pauseMs === undefined || call.isPast) break;
    await delay(pauseMs);
    rows = call.rowsAt(await call.parts.log.applied.reached());
  }
  throw missing(`Trace with ID ${id} is not fully exported yet, please try again later.`);
};
