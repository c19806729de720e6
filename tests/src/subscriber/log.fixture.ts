import type { NewEvent } from '@kontor/event-sourcing';
import { createEventStore, createPool, LOGIN_ROLES, prepareDatabase, runRelay } from '@kontor/event-store';
import {
  chainPublisher,
  connectNats,
  ensureStreams,
  EVENTS_STREAM,
  subscriberPermissions,
  subscriberUser,
} from '@kontor/messaging';
import { eventually, testDatabase, testNats, uuidv7 } from '@kontor/testing';
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';

const identity = { origin: 'kontor.example/log/0', base: 0n };

/** A log with its relay, and a broker on which `names` may subscribe. */
export const openRelayedLog = async (names: readonly string[]) => {
  const database = await testDatabase();
  const { urlFor } = await prepareDatabase({
    adminUrl: database.url,
    database: new URL(database.url).pathname.slice(1),
    passwords: Object.fromEntries(LOGIN_ROLES.map((role) => [role, 'kontor-test'])),
    origin: identity.origin,
  });
  const users = Object.fromEntries(names.map((name) => [subscriberUser(name), subscriberPermissions(name)]));
  const nats = await testNats({ users });
  const nc = await connectNats(nats.url, 'spec');
  await ensureStreams(nc, identity);
  const pool = createPool({ connectionString: urlFor('kontor_registry') });
  const store = createEventStore(pool, { upcasters: {} });
  const stopping = new AbortController();
  const relay = runRelay({ pool, target: chainPublisher(nc, identity), signal: stopping.signal });
  relay.catch(() => undefined); // looked at by whoever closes
  const jsm: JetStreamManager = await jetstreamManager(nc);
  return {
    nats,
    nc,
    jsm,
    store,
    /** What `subscribe` needs of a subscriber. */
    reader: (name: string) => {
      const { host, username, password } = new URL(nats.urlOf(subscriberUser(name)));
      return { connection: { servers: host, user: username, pass: password }, consumer: subscriberUser(name) };
    },
    /** Appends events, one type after the other, each to the stream of a workspace. */
    record: async (count: number, types: readonly string[] = ['Counted'], workspace = 'default'): Promise<void> => {
      for (let sent = 0; sent < count; sent += 50) {
        const events: NewEvent[] = Array.from({ length: Math.min(50, count - sent) }, (_, n) => ({
          eventId: uuidv7(),
          type: types[(sent + n) % types.length] ?? 'Counted',
          schemaVersion: 1,
          data: { n: sent + n, text: 'Grüße 模型' },
          meta: { correlationId: uuidv7(), actorKind: 'person' as const },
        }));
        const writes = [{ stream: `${workspace}/registry/run/1`, expected: 'any' as const, events }];
        await store.append({ commandId: uuidv7(), requestHash: new Uint8Array(32), actor: 'ada', writes });
      }
    },
    /** Waits until JetStream holds the log up to a position. */
    relayed: async (position: number): Promise<void> => {
      await eventually(async () => (await jsm.streams.info(EVENTS_STREAM)).state.last_seq === position, {
        timeoutMs: 30_000,
      });
    },
    close: async (): Promise<void> => {
      stopping.abort();
      await Promise.allSettled([relay]);
      await store.close();
      await pool.end();
      await nc.close();
      await nats.stop();
      await database.drop();
    },
  };
};

export type RelayedLog = Awaited<ReturnType<typeof openRelayedLog>>;
