import { isUtf8 } from 'node:buffer';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { gunzip, inflate, inflateRaw } from 'node:zlib';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { MlflowCall } from './call.js';
import { MlflowError } from './errors.js';
import { ensureDefaultExperiment, experimentById } from './experiments.js';
import { type Json, type JsonObject, parsePythonJson, writeJson } from './json.js';
import { missingValue } from './message.js';
import { OtlpInvalid, readOtlpJson, readOtlpProtobuf } from './otlp-messages.js';
import { MAX_BODY_BYTES, readBytes } from './request.js';
import { runById } from './runs.js';
import { someAtATime } from './some-at-a-time.js';
import { reportOf } from './span-report.js';
import { listIn, SPAN_ATTRIBUTES, traceIdOf } from './span-values.js';
import { placesIn } from './trace-fields.js';

const PROTOBUF = 'application/x-protobuf';
const JSON_TYPE = 'application/json';

const refuse = (message: string, status = 400) => new MlflowError('BAD_REQUEST', message, { status });

const tooLarge = () => refuse(`The request body has more than ${MAX_BODY_BYTES} bytes.`, 413);

const bounded = { maxOutputLength: MAX_BODY_BYTES };
const UNPACK = {
  gzip: (bytes: Buffer) => promisify(gunzip)(bytes, bounded),
  // Some programs send it without its frame.
  deflate: (bytes: Buffer) => promisify((bytes[0] ?? 0) % 16 === 8 ? inflate : inflateRaw)(bytes, bounded),
};

