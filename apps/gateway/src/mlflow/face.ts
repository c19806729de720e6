import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import { ConsistencyTimeout } from '@kontor/event-store';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ArtifactStore, UploadAborted } from '../artifacts/artifact-store.js';
import { isDatabaseAway } from '../database-away.js';
import { type Gateway, SCHEMA } from '../gateway.js';
import { principalOf } from '../http-door.js';
import { aliasHistoryEndpoint } from './alias-history.js';
import { artifactRoutes } from './artifact-routes.js';
import { askedOf, sayMoment } from './as-of.js';
import { type Asked, type FaceParts, MlflowCall } from './call.js';
import type { Endpoint } from './endpoint.js';
import { invalid, MlflowError } from './errors.js';
import { experimentEndpoints } from './experiments.js';
import { enterWorkspace } from './enter-workspace.js';
import { type Json, writeJson } from './json.js';
import { loggedModelEndpoints } from './logged-models.js';
import { readBody, readMessage, readQuery } from './message.js';
import { metricHistoryEndpoints } from './metric-history.js';
import { versionEndpoints } from './model-versions.js';
import { registeredModelEndpoints } from './registered-models.js';
import { RowLoader } from './row-loader.js';
import { runEndpoints } from './runs.js';
import { serverInfoEndpoints } from './server-info.js';
import { webhookEndpoints } from './webhooks.js';
import { workspaceEndpoints } from './workspaces.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** On routes of the MLflow face, behind its hooks. */
    asked: Asked | undefined;
    /** The newest one that was made of this request. */
    call: MlflowCall | undefined;
  }
}

/** A batch of metrics is documented with 1 MB; 16 times that is a client gone wild. */
const MAX_BODY_BYTES = 16 * 1024 * 1024;

/** Every endpoint that is served. What is not here answers as MLflow answers an unknown path. */
export const endpoints: readonly Endpoint[] = [
  ...experimentEndpoints,
  ...runEndpoints,
  ...metricHistoryEndpoints,
  ...loggedModelEndpoints,
  ...registeredModelEndpoints,
  ...versionEndpoints,
  ...webhookEndpoints,
  ...serverInfoEndpoints,
  ...workspaceEndpoints,
  aliasHistoryEndpoint,
];

/** Clients ask these before they know whether there are workspaces at all. */
const OUTSIDE_WORKSPACES = /\/mlflow\/server-(?:info|features)$/;

const PREFIXES = ['/api', '/ajax-api'];

/** Serves MLflow's REST API and its artifact proxy on the gateway's HTTP door. */
export const mountMlflow = (
  app: FastifyInstance,
  gateway: Gateway,
  log: (message: string, error: unknown) => void,
): void => {
  const { pool, personal, secrets, deliveries, commands, config } = gateway;
  const parts: FaceParts = {
    pool,
    schema: SCHEMA,
    ...{ personal, secrets, deliveries, webhooks: config.webhooks },
    loader: new RowLoader(pool, SCHEMA),
    commands,
    log: gateway.log,
    artifacts: new ArtifactStore(config.artifactsDir),
    late: new Map(),
  };
  const callOf = (request: FastifyRequest) => {
    request.call = new MlflowCall(parts, principalOf(request), randomUUID(), request.asked);
    return request.call;
  };
  const answerError = (error: unknown, reply: FastifyReply) => sendError(error, reply, log);

  app.register(async (scope) => {
    // Bodies arrive as streams: artifacts are never held in memory, and JSON is read with the protocol's own rules.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
    scope.decorateRequest('asked');
    scope.decorateRequest('call');
    scope.addHook('onSend', async ({ call }, reply) => {
      reply.header('x-content-type-options', 'nosniff');
      sayMoment(reply, gateway.log, call);
    });
    scope.addHook('onRequest', async (request) => {
      // Rights are today's, so the moment that is asked about comes after them.
      if (!OUTSIDE_WORKSPACES.test(request.routeOptions.url ?? ''))
        request.principal = await enterWorkspace(request, callOf(request));
      request.asked = await askedOf(request, gateway.log);
    });
    scope.setErrorHandler((error, _request, reply) => answerError(error, reply));
    for (const declared of endpoints) {
      for (const prefix of PREFIXES) {
        const url = `${prefix}/${declared.version ?? 2}.0${declared.path.replace(/\{(\w+)\}/g, ':$1')}`;
        scope.route({
          method: declared.method,
          url,
          config: { access: declared.method === 'GET' || declared.reads ? 'read' : 'write' },
          handler: async (request, reply) => {
            const message = readMessage(declared.fields, await inputOf(declared, request));
            const body = await declared.handle(message, callOf(request));
            reply.code(declared.status ?? 200);
            return declared.status === 204 ? reply.send() : reply.type('application/json').send(writeJson(body));
          },
        });
      }
    }
    artifactRoutes(scope, PREFIXES, callOf);
    for (const prefix of PREFIXES) {
      scope.all(`${prefix}/*`, (request) => {
        throw new MlflowError(
          'ENDPOINT_NOT_FOUND',
          `No endpoint for ${request.method} ${request.url.split('?', 1)[0]}`,
        );
      });
    }
  });
};

