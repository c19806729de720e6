import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import {
  type DocumentNode,
  type ExecutionArgs,
  getOperationAST,
  GraphQLError,
  type GraphQLFormattedError,
  type GraphQLSchema,
  parse,
  specifiedRules,
  validate,
} from 'graphql';
import { CloseCode, handleProtocols } from 'graphql-ws';
import { type Extra, useServer } from 'graphql-ws/use/ws';
import { type WebSocket, WebSocketServer } from 'ws';
import { type Principal, Unauthenticated } from '@kontor/service/process';
import { requestError } from '../graphql/errors.js';
import { limitRules, MAX_TOKENS, MAX_VALIDATION_ERRORS, refuseOperation } from '../graphql/limits.js';

/** As on HTTP; the default of `ws` is 100 MiB. */
export const MAX_FRAME_BYTES = 256 * 1024;
const MAX_SOCKETS_PER_PRINCIPAL = 10;
const MAX_SUBSCRIPTIONS_PER_SOCKET = 20;
/** Shorter than the time-outs of proxies; also finds dead peers. */
const PING_MS = 12_000;
/** Own codes, in the range that graphql-transport-ws does not use. */
export const CLOSE_LAGGED = 4910;
const CLOSE_TOO_MANY_SOCKETS = 4911;
/** A peer that reads nothing at all gets no longer than this to take its last message. */
const LAGGED_GRACE_MS = 10_000;

export interface SocketDoorOptions<Context> {
  readonly server: Server;
  readonly path: string;
  readonly schema: GraphQLSchema;
  readonly introspection: boolean;
  /** Why a request is refused by its Host or Origin; undefined lets it in. */
  readonly refusal: (request: IncomingMessage) => string | undefined;
  readonly authenticate: (authorization: string | undefined) => Promise<Principal>;
  readonly contextFor: (principal: Principal, socket: SocketControl) => Promise<Context>;
  readonly formatError: (error: unknown) => GraphQLFormattedError;
}

/** What a subscription may do with its socket. */
export interface SocketControl {
  /** After the last message: closes with {@link CLOSE_LAGGED}. */
  readonly closeLagged: () => void;
  /** The peer does not read: whatever is left unsent after a grace period is given up. */
  readonly endSoon: () => void;
}

type SocketExtra = Extra & { principal?: Principal } & Record<PropertyKey, unknown>;

/**
 * The WebSocket door of the graph: exact path, Host and Origin, verified token, and the same limits as HTTP. Only
 * subscriptions run here.
 *
 * @returns closes all sockets with 1001.
 */
export const openSocketDoor = <Context extends object>(options: SocketDoorOptions<Context>): (() => Promise<void>) => {
  const sockets = new Map<string, number>();
  const webSockets = new WebSocketServer({ noServer: true, maxPayload: MAX_FRAME_BYTES, handleProtocols });
  const server = useServer<Record<string, unknown>, SocketExtra>(
    {
      onConnect: async ({ connectionParams, extra }) => {
        const principal = await signIn(options, connectionParams, extra.request);
        if (principal === undefined) return false;
        const { id } = principal.actor;
        const open = (sockets.get(id) ?? 0) + 1;
        if (open > MAX_SOCKETS_PER_PRINCIPAL) {
          extra.socket.close(CLOSE_TOO_MANY_SOCKETS, `at most ${MAX_SOCKETS_PER_PRINCIPAL} sockets for one sign-in`);
          return false;
        }
        sockets.set(id, open);
        extra.principal = principal;
        closeAtExpiry(extra.socket, principal);
        return true;
      },
      onClose: ({ extra }) => {
        if (extra.principal === undefined) return;
        const { id } = extra.principal.actor;
        const left = (sockets.get(id) ?? 1) - 1;
        if (left === 0) sockets.delete(id);
        else sockets.set(id, left);
      },
      onSubscribe: async ({ extra, subscriptions }, _id, payload) => {
        const { principal } = extra;
        if (principal === undefined) return [new GraphQLError('no sign-in')];
        try {
          // This one is among them.
          if (Object.keys(subscriptions).length > MAX_SUBSCRIPTIONS_PER_SOCKET) {
            throw requestError(
              'DOCUMENT_LIMIT',
              `At most ${MAX_SUBSCRIPTIONS_PER_SOCKET} subscriptions run on one socket.`,
            );
          }
          const prepared = prepare(options, payload);
          if (Array.isArray(prepared)) return prepared.map(options.formatError).map(toGraphQLError);
          return { ...prepared, contextValue: await options.contextFor(principal, controlOf(extra.socket)) };
        } catch (error) {
          return [toGraphQLError(options.formatError(error))];
        }
      },
      onError: (_context, _id, _payload, errors) => errors.map((error) => options.formatError(error)),
      onNext: (_context, _id, _payload, _args, { errors, data }) =>
        errors && { data: data ?? null, errors: errors.map(options.formatError) },
    },
    webSockets,
    PING_MS,
  );
  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const path = (request.url ?? '').split('?', 1)[0];
    if (path !== options.path) return refuseUpgrade(socket, '404 Not Found');
    if (options.refusal(request) !== undefined) return refuseUpgrade(socket, '403 Forbidden');
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      webSockets.emit('connection', webSocket, request);
    });
  };
  options.server.on('upgrade', upgrade);
  return async () => {
    options.server.off('upgrade', upgrade);
    await server.dispose();
  };
};

