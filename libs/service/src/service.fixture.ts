import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Actor, RecordedEvent } from '@kontor/event-sourcing';
import {
  createEventStore,
  createPool,
  LOGIN_ROLES,
  type PostgresEventStore,
  prepareDatabase,
} from '@kontor/event-store';
import { type CommandReply, connectNats, sendCommand } from '@kontor/messaging';
import { testDatabase, testNats, type TestNats, uuidv7 } from '@kontor/testing';
import type { NatsConnection } from '@nats-io/transport-node';
import type pg from 'pg';
import { vi } from 'vitest';
import { signAssertion } from './assertion.js';
import { startService } from './bootstrap.js';
import { counterContext, counterStream } from './counter.fixture.js';
import { ensureKeyPair, loadPrivateKey } from './keys.js';
import type { Running } from './lifecycle.js';
import type { Log } from './log.js';

const silent: Log = { info: () => undefined, error: () => undefined };

/** How a command is sent otherwise than the gateway does it. */
export interface Sending {
  readonly commandId?: string;
  readonly issuer?: string;
  readonly roles?: readonly string[];
  readonly actor?: Actor;
  readonly workspace?: string;
  readonly timeoutMs?: number;
  /** Replaces the assertion. */
  readonly assertion?: string;
  /** Signs for another command, or at another moment. */
  readonly assertedId?: string;
  readonly assertedAtMs?: number;
  /** Sends other bytes than were signed. */
  readonly tamper?: (text: string) => string;
  /** Signs the other bytes, as a client of our own that speaks such JSON. */
  readonly signTampered?: boolean;
}

/** The service of the counter, over a PostgreSQL database and a nats-server of its own. */
export interface ServiceFixture {
  readonly nats: TestNats;
  readonly nc: NatsConnection;
  readonly admin: pg.Pool;
  readonly store: PostgresEventStore;
  readonly urlFor: (role: string) => string;
  /** Makes the context defective until all processes are stopped. */
  isBroken: boolean;
  start(log?: Log): Promise<Running>;
  stop(running: Running): Promise<void>;
  /** Stops what the test has started, and mends the context. */
  stopAll(): Promise<void>;
  send(type: string, data: unknown, sending?: Sending): Promise<CommandReply>;
  eventsOf(counter: string, workspace?: string): Promise<RecordedEvent[]>;
  outboxOf(eventId: string | undefined): Promise<{ reply: CommandReply | null; command_id: string }[]>;
  readiness(running: Running): Promise<{ status: number; body: unknown }>;
  close(): Promise<void>;
}

export const all = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
};

export const openServiceFixture = async (): Promise<ServiceFixture> => {
  const directory = await mkdtemp(join(tmpdir(), 'kontor-spec-'));
  await Promise.all(['gateway', 'serving', 'mallory'].map((name) => ensureKeyPair(directory, name)));
  const database = await testDatabase();
  const nats = await testNats();
  const nc = await connectNats(nats.url, 'spec');
  const { urlFor } = await prepareDatabase({
    adminUrl: database.url,
    database: new URL(database.url).pathname.slice(1),
    // Roles belong to the server, so all specs give them the same passwords.
    passwords: Object.fromEntries(LOGIN_ROLES.map((role) => [role, 'kontor-test'])),
    origin: 'kontor.example/log/0',
  });
  const admin = createPool({ connectionString: database.url });
  const store = createEventStore(admin, { upcasters: { Moved: [(data) => data] } });
  const started: Running[] = [];

  const fixture: ServiceFixture = {
    nats,
    nc,
    admin,
    store,
    urlFor,
    isBroken: false,

    start: async (log = silent) => {
      const running = await startService({
        context: counterContext(() => fixture.isBroken),
        upcasters: { Moved: [(data) => data] },
        enrich: () => ({
          EchoIfWhole: ({ data }) =>
            fixture.isBroken && (data as { defect: string }).defect === 'unfounded'
              ? Promise.reject(new Error('no facts'))
              : Promise.resolve(data),
        }),
        config: {
          pgUrl: urlFor('kontor_governance'),
          natsUrl: nats.url,
          keysDir: directory,
          healthPort: 0,
        },
        log,
      });
      started.push(running);
      return running;
    },

    stop: async (running) => {
      started.splice(started.indexOf(running), 1);
      await running.stop();
    },

    stopAll: async () => {
      fixture.isBroken = false;
      for (const running of [...started]) await fixture.stop(running);
    },

    send: async (type, data, sending = {}) => {
      const { commandId = uuidv7(), issuer = 'gateway', roles = [], workspace = 'default', tamper } = sending;
      const correlationId = uuidv7();
      const metadata = { commandId, workspace: 'of-the-client', now: new Date().toISOString(), correlationId };
      const text = JSON.stringify({ type, data, metadata });
      const { actor = { id: 'ada', kind: 'person', roles } } = sending;
      const payload = Buffer.from(tamper ? tamper(text) : text);
      const signedPayload = sending.signTampered ? payload : Buffer.from(text);
      const signed = { issuer, actor, workspace, commandId: sending.assertedId ?? commandId, payload: signedPayload };
      const key = await loadPrivateKey(directory, issuer);
      if (sending.assertedAtMs !== undefined) vi.useFakeTimers({ now: sending.assertedAtMs, toFake: ['Date'] });
      const assertion = sending.assertion ?? (await signAssertion(key, signed));
      vi.useRealTimers();
      const { timeoutMs = 10_000 } = sending;
      return sendCommand(nc, { context: 'governance', type, payload, assertion, correlationId, timeoutMs });
    },

    eventsOf: (counter, workspace) => all(store.readStream(counterStream(counter, workspace))),

    outboxOf: async (eventId) => {
      const { rows } = await admin.query<{ reply: CommandReply | null; command_id: string }>(
        'SELECT reply, command_id FROM governance.outbox WHERE causation_id = $1',
        [eventId],
      );
      return rows;
    },

    readiness: async (running) => {
      const response = await fetch(`${running.addresses?.['health']}/health/ready`);
      return { status: response.status, body: await response.json() };
    },

    close: async () => {
      await store.close();
      await admin.end();
      await nc.close();
      await nats.stop();
      await database.drop();
      await rm(directory, { recursive: true });
    },
  };
  return fixture;
};
