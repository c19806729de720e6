import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { dispositionOf, fileAt, sendFile } from './artifact-downloads.js';
import { checkedPath, proxyPathOf } from './artifact-paths.js';
import type { MlflowCall } from './call.js';
import { MlflowError } from './errors.js';
import { readMessage, string } from './message.js';
import { exportTraces } from './otlp.js';
import { inputOf } from './request.js';
import { spanFileJson } from './span-values.js';
import { spansOf, traceById } from './trace-rows.js';

/** What MLflow's clients and its page call the spans of a trace. */
const FILE = 'traces.json';

const fields = { request_id: string, path: string } as const;

/** The spans of a trace as a file, or a file that was attached to them. */
const sendTraceArtifact = async (
  request: FastifyRequest,
  reply: FastifyReply,
  call: MlflowCall,
): Promise<FastifyReply> => {
  const { request_id: id, path } = readMessage(fields, (await inputOf({ method: 'GET', fields }, request)).input);
  if (!id) throw new MlflowError('BAD_REQUEST', 'Request must include the "request_id" query parameter.');
  const row = await traceById(call, id);
  if (!path && row.hasSpans) {
    const spans = await spansOf(await call.rows(), call.parts.artifacts, row);
    reply.header('content-disposition', dispositionOf({ path: FILE, digest: '', sizeBytes: 0 }));
    return reply.type('application/octet-stream').send(`{"spans":[${spans.map(spanFileJson).join(',')}]}`);
  }
  const name = path ? `attachments/${checkedPath(path)}` : FILE;
  return sendFile(
    request,
    reply,
    call,
    await fileAt(call, `${proxyPathOf(call.workspace, row.artifactUri)}/${name}`, name),
  );
};

/** Routes of traces that carry no JSON messages. */
export const traceRoutes = (
  scope: FastifyInstance,
  callOf: (request: FastifyRequest, reply: FastifyReply) => MlflowCall,
): void => {
  scope.post('/v1/traces', { config: { access: 'write' } }, (request, reply) =>
    exportTraces(request, callOf(request, reply), reply),
  );
  for (const version of [2, 3]) {
    scope.get(`/ajax-api/${version}.0/mlflow/get-trace-artifact`, { config: { access: 'read' } }, (request, reply) =>
      sendTraceArtifact(request, reply, callOf(request, reply)),
    );
  }
};
