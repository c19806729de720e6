import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { upcasters } from '@kontor/domain/contexts';
import type { Context } from '@kontor/event-sourcing';
import { createEventStore, LOGIN_ROLES, prepareDatabase, type PostgresEventStore } from '@kontor/event-store';
import { startService } from '@kontor/service';
import { createLog } from '@kontor/service/process';
import { testDatabase, testNats, uuidv7 } from '@kontor/testing';
import { gatewayConfig } from './config.js';
import { type GatewayServer, startGateway } from './server.js';

/** A gateway on a database and a broker of its own, and the means to write into its log. */
export interface TestGateway {
  readonly server: GatewayServer;
  readonly keysDir: string;
  readonly natsUrl: string;
  /** As the gateway's own role. */
  readonly pgUrl: string;
  /** As the role that owns the database: to hold a lock, which no role of the platform could. */
  readonly adminUrl: string;
  /** Appends one event, as the context's service would. @returns its position. */
  append(stream: string, type: string, data: unknown): Promise<bigint>;
  graphql(query: string, options?: GraphqlOptions): Promise<GraphqlAnswer>;
  /** Ends the gateway, does what is asked while it is away, and starts another one on the same log. */
  restart(whileAway?: () => Promise<void>): Promise<void>;
  stop(): Promise<void>;
}

export interface GraphqlOptions {
  readonly variables?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface GraphqlAnswer {
  readonly status: number;
  readonly text: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- specs look into answers of many shapes
  readonly data: any;
  readonly errors: readonly { readonly message: string; readonly extensions: { readonly code: string } }[];
  readonly extensions: { readonly consistency: { readonly token: string; readonly position: string } };
}

const CONTEXTS = ['registry', 'deployment', 'monitoring', 'governance'] as const;

interface TestGatewayOptions {
  readonly auth?: 'open' | 'token';
  readonly introspection?: 'on' | 'off';
  /** Settings beside those of the fixture, or in their place. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Contexts whose services run beside the gateway and answer its commands. */
  readonly services?: readonly Context[];
}

export const startTestGateway = async ({
  auth = 'open',
  introspection = 'on',
  environment = {},
  services = [],
}: TestGatewayOptions = {}): Promise<TestGateway> => {
  const [database, nats, keysDir] = await Promise.all([
    testDatabase(),
    testNats(),
    mkdtemp(join(tmpdir(), 'kontor-test-keys-')),
  ]);
  const prepared = await prepareDatabase({
    adminUrl: database.url,
    database: new URL(database.url).pathname.slice(1),
    // Roles belong to the server that all spec files share, so their passwords must not change from file to file.
    passwords: Object.fromEntries(LOGIN_ROLES.map((role) => [role, 'kontor-test'])),
    origin: `kontor.test/${randomBytes(4).toString('hex')}`,
  });
  const stores = new Map<string, PostgresEventStore>(
    CONTEXTS.map((context) => [
      context,
      createEventStore({ connectionString: prepared.urlFor(`kontor_${context}`) }, { upcasters: {} }),
    ]),
  );
  const pgUrl = prepared.urlFor('kontor_gateway');
  const config = gatewayConfig({
    KONTOR_PG_URL: pgUrl,
    KONTOR_NATS_URL: nats.url,
    KONTOR_KEYS_DIR: keysDir,
    KONTOR_ARTIFACTS_DIR: keysDir,
    KONTOR_PORT: '0',
    KONTOR_AUTH: auth,
    KONTOR_INTROSPECTION: introspection,
    ...environment,
  });
  let server = await startGateway(config);
  const running = await Promise.all(
    services.map((context) => {
      const { natsUrl } = config;
      const places = {
        pgUrl: prepared.urlFor(`kontor_${context.name}`),
        natsUrl,
        keysDir,
        healthPort: 0,
      };
      return startService({ context, upcasters, config: places, log: createLog(context.name) });
    }),
  );
  return {
    get server() {
      return server;
    },
    pgUrl,
    adminUrl: database.url,
    keysDir,
    natsUrl: nats.url,
    append: async (stream, type, data) => {
      const store = stores.get(stream.split('/')[1] ?? '');
      if (!store) throw new Error(`no context: ${stream}`);
      const result = await store.append({
        commandId: uuidv7(),
        requestHash: randomBytes(32),
        actor: 'ada',
        writes: [
          {
            stream,
            expected: 'any',
            events: [
              {
                eventId: uuidv7(),
                type,
                schemaVersion: 1,
                data,
                meta: { correlationId: uuidv7(), actorKind: 'person' },
              },
            ],
          },
        ],
      });
      if (result.outcome !== 'appended') throw new Error(`not appended: ${result.outcome}`);
      return result.lastPosition;
    },
    graphql: async (query, { variables = {}, headers = {} } = {}) => {
      const response = await fetch(`${server.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ query, variables }),
      });
      const text = await response.text();
      const answer = JSON.parse(text) as GraphqlAnswer;
      return { ...answer, errors: answer.errors ?? [], status: response.status, text };
    },
    restart: async (whileAway = () => Promise.resolve()) => {
      await server.close();
      await whileAway();
      server = await startGateway(config);
    },
    stop: async () => {
      await server.close();
      await Promise.all(running.map((service) => service.stop()));
      await Promise.all([...stores.values()].map((store) => store.close()));
      await Promise.all([database.drop(), nats.stop(), rm(keysDir, { recursive: true, force: true })]);
    },
  };
};
