import { randomUUID } from 'node:crypto';
import {
  ArtifactMissing,
  ArtifactUnusable,
  StorageFull,
  StorageUnavailable,
  UploadAborted,
  UploadInvalid,
  UploadUnknown,
} from '@kontor/artifact-store';
import { ConsistencyTimeout } from '@kontor/event-store';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { IdempotencyKeyInvalid } from '../commands/idempotency-key.js';
import { isDatabaseAway } from '../database-away.js';
import { type Gateway, SCHEMA } from '../gateway.js';
import { principalOf } from '../http-door.js';
import { aliasHistoryEndpoint } from './alias-history.js';
import { artifactRoutes } from './artifact-routes.js';
import { transferEndpoints } from './artifact-transfers.js';
import { askedOf, sayMoment } from './as-of.js';
import { assessmentEndpoints } from './assessments.js';
import { type Asked, type FaceParts, MlflowCall } from './call.js';
import type { Endpoint } from './endpoint.js';
import { invalid, missing, MlflowError } from './errors.js';
import { evaluationDatasetEndpoints } from './evaluation-datasets.js';
import { experimentEndpoints } from './experiments.js';
import { datasetSummaryEndpoint } from './dataset-summaries.js';
import { enterWorkspace } from './enter-workspace.js';
import { importEndpoints } from './import.js';
import { writeJson } from './json.js';
import { loggedModelEndpoints } from './logged-models.js';
import { Lookups } from './lookups.js';
import { readMessage } from './message.js';
import { metricHistoryEndpoints } from './metric-history.js';
import { versionEndpoints } from './model-versions.js';
import { registeredModelEndpoints } from './registered-models.js';
import { oldTraceEndpoints } from './old-traces.js';
import { inputOf, wrongContentType } from './request.js';
import { type Attempt, Retries } from './retries.js';
import { RowLoader } from './row-loader.js';
import { runEndpoints } from './runs.js';
import { scorerEndpoints } from './scorers.js';
import { serverInfoEndpoints } from './server-info.js';
import { traceCorrelationEndpoint } from './trace-correlation.js';
import { traceRoutes } from './trace-routes.js';
import { traceEndpoints } from './traces.js';
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

/** Every endpoint that is served. What is not here answers as MLflow answers an unknown path. */
export const endpoints: readonly Endpoint[] = [
  ...experimentEndpoints,
  datasetSummaryEndpoint,
  ...runEndpoints,
  ...metricHistoryEndpoints,
  ...loggedModelEndpoints,
  ...registeredModelEndpoints,
  ...versionEndpoints,
  ...traceEndpoints,
  traceCorrelationEndpoint,
  ...oldTraceEndpoints,
  ...assessmentEndpoints,
  ...webhookEndpoints,
  ...scorerEndpoints,
  ...evaluationDatasetEndpoints,
  ...serverInfoEndpoints,
  ...workspaceEndpoints,
  aliasHistoryEndpoint,
  ...importEndpoints,
  ...transferEndpoints,
];

/** Clients ask these before they know whether there are workspaces at all. */
const OUTSIDE_WORKSPACES = /\/mlflow\/server-(?:info|features)$/;

const AJAX_PREFIX = '/ajax-api';
const PREFIXES = ['/api', AJAX_PREFIX];

