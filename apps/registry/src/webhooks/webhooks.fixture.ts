import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { upcasters } from '@kontor/domain/contexts';
import { registry, type RegistryCommand, type RegistryEvent, type WebhookSettings } from '@kontor/domain/registry';
import { createPool, keyStoreUrl, LOGIN_ROLES, prepareDatabase, SecretStore } from '@kontor/event-store';
import { connectNats, sendCommand } from '@kontor/messaging';
import { startService } from '@kontor/service';
import {
  createLog,
  ensureKeyEncryptionKey,
  ensureKeyPair,
  loadPrivateKey,
  type Running,
  signAssertion,
} from '@kontor/service/process';
import { testDatabase, testNats, uuidv7 } from '@kontor/testing';
import type pg from 'pg';
import { startWebhooks, testWebhook } from './webhooks.worker.js';

const ANY_ADDRESS = { allowHttp: true, allowPrivate: true };

/** A request as it came in. */
export interface Received {
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

type Answer = (request: Received, response: ServerResponse) => void;

/** A target of webhooks on loopback: notes what it gets, and answers as it is told. */
export const startReceiver = async () => {
  const received: Received[] = [];
  const answers = new Map<string, Answer>();
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += String(chunk);
    const one = { path: request.url ?? '', headers: request.headers, body };
    received.push(one);
    const answer = answers.get(one.path);
    if (answer) answer(one, response);
    else response.end('ok');
  };
  const server = createServer((request, response) => void take(request, response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: (path: string): string => `http://127.0.0.1:${port}${path}`,
    at: (path: string): readonly Received[] => received.filter((one) => one.path === path),
    answer: (path: string, answer: Answer): void => void answers.set(path, answer),
    stop: (): void => {
      server.closeAllConnections();
      server.close();
    },
  };
};

type DataOf<Type extends RegistryCommand['type']> = Extract<RegistryCommand, { type: Type }>['data'];

export interface DeliveryRow {
  readonly delivery_id: string;
  readonly event: string;
  readonly state: string;
  readonly tries: number;
  readonly response_status: number | null;
  readonly response_body: string | null;
  readonly error: string | null;
}

/** The registry service with its webhooks, on a log and a broker of its own. */
export const openRegistry = async () => {
  const [database, nats, keysDir] = await Promise.all([
    testDatabase(),
    testNats(),
    mkdtemp(join(tmpdir(), 'kontor-webhooks-')),
  ]);
  await ensureKeyPair(keysDir, 'gateway');
  const key = await loadPrivateKey(keysDir, 'gateway');
  const { urlFor } = await prepareDatabase({
    adminUrl: database.url,
    database: new URL(database.url).pathname.slice(1),
    passwords: Object.fromEntries(LOGIN_ROLES.map((role) => [role, 'kontor-test'])),
    origin: `kontor.test/${randomBytes(4).toString('hex')}`,
  });
  const admin = createPool({ connectionString: database.url });
  const keys = createPool({ connectionString: keyStoreUrl(database.url) });
  const gatewayKeys = createPool({ connectionString: keyStoreUrl(urlFor('kontor_gateway')) });
  const secrets = new SecretStore(gatewayKeys, await ensureKeyEncryptionKey(keysDir));
  const nc = await connectNats(nats.url, 'spec');
  const started: Running[] = [];

  const send = async (type: string, data: object, workspace = 'default') => {
    const [commandId, correlationId] = [uuidv7(), randomUUID()];
    const metadata = { commandId, workspace, now: new Date().toISOString(), correlationId };
    const payload = Buffer.from(JSON.stringify({ type, data, metadata }));
    const actor = { id: 'ada', kind: 'person', roles: [] } as const;
    const assertion = await signAssertion(key, { issuer: 'gateway', actor, workspace, commandId, payload });
    const reply = await sendCommand(nc, { context: 'registry', type, payload, assertion, correlationId });
    if (reply.outcome !== 'accepted') throw new Error(`${type}: ${JSON.stringify(reply)}`);
    return { ...reply, commandId };
  };

  return {
    admin: admin as pg.Pool,
    keys: keys as pg.Pool,
    send,
    command: <Type extends RegistryCommand['type']>(type: Type, data: DataOf<Type>, workspace?: string) =>
      send(type, data, workspace),
    start: async (): Promise<Running> => {
      const running = await startService({
        context: registry,
        upcasters,
        config: { pgUrl: urlFor('kontor_registry'), natsUrl: nats.url, keysDir, healthPort: 0 },
        log: createLog('registry'),
        requests: (parts) => ({ TestWebhook: testWebhook(parts) }),
        workers: async (parts) => [await startWebhooks(parts, ANY_ADDRESS)],
      });
      started.push(running);
      return running;
    },
    stop: async (running: Running): Promise<void> => {
      started.splice(started.indexOf(running), 1);
      await running.stop();
    },
    /** A webhook with a secret, as the gateway makes one. @returns its id. */
    webhook: async (
      url: string,
      events: WebhookSettings['events'],
      { secret, workspace = 'default' }: { secret?: string; workspace?: string } = {},
    ): Promise<string> => {
      const webhookId = randomUUID();
      const secretVersion = secret === undefined ? null : await secrets.put(workspace, `webhook/${webhookId}`, secret);
      const settings = { name: 'w', url, events, description: '', status: 'ACTIVE' as const, secretVersion };
      await send('CreateWebhook', { webhookId, ...settings }, workspace);
      return webhookId;
    },
    /** A registered model. @returns its id. */
    model: async (name: string, { isPrompt = false, workspace = 'default' } = {}): Promise<string> => {
      const modelId = randomUUID().replaceAll('-', '');
      await send(
        'CreateRegisteredModel',
        { modelId, name, description: null, tags: [{ key: 'team', value: 'risk' }], isPrompt, firstVersion: 1 },
        workspace,
      );
      return modelId;
    },
    deliveries: async (webhookId: string): Promise<readonly DeliveryRow[]> => {
      const { rows } = await admin.query<DeliveryRow>(
        'SELECT * FROM registry.webhook_delivery WHERE webhook_id = $1 ORDER BY created_at, queue',
        [webhookId],
      );
      return rows;
    },
    /** Events of a webhook's stream. */
    eventsOf: async (webhookId: string): Promise<readonly RegistryEvent[]> => {
      const { rows } = await admin.query<RegistryEvent>(
        `SELECT type, data FROM es.event WHERE stream_id LIKE '%/registry/webhook/' || $1 ORDER BY pos`,
        [webhookId],
      );
      return rows;
    },
    /** Makes what waits due now: nobody waits for hours. */
    hurry: (webhookId: string) =>
      admin.query(
        `UPDATE registry.webhook_delivery SET due_at = clock_timestamp() WHERE webhook_id = $1 AND state = 'WAITING'`,
        [webhookId],
      ),
    close: async (): Promise<void> => {
      for (const running of [...started]) await running.stop();
      await nc.close();
      for (const pool of [admin, keys, gatewayKeys]) await pool.end();
      await Promise.all([database.drop(), nats.stop(), rm(keysDir, { recursive: true, force: true })]);
    },
  };
};