const refuseUpgrade = (socket: Duplex, status: string): void => {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy());
};

/** A token in `connectionParams` is verified exactly like a header. @returns undefined: no sign-in, the socket closes. */
const signIn = async <Context>(
  { authenticate }: SocketDoorOptions<Context>,
  parameters: Readonly<Record<string, unknown>> | undefined,
  request: IncomingMessage,
): Promise<Principal | undefined> => {
  const sent = parameters?.['Authorization'] ?? parameters?.['authorization'] ?? request.headers.authorization;
  if (sent !== undefined && typeof sent !== 'string') return undefined;
  try {
    return await authenticate(sent);
  } catch (error) {
    if (error instanceof Unauthenticated) return undefined;
    throw error;
  }
};

/** setTimeout holds 31 bits; a sign-in that lives longer outlives any socket. */
const MAX_TIMER_MS = 2 ** 31 - 1;

const closeAtExpiry = (socket: WebSocket, { expiresAtMs }: Principal): void => {
  if (expiresAtMs === undefined) return;
  const timer = setTimeout(
    () => socket.close(CloseCode.Forbidden, 'the sign-in has expired'),
    Math.min(Math.max(0, expiresAtMs - Date.now()), MAX_TIMER_MS),
  );
  socket.once('close', () => clearTimeout(timer));
};

const controlOf = (socket: WebSocket): SocketControl => ({
  closeLagged: () => socket.close(CLOSE_LAGGED, 'Lagged: subscribe again after the last position'),
  endSoon: () => {
    const timer = setTimeout(() => socket.terminate(), LAGGED_GRACE_MS);
    socket.once('close', () => clearTimeout(timer));
  },
});

/** The code that Apollo gives on HTTP, so that a client finds the same one here. */
const withCode = ({ message, nodes, extensions }: GraphQLError, code: string): GraphQLError =>
  new GraphQLError(message, { ...(nodes && { nodes }), extensions: { ...extensions, code } });

const parsed = (query: string): DocumentNode => {
  try {
    return parse(query, { maxTokens: MAX_TOKENS });
  } catch (error) {
    throw error instanceof GraphQLError ? withCode(error, 'GRAPHQL_PARSE_FAILED') : error;
  }
};

/** Parses, validates and costs a document with the limits of HTTP. */
const prepare = <Context>(
  { schema, introspection }: SocketDoorOptions<Context>,
  {
    query,
    operationName,
    variables,
  }: { query: string; operationName?: string | null | undefined; variables?: unknown },
): ExecutionArgs | readonly GraphQLError[] => {
  const document = parsed(query);
  const rules = [...specifiedRules, ...limitRules({ introspection })];
  const errors = validate(schema, document, rules, { maxErrors: MAX_VALIDATION_ERRORS });
  if (errors.length > 0) return errors.map((error) => withCode(error, 'GRAPHQL_VALIDATION_FAILED'));
  const operation = getOperationAST(document, operationName);
  if (!operation) {
    const error = new GraphQLError('operationName: must name one operation of the document');
    throw withCode(error, 'OPERATION_RESOLUTION_FAILURE');
  }
  if (operation.operation !== 'subscription') {
    throw requestError(
      'BAD_USER_INPUT',
      'Only subscriptions run on a WebSocket; send queries and mutations over HTTP.',
    );
  }
  const given = (variables ?? {}) as Record<string, unknown>;
  const wrong = refuseOperation(schema, document, operation, given);
  if (wrong.length > 0) return wrong;
  return { schema, document, variableValues: given, operationName: operationName ?? null };
};

const toGraphQLError = ({ message, extensions, locations, path }: GraphQLFormattedError): GraphQLError =>
  Object.assign(new GraphQLError(message, { extensions: extensions ?? {} }), {
    toJSON: () => ({
      message,
      ...(locations && { locations }),
      ...(path && { path }),
      ...(extensions && { extensions }),
    }),
  });
