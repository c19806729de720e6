import 'reflect-metadata';
import type { AddressInfo } from 'node:net';
import { NestFactory } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { createLog, refuseForeign } from '@kontor/service/process';
import { type Gateway, openGateway } from './gateway.js';
import type { GatewayConfig } from './config.js';
import { formatError, GatewayModule } from './gateway.module.js';
import { buildSchema } from './graphql/schema.js';
import { GRAPHQL_PATH, guardDoor } from './http-door.js';
import { mountTiles } from './log/tile-door.js';
import { routedUrl } from './mlflow/enter-workspace.js';
import { invalid } from './mlflow/errors.js';
import { mountMlflow } from './mlflow/face.js';
import { openSocketDoor } from './subscriptions/socket-door.js';

/** What a request may take to end once the gateway is to stop; the process is ended after 10 s. @source libs/service/src/lifecycle.ts */
const DRAIN_MS = 5_000;
/** How often connections are looked for whose last answer is through. */
const SWEEP_MS = 50;

/** The largest body of any route; artifacts are streamed past it. @source MLflow: a batch has at most 1 MiB */
const MAX_BODY_BYTES = 4 * 1024 * 1024;

export interface GatewayServer {
  readonly url: string;
  readonly gateway: Gateway;
  /** Stops accepting, lets running operations finish, closes sockets with 1001, then the connections. */
  close(): Promise<void>;
}

const logger = createLog('gateway');

/** Closes the door: what comes now is answered with 503, what is in work gets its answer, and its connection ends with it. */
const drained = async (app: NestFastifyApplication): Promise<void> => {
  const server = app.getHttpServer();
  const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS);
  const cut = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
  try {
    await app.close();
  } finally {
    clearInterval(sweep);
    clearTimeout(cut);
  }
};

/** Starts the gateway with all of its doors. */
export const startGateway = async (config: GatewayConfig): Promise<GatewayServer> => {
  const gateway = await openGateway(config);
  const schema = await buildSchema();
  const adapter = new FastifyAdapter({
    bodyLimit: MAX_BODY_BYTES,
    // By `drained`: what was begun gets its answer.
    forceCloseConnections: false,
    // What cannot be decoded reaches no route and no door's own words.
    frameworkErrors: (error: Error, _request: FastifyRequest, reply: FastifyReply) =>
      void reply
        .code(400)
        .type('application/json')
        .send(JSON.stringify(invalid(error.message).body())),
    rewriteUrl: ({ url = '/' }) => routedUrl(url),
  });
  guardDoor(adapter.getInstance(), gateway);
  mountTiles(adapter.getInstance(), gateway);
  mountMlflow(adapter.getInstance(), gateway, (message, error) => logger.error(message, error));
  const app = await NestFactory.create<NestFastifyApplication>(GatewayModule.of(gateway, schema), adapter, {
    logger: ['error', 'warn'],
  });
  await app.init();
  const closeSockets = openSocketDoor({
    server: app.getHttpServer(),
    path: GRAPHQL_PATH,
    schema,
    introspection: config.introspection,
    refusal: (request) => refuseForeign(request.headers, config.allowedHosts),
    authenticate: (authorization) => gateway.authenticator.authenticate(authorization),
    contextFor: (principal, socket) => gateway.contextFor(principal, {}, socket),
    formatError,
  });
  await app.listen(config.port, config.host);
  const { port } = app.getHttpServer().address() as AddressInfo;
  const host = config.host.includes(':') ? `[${config.host}]` : config.host;
  return {
    url: `http://${host}:${port}`,
    gateway,
    close: async () => {
      await closeSockets();
      await drained(app);
      await gateway.close();
    },
  };
};