const unpacked = async (bytes: Buffer, encoding: string): Promise<Buffer> => {
  if (encoding === '' || encoding === 'identity') return bytes;
  if (encoding !== 'gzip' && encoding !== 'deflate') throw refuse(`Unsupported Content-Encoding: ${encoding}`);
  try {
    return await UNPACK[encoding](bytes);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    if (error.code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge();
    throw refuse(`Failed to decompress ${encoding} payload`);
  }
};

const parsed = (bytes: Buffer, mediaType: string): JsonObject => {
  try {
    if (mediaType === PROTOBUF) return readOtlpProtobuf(bytes);
    if (!isUtf8(bytes)) throw new OtlpInvalid('it is no UTF-8');
    return readOtlpJson(parsePythonJson(bytes.toString('utf8')));
  } catch (error) {
    if (error instanceof OtlpInvalid || error instanceof SyntaxError)
      throw refuse(`Invalid OpenTelemetry format: ${error.message}`);
    throw error;
  }
};

/** Bytes of OpenTelemetry's ids. MLflow fills shorter ones with zeros. */
const ID_BYTES = { trace_id: 16, span_id: 8, parent_span_id: 8 } as const;

/** A span as it is kept: it names its trace as MLflow's own spans do. An empty id of a parent is none. */
const keptSpan = (span: JsonObject): JsonObject => {
  const ids = Object.entries(ID_BYTES).flatMap(([name, most]) => {
    const bytes = Buffer.from(String(span[name] ?? ''), 'base64');
    if (bytes.length === 0 && name === 'parent_span_id') return [];
    if (bytes.length === 0 || bytes.length > most)
      throw refuse(
        `Cannot convert OpenTelemetry span to MLflow span: ${name} has ${bytes.length} bytes instead of ${most}`,
        422,
      );
    return [[name, Buffer.concat([Buffer.alloc(most - bytes.length), bytes]).toString('base64')] as const];
  });
  const { parent_span_id: _, ...rest } = span;
  const whole = { status: {}, ...rest, ...Object.fromEntries(ids) };
  const attributes = listIn(span, 'attributes').filter(({ key }) => key !== SPAN_ATTRIBUTES.traceId);
  const traceId = { key: SPAN_ATTRIBUTES.traceId, value: { string_value: traceIdOf(whole) } };
  return { ...whole, attributes: [...attributes, traceId] };
};

interface Batch {
  readonly traceId: string;
  readonly spans: readonly JsonObject[];
  readonly resource: Json | undefined;
}

/** Spans whose index one command holds. */
const MAX_SPANS = 500;

/** Traces of one request: each is a file and a command. OpenTelemetry's exporters send 512 spans unless told otherwise. */
const MAX_TRACES = 1000;

/** Files of one request that are written at once: each is open and in memory meanwhile. */
const STORED_AT_ONCE = 16;

/** The spans of a request by their traces, which may be mixed. */
const batchesOf = (request: JsonObject): readonly Batch[] =>
  listIn(request, 'resource_spans').flatMap((part) => {
    const spans = listIn(part, 'scope_spans')
      .flatMap((scope) => listIn(scope, 'spans'))
      .map(keptSpan);
    return [...Map.groupBy(spans, (span) => traceIdOf(span))].flatMap(([traceId, all]) =>
      Array.from({ length: Math.ceil(all.length / MAX_SPANS) }, (_, n) => ({
        ...{ traceId, resource: part['resource'] },
        spans: all.slice(n * MAX_SPANS, (n + 1) * MAX_SPANS),
      })),
    );
  });

/** Stores spans, and says of each trace what they say about it. @returns the traces whose root was among them. */
const logSpans = async (
  call: MlflowCall,
  experimentId: string,
  batches: readonly Batch[],
): Promise<readonly string[]> => {
  const traces = new Set(batches.map(({ traceId }) => traceId)).size;
  if (traces > MAX_TRACES)
    throw refuse(`The request has spans of ${traces} traces; at most ${MAX_TRACES} are taken at once.`, 413);
  if (experimentId === '0') await ensureDefaultExperiment(call);
  // As in MLflow, also spans of a deleted one are kept.
  const placeOf = placesIn(await experimentById(call, experimentId));
  // Nothing is stored before all of it is known to be good.
  const reported = batches.map(({ resource, ...batch }) => ({ ...batch, report: reportOf(batch.spans, resource) }));
  const stored = await someAtATime(STORED_AT_ONCE, reported, async ({ traceId, spans, report }) => {
    const bytes = Buffer.from(writeJson(spans));
    const content = await call.parts.artifacts.put(Readable.from([bytes]), bytes.length);
    return { type: 'LogSpans', data: { ...placeOf(traceId), content, ...report } };
  });
  await call.sendAll(stored);
  return stored.flatMap(({ data }) => (data.state === null ? [] : [data.traceId]));
};

const header = ({ headers }: FastifyRequest, name: string): string => String(headers[name] ?? '').trim();

/**
 * Takes spans of OpenTelemetry's exporters, MLflow's client among them, as protobuf or JSON.
 *
 * @source OTLP 1.9, OTLP/HTTP; MLflow 3.17, mlflow/server/otel_api.py, for headers and texts.
 */
export const exportTraces = async (
  request: FastifyRequest,
  call: MlflowCall,
  reply: FastifyReply,
): Promise<FastifyReply> => {
  const given = request.headers['content-type'];
  const mediaType = given?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (mediaType !== PROTOBUF && mediaType !== JSON_TYPE)
    throw refuse(`Invalid Content-Type: ${given ?? 'None'}. Expected: ${PROTOBUF} or ${JSON_TYPE}`);
  const experimentId = header(request, 'x-mlflow-experiment-id');
  const packed = await readBytes((request.body as Readable | undefined) ?? Readable.from([]), MAX_BODY_BYTES);
  if (packed === undefined) throw tooLarge();
  if (experimentId === '') {
    const { errorCode, message } = missingValue('x-mlflow-experiment-id');
    throw new MlflowError(errorCode, message, { status: 422 });
  }
  const message = parsed(await unpacked(packed, header(request, 'content-encoding').toLowerCase()), mediaType);
  if (listIn(message, 'resource_spans').length === 0) throw refuse('Invalid OpenTelemetry format - no spans found');
  const runId = header(request, 'x-mlflow-run-id');
  const run = runId === '' ? undefined : (await runById(call, runId)).run;
  const roots = await logSpans(call, experimentId, batchesOf(message));
  if (run) {
    const { runId: id } = run;
    await call.sendAll(roots.map((traceId) => ({ type: 'LinkTraceToRun', data: { traceId, runId: id } })));
  }
  // An empty answer says that everything was taken.
  return mediaType === PROTOBUF ? reply.type(PROTOBUF).send(Buffer.alloc(0)) : reply.type(JSON_TYPE).send('{}');
};
