import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { RouteEntry } from '@kontor/domain/deployment';
import type { Inference } from '../inference.js';
import type { DropCounts } from '../inference-log.js';
import { answer, answerError, checkContent, checkHost, readBody } from './http-door.js';
import { ProtocolError } from './protocol-error.js';

/** Requests in work at once; more of them would only wait for each other's memory. */
const MAX_IN_FLIGHT = 1_024;

/** A body of 8 MiB over a slow line; a connection that stalls is ended. */
const REQUEST_TIMEOUT_MS = 30_000;
const HEADERS_TIMEOUT_MS = 10_000;

const MAX_ROUTING_KEY_LENGTH = 200;

const SERVER_METADATA = { name: 'kontor-serving', version: '0.1.0', extensions: [] };

/** What the routes need to know of the process around them. */
export interface ServingState {
  readonly inference: Inference;
  readonly allowedHosts: readonly string[];
  isLive(): boolean;
  /** All routes are known, and every revision with traffic is loaded and warmed. */
  isReady(): boolean;
  dropped(): DropCounts;
}

interface ModelPath {
  readonly endpoint: string;
  /** A revision id or a version number. */
  readonly version: string | undefined;
  readonly action: 'metadata' | 'ready' | 'infer';
}

const unknownPath = (path: string): ProtocolError =>
  new ProtocolError('NOT_FOUND', `${path.slice(0, 200)} is no path of the Open Inference Protocol v2.`);

const decode = (segment: string, path: string): string => {
  try {
    return decodeURIComponent(segment);
  } catch (error) {
    if (error instanceof URIError) throw unknownPath(path);
    throw error;
  }
};

/** `/v2/models/{m}[/versions/{v}][/ready|/infer]`. @throws ProtocolError NOT_FOUND */
export const parseModelPath = (path: string): ModelPath => {
  const match = /^\/v2\/models\/([^/]+)(?:\/versions\/([^/]+))?(?:\/(ready|infer))?$/.exec(path);
  if (!match) throw unknownPath(path);
  const [, model = '', version, action = 'metadata'] = match;
  return {
    endpoint: decode(model, path),
    version: version === undefined ? undefined : decode(version, path),
    action: action as ModelPath['action'],
  };
};

const allow = (request: IncomingMessage, verb: 'GET' | 'POST'): void => {
  if (request.method === verb) return;
  throw new ProtocolError('METHOD_NOT_ALLOWED', `${request.method ?? 'The verb'} is not allowed here; ${verb} is.`);
};

const metadata = ({ inference }: ServingState, { endpoint, version }: ModelPath): unknown => {
  const route = inference.route(endpoint);
  const revision = version === undefined ? servedRevision(route) : inference.pinned(route, version);
  const { runner } = inference.loaded(route, revision);
  return {
    name: endpoint,
    versions: inference.versions(route),
    ...runner.signature,
    properties: { revision: revision.revisionId, digest: revision.servable.digest },
  };
};

/** The revision with the most traffic speaks for the endpoint. */
const servedRevision = (route: RouteEntry): RouteEntry['revisions'][number] => {
  const [first] = route.revisions.toSorted((a, b) => b.weightBps - a.weightBps);
  if (first) return first;
  throw new ProtocolError('MODEL_NOT_READY', `${route.endpoint} has no version yet.`);
};

const checkReady = ({ inference }: ServingState, { endpoint, version }: ModelPath): void => {
  const route = inference.route(endpoint);
  if (route.suspended) throw new ProtocolError('ENDPOINT_SUSPENDED', `${endpoint} is suspended.`);
  if (version !== undefined) return void inference.loaded(route, inference.pinned(route, version));
  const routed = route.revisions.filter(({ weightBps }) => weightBps > 0);
  if (routed.length === 0) throw new ProtocolError('MODEL_NOT_READY', `No version of ${endpoint} has traffic yet.`);
  for (const revision of routed) inference.loaded(route, revision);
};

const infer = async (state: ServingState, path: ModelPath, request: IncomingMessage, response: ServerResponse) => {
  checkContent(request);
  const key = request.headers['x-kontor-routing-key'];
  if (typeof key === 'string' && key.length > MAX_ROUTING_KEY_LENGTH) {
    throw new ProtocolError(
      'INVALID_REQUEST',
      `The header x-kontor-routing-key has ${key.length} characters; at most ${MAX_ROUTING_KEY_LENGTH} are allowed.`,
    );
  }
  const answered = await state.inference.answer({
    endpoint: path.endpoint,
    version: path.version,
    routingKey: typeof key === 'string' ? key : undefined,
    body: () => readBody(request),
  });
  if ('error' in answered) answerError(response, answered.error, answered.headers);
  else answer(response, 200, answered.body, answered.headers);
};

const handle = async (state: ServingState, request: IncomingMessage, response: ServerResponse): Promise<void> => {
  checkHost(request, state.allowedHosts);
  const path = (request.url ?? '').split('?')[0] ?? '';
  switch (path) {
    case '/v2':
    case '/v2/':
      allow(request, 'GET');
      return answer(response, 200, SERVER_METADATA);
    case '/health/live':
    case '/v2/health/live':
      allow(request, 'GET');
      return answer(response, state.isLive() ? 200 : 503, { live: state.isLive() });
    case '/health/ready':
    case '/v2/health/ready':
      allow(request, 'GET');
      // The protocol's text says `live`, its other servers say `ready`.
      return answer(response, state.isReady() ? 200 : 503, { live: state.isReady(), ready: state.isReady() });
    case '/metrics': {
      allow(request, 'GET');
      const { payload, row } = state.dropped();
      response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' });
      response.end(
        `# TYPE kontor_payload_dropped_total counter\nkontor_payload_dropped_total{reason="payload"} ${payload}\nkontor_payload_dropped_total{reason="row"} ${row}\n`,
      );
      return;
    }
  }
  const model = parseModelPath(path);
  if (model.action === 'infer') {
    allow(request, 'POST');
    return infer(state, model, request, response);
  }
  allow(request, 'GET');
  if (model.action === 'metadata') return answer(response, 200, metadata(state, model));
  checkReady(state, model);
  return answer(response, 200, { name: model.endpoint, ready: true });
};

/**
 * The Open Inference Protocol v2 over HTTP. Every answer is JSON; an error is `{ "error": "<sentence>" }` with its
 * machine code in `x-kontor-error-code`.
 *
 * @source serving reference, sections 2.1 to 2.7
 */
export const openInferenceServer = (state: ServingState, onUnexpected: (error: unknown) => void): Server => {
  let inFlight = 0;
  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    inFlight += 1;
    try {
      if (inFlight > MAX_IN_FLIGHT)
        throw new ProtocolError('OVERLOADED', `${MAX_IN_FLIGHT} requests are in work already.`);
      await handle(state, request, response);
    } catch (error) {
      if (error instanceof ProtocolError) return answerError(response, error);
      onUnexpected(error);
      answerError(response, new ProtocolError('RUNTIME_FAILURE', 'The server failed; its log says why.'));
    } finally {
      inFlight -= 1;
    }
  };
  return createServer(
    { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: HEADERS_TIMEOUT_MS },
    (request, response) => void respond(request, response),
  );
};
