import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { RouteEntry } from '@kontor/domain/deployment';
import type { Inference } from '../inference.js';
import { type Authenticator, mayCommand } from '@kontor/service/process';
import { answer, answerBrokenHttp, answerError, checkContent, checkHost, readBody, signIn } from './http-door.js';
import { ProtocolError } from './protocol-error.js';

/** Inference requests in work at once, and the bytes of their bodies; more would only wait for each other's memory. */
const MAX_IN_FLIGHT = 1_024;
const MAX_BYTES_IN_FLIGHT = 64 * 1024 * 1024;

/** A body of 8 MiB over a slow line; a connection that stalls is ended. */
const REQUEST_TIMEOUT_MS = 30_000;
const HEADERS_TIMEOUT_MS = 10_000;

const MAX_ROUTING_KEY_LENGTH = 200;

/** Longer than anybody waits, and longer than a model may run. */
const MAX_TIMEOUT_MS = 60_000;

const SERVER_METADATA = { name: 'kontor-serving', version: '0.1.0', extensions: [] };

/** What the routes need to know of the process around them. */
export interface ServingState {
  readonly inference: Inference;
  readonly allowedHosts: readonly string[];
  readonly authenticator: Authenticator;
  /** Whose endpoints these are. */
  readonly workspace: string;
  isLive(): boolean;
  /** All routes are known, and every revision with traffic is loaded and warmed. */
  isReady(): boolean;
  /** The process was asked to stop; it answers what it has begun. */
  isDraining(): boolean;
  /** For Prometheus. */
  metricsText(): string;
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

/** HEAD is GET without the body, which node:http leaves out (RFC 9110, section 9.3.2). */
const allow = ({ method = '' }: IncomingMessage, response: ServerResponse, verb: 'GET' | 'POST'): void => {
  if (method === verb || (verb === 'GET' && method === 'HEAD')) return;
  response.setHeader('allow', verb === 'GET' ? 'GET, HEAD' : verb);
  throw new ProtocolError('METHOD_NOT_ALLOWED', `${method} is not allowed here; ${verb} is.`);
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

/** A client that kept its connection would be answered until it is cut off in the middle of a request. */
const closeWhenDraining = (state: ServingState, response: ServerResponse): void => {
  if (state.isDraining()) response.shouldKeepAlive = false;
};

/** `x-kontor-timeout-ms`. @throws ProtocolError INVALID_REQUEST */
const readTimeout = ({ headers }: IncomingMessage): number | undefined => {
  const value = headers['x-kontor-timeout-ms'];
  if (value === undefined) return undefined;
  const timeoutMs = typeof value === 'string' && /^\d{1,6}$/.test(value) ? Number(value) : NaN;
  if (timeoutMs >= 1 && timeoutMs <= MAX_TIMEOUT_MS) return timeoutMs;
  throw new ProtocolError(
    'INVALID_REQUEST',
    `The header x-kontor-timeout-ms is ${JSON.stringify(value)}; it must be a whole number from 1 to ${MAX_TIMEOUT_MS}.`,
  );
};

/** What inference requests hold of this process together. */
class Admission {
  #requests = 0;
  #bytes = 0;

  /** @returns how to leave; to be called once. @throws ProtocolError OVERLOADED */
  enter(): { readonly take: (bytes: number) => void; readonly leave: () => void } {
    if (this.#requests >= MAX_IN_FLIGHT)
      throw new ProtocolError('OVERLOADED', `${MAX_IN_FLIGHT} requests are in work already.`);
    this.#requests += 1;
    let taken = 0;
    let hasLeft = false;
    return {
      take: (bytes) => {
        if (hasLeft) return;
        if (this.#bytes + bytes > MAX_BYTES_IN_FLIGHT)
          throw new ProtocolError('OVERLOADED', `The requests in work have ${this.#bytes} bytes already.`);
        taken += bytes;
        this.#bytes += bytes;
      },
      leave: () => {
        hasLeft = true;
        this.#requests -= 1;
        this.#bytes -= taken;
      },
    };
  }
}

const infer = async (
  state: ServingState,
  admission: Admission,
  path: ModelPath,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> => {
  checkContent(request);
  const key = request.headers['x-kontor-routing-key'];
  if (typeof key === 'string' && key.length > MAX_ROUTING_KEY_LENGTH) {
    throw new ProtocolError(
      'INVALID_REQUEST',
      `The header x-kontor-routing-key has ${key.length} characters; at most ${MAX_ROUTING_KEY_LENGTH} are allowed.`,
    );
  }
  const timeoutMs = readTimeout(request);
  const { take, leave } = admission.enter();
  try {
    const answered = await state.inference.answer({
      endpoint: path.endpoint,
      version: path.version,
      routingKey: typeof key === 'string' ? key : undefined,
      timeoutMs,
      isGone: () => response.destroyed,
      body: () => readBody(request, take),
    });
    closeWhenDraining(state, response);
    if ('error' in answered) answerError(response, answered.error, answered.headers);
    else answer(response, 200, answered.body, answered.headers);
  } finally {
    leave();
  }
};

const handle = async (
  state: ServingState,
  admission: Admission,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> => {
  checkHost(request, state.allowedHosts);
  const path = (request.url ?? '').split('?')[0] ?? '';
  // A balancer has no token, and these answers hold nothing but a yes or a no.
  switch (path) {
    case '/health/live':
    case '/v2/health/live':
      allow(request, response, 'GET');
      return answer(response, state.isLive() ? 200 : 503, { live: state.isLive() });
    case '/health/ready':
    case '/v2/health/ready':
      allow(request, response, 'GET');
      // The protocol's text says `live`, its other servers say `ready`.
      return answer(response, state.isReady() ? 200 : 503, { live: state.isReady(), ready: state.isReady() });
  }
  const principal = await signIn(request, state.authenticator, state.workspace);
  switch (path) {
    case '/v2':
    case '/v2/':
      allow(request, response, 'GET');
      return answer(response, 200, SERVER_METADATA);
    case '/metrics':
      allow(request, response, 'GET');
      response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' });
      response.end(state.metricsText());
      return;
  }
  const model = parseModelPath(path);
  if (model.action === 'infer') {
    allow(request, response, 'POST');
    if (!mayCommand(principal)) throw new ProtocolError('FORBIDDEN', 'The role auditor reads and sends no traffic.');
    return infer(state, admission, model, request, response);
  }
  allow(request, response, 'GET');
  if (model.action === 'metadata') return answer(response, 200, metadata(state, model));
  checkReady(state, model);
  return answer(response, 200, { name: model.endpoint, ready: true });
};

/**
 * The Open Inference Protocol v2 over HTTP. Every answer is JSON; an error is `{ "error": "<sentence>" }` with its
 * machine code in `x-kontor-error-code`.
 *
 * @source Open Inference Protocol v2, specification/protocol/inference_rest.md. Of the status of an error it says only
 * "typically 400"; the codes, their header and the prediction id are Kontor's own.
 */
export const openInferenceServer = (state: ServingState, onUnexpected: (error: unknown) => void): Server => {
  const admission = new Admission();
  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    closeWhenDraining(state, response);
    try {
      await handle(state, admission, request, response);
    } catch (error) {
      if (error instanceof ProtocolError) return answerError(response, error);
      onUnexpected(error);
      answerError(response, new ProtocolError('RUNTIME_FAILURE', 'The server failed; its log says why.'));
    }
  };
  const server = createServer(
    { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: HEADERS_TIMEOUT_MS },
    (request, response) => void respond(request, response),
  );
  server.on('clientError', answerBrokenHttp);
  return server;
};
