import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type Principal, refuseForeign, Unauthenticated } from '@kontor/service/process';
import type { Gateway } from './gateway.js';
import { isTilePath } from './log/tile-door.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set before any handler runs; undefined only on the open routes. */
    principal: Principal | undefined;
  }
}

/** The path of the graph on both transports. */
export const GRAPHQL_PATH = '/graphql';
/** A document and its variables. Artifacts and batches of the MLflow face have limits of their own. */
export const MAX_GRAPHQL_BODY_BYTES = 256 * 1024;
// Clients of the API send a Bearer token. A browser offers a form for Basic, and takes the token as the password. Two
// headers, because Chromium looks at the first challenge of each header only and asks nobody for a Bearer.
const CHALLENGES = [
  'Basic realm="Kontor: any name, and a token of kontor token as password", charset="UTF-8"',
  'Bearer realm="kontor"',
];
/** A supervisor has no token, and the answers hold nothing but positions. */
const OPEN_ROUTES = new Set(['/health', '/health/live', '/health/ready', '/version']);

/**
 * Guards every route: Host and Origin, then the sign-in. Whatever a handler does, it does as `request.principal`.
 *
 * To be called before routes are made.
 */
export const guardDoor = (app: FastifyInstance, { authenticator, config }: Gateway): void => {
  app.decorateRequest('principal', undefined);
  app.addHook('onRoute', (route) => {
    if (route.url === GRAPHQL_PATH) route.bodyLimit = MAX_GRAPHQL_BODY_BYTES;
  });
  app.addHook('onRequest', async (request, reply) => {
    const foreign = refuseForeign(request.headers, config.allowedHosts);
    if (foreign !== undefined) {
      return reply.code(403).send({ error_code: 'PERMISSION_DENIED', message: foreign });
    }
    const path = request.url.split('?', 1)[0] ?? '';
    if (OPEN_ROUTES.has(path) || isTilePath(path)) return undefined;
    try {
      request.principal = await authenticator.authenticate(request.headers.authorization);
      return undefined;
    } catch (error) {
      if (!(error instanceof Unauthenticated)) throw error;
      return reply
        .code(401)
        .header('www-authenticate', CHALLENGES)
        .send({ error_code: 'UNAUTHENTICATED', message: error.message });
    }
  });
};

/** @throws Error on an open route, which has nobody to act for: a bug. */
export const principalOf = (request: FastifyRequest): Principal => {
  if (request.principal === undefined) throw new Error(`no principal on ${request.url}`);
  return request.principal;
};