/** Serves MLflow's REST API and its artifact proxy on the gateway's HTTP door. */
export const mountMlflow = (
  app: FastifyInstance,
  gateway: Gateway,
  log: (message: string, error: unknown) => void,
): void => {
  const { pool, lookups, personal, secrets, deliveries, commands, artifacts, config } = gateway;
  const parts: FaceParts = {
    ...{ pool, lookups: new Lookups(lookups) },
    schema: SCHEMA,
    ...{ personal, secrets, deliveries, webhooks: config.webhooks },
    loader: new RowLoader(lookups, SCHEMA),
    commands,
    log: gateway.log,
    artifacts,
  };
  const retries = new Retries();
  /** `attempt` of a request that writes. */
  const callOf = (request: FastifyRequest, attempt?: Attempt) => {
    request.call = new MlflowCall(parts, principalOf(request), randomUUID(), request.asked, {}, attempt);
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
    const served = new Map<string, readonly string[]>();
    scope.addHook('onRoute', ({ method, url }) => {
      const shape = url.replace(/:\w+/g, ':part');
      served.set(shape, [...(served.get(shape) ?? []), ...[method].flat()]);
    });
    for (const declared of endpoints) {
      const isRead = declared.method === 'GET' || declared.reads === true;
      for (const prefix of declared.isAjaxOnly ? [AJAX_PREFIX] : PREFIXES) {
        const url = `${prefix}/${declared.version ?? 2}.0${declared.path.replace(/\{(\w+)\}/g, ':$1')}`;
        scope.route({
          method: declared.method,
          url,
          config: { access: isRead ? 'read' : 'write', expires: declared.expires === true },
          handler: async (request, reply) => {
            const { input, text, sha256 } = await inputOf(declared, request);
            const message = readMessage(declared.fields, input, text);
            const call = callOf(
              request,
              isRead ? undefined : retries.attempt(request, reply, sha256, declared.creates),
            );
            const body = await call.answer(declared.handle(message, call));
            reply.code(declared.status ?? 200);
            return declared.status === 204 ? reply.send() : reply.type('application/json').send(writeJson(body));
          },
        });
      }
    }
    const ofRoute = (request: FastifyRequest, reply: FastifyReply) => {
      const isWrite = request.routeOptions.config.access === 'write';
      return callOf(request, isWrite ? retries.attempt(request, reply) : undefined);
    };
    for (const path of UNSERVED_BESIDE_PARTS)
      for (const prefix of PREFIXES)
        scope.post(`${prefix}${path}`, ({ method, url }) => {
          throw notServed(method, url);
        });
    artifactRoutes(scope, PREFIXES, ofRoute);
    traceRoutes(scope, ofRoute);
    refuseOthers(scope, served);
  });
};

/** Endpoints of MLflow that are not served, and whose path looks like one with a part of its own that is. */
const UNSERVED_BESIDE_PARTS = ['/3.0/mlflow/traces/metrics'];

const notServed = (method: string, url: string, allowed: readonly string[] = []): MlflowError => {
  const asked = `${method} ${url.split('?', 1)[0]}`;
  if (allowed.length === 0) return new MlflowError('ENDPOINT_NOT_FOUND', `${asked} is not served by Kontor.`);
  const message = `${asked} is not served by Kontor; this path knows ${allowed.join(', ')}.`;
  return new MlflowError('ENDPOINT_NOT_FOUND', message, { status: 405 });
};

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'] as const;

/**
 * Answers every path that no route of the face serves with 404, and a served one that is called by another method with 405.
 *
 * Both carry the code on which MLflow's client tries its second method: it sends POST first where older servers know GET.
 */
const refuseOthers = (scope: FastifyInstance, served: ReadonlyMap<string, readonly string[]>): void => {
  const refuse = ({ method, url }: FastifyRequest, allowed: readonly string[]): never => {
    throw notServed(method, url, allowed);
  };
  for (const [url, allowed] of [...served]) {
    const others = METHODS.filter((method) => !allowed.includes(method));
    scope.route({ method: others, url, handler: (request) => refuse(request, allowed) });
  }
  for (const prefix of PREFIXES) scope.all(`${prefix}/*`, (request) => refuse(request, []));
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
  if (error instanceof IdempotencyKeyInvalid) return sendError(invalid(error.message), reply, log);
  const refusal = ofArtifacts(error);
  if (refusal?.errorCode === 'DATA_LOSS') log('content of the artifact store is damaged', error);
  if (refusal) return sendError(refusal, reply, log);
  if (isFastifyRefusal(error)) {
    // Fastify refuses what is no media type at all before a handler sees it.
    if (error.statusCode === 415) return sendError(wrongContentType(), reply, log);
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

/** What the artifact store refuses, for clients; its bugs and the operator's mistakes are neither. */
const ofArtifacts = (error: unknown): MlflowError | undefined => {
  if (error instanceof UploadAborted) return new MlflowError('BAD_REQUEST', error.message);
  if (error instanceof UploadInvalid) return invalid(error.message);
  if (error instanceof UploadUnknown) return missing(error.message);
  // Clients repeat 429, 500 and 503, up to seven times: a whole upload each time, into a disk that is still full.
  if (error instanceof StorageFull) return new MlflowError('RESOURCE_EXHAUSTED', error.message, { status: 507 });
  if (error instanceof ArtifactMissing || error instanceof ArtifactUnusable)
    return new MlflowError('DATA_LOSS', `The artifact store is damaged: ${error.message}.`);
  if (error instanceof StorageUnavailable) {
    return new MlflowError('TEMPORARILY_UNAVAILABLE', error.message, { retryAfterSeconds: 1 });
  }
  return undefined;
};

const isFastifyRefusal = (error: unknown): error is Error & { readonly statusCode: number } =>
  error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number' && error.statusCode < 500;