/** The request's fields: path parts, and the query of a GET or of an endpoint that asks for it, or else the body. */
const inputOf = async (
  { method, query: isInQuery, fields }: Endpoint,
  request: FastifyRequest,
): Promise<Readonly<Record<string, Json>>> => {
  const params = request.params as Readonly<Record<string, string>>;
  if (method === 'GET' || isInQuery) {
    const query = new URLSearchParams(request.url.split('?', 2)[1] ?? '');
    query.delete('as_of');
    // A GET without a query may bring its fields in a body, which Fastify leaves on the socket.
    if (query.size === 0 && !isInQuery) return { ...readBody(await readText(request.raw)), ...params };
    return { ...readQuery(fields, query), ...params };
  }
  if (method === 'POST') checkContentType(request.headers['content-type']);
  return { ...readBody(await readText(request.body as Readable | undefined)), ...params };
};

const checkContentType = (header: string | undefined): void => {
  if (header === undefined) {
    throw invalid('Bad Request. Content-Type header is missing.');
  }
  if (header.split(';', 1)[0]?.trim().toLowerCase() !== 'application/json') {
    throw invalid("Bad Request. Content-Type must be one of ['application/json'].");
  }
};

/** @throws MlflowError 413 if the body is larger than any request may be. */
const readText = async (body: Readable | undefined): Promise<string> => {
  if (body === undefined) return '';
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  // Too much is read to its end but not kept: a client that is still sending would not see the answer.
  for await (const chunk of body as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes <= MAX_BODY_BYTES) chunks.push(chunk);
  }
  if (sizeBytes > MAX_BODY_BYTES) {
    throw new MlflowError('BAD_REQUEST', `The request body has more than ${MAX_BODY_BYTES} bytes.`, { status: 413 });
  }
  return Buffer.concat(chunks).toString('utf8');
};

/** Expected errors in MLflow's form; anything else as 500 with an id that the process's log names too. */
const sendError = (
  error: unknown,
  reply: FastifyReply,
  log: (message: string, error: unknown) => void,
): FastifyReply => {
  if (error instanceof MlflowError) {
    const { retryAfterSeconds } = error.extra;
    if (retryAfterSeconds !== undefined) reply.header('retry-after', String(retryAfterSeconds));
    return reply.code(error.status).type('application/json').send(JSON.stringify(error.body()));
  }
  if (error instanceof ConsistencyTimeout) {
    // The rows are late. The write has happened, so a read may simply be asked again.
    return sendError(new MlflowError('TEMPORARILY_UNAVAILABLE', error.message, { retryAfterSeconds: 1 }), reply, log);
  }
  if (error instanceof UploadAborted) return sendError(new MlflowError('BAD_REQUEST', error.message), reply, log);
  if (isFastifyRefusal(error)) {
    return sendError(Object.assign(invalid(error.message), { status: error.statusCode }), reply, log);
  }
  if (isDatabaseAway(error)) {
    const message = 'The database cannot be reached at the moment; the call can be repeated.';
    return sendError(new MlflowError('TEMPORARILY_UNAVAILABLE', message, { retryAfterSeconds: 1 }), reply, log);
  }
  const id = randomUUID();
  log(`a call of the MLflow API failed (${id})`, error);
  return sendError(new MlflowError('INTERNAL_ERROR', `The call failed; the gateway's log has ${id}.`), reply, log);
};

const isFastifyRefusal = (error: unknown): error is Error & { readonly statusCode: number } =>
  error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number' && error.statusCode < 500;
