// The whole way of an event: log, relay, JetStream, feed. JetStream is a cache, so whatever happens to it, it must come to
// hold the log again at sequence = position, and no reader may notice more than a delay.
import { cp, rm } from 'node:fs/promises';
import type { NewEvent } from '@kontor/event-sourcing';
import {
  createEventStore,
  createPool,
  LOGIN_ROLES,
  LogForked,
  type PostgresEventStore,
  prepareDatabase,
  runRelay,
} from '@kontor/event-store';
import { chainPublisher, connectNats, ensureStreams, eventFeed, EVENTS_STREAM } from '@kontor/messaging';
import { eventually, testDatabase, type TestDatabase, testNats, type TestNats, uuidv7 } from '@kontor/testing';
import type { NatsConnection } from '@nats-io/transport-node';
import type pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const identity = { origin: 'kontor.example/log/0', base: 0n };

let database: TestDatabase;
let nats: TestNats;
let nc: NatsConnection;
let pool: pg.Pool;
let store: PostgresEventStore;
let stopping: AbortController;
let ended: Promise<unknown>[];
let seen: bigint[];

beforeEach(async () => {
  database = await testDatabase();
  const { urlFor } = await prepareDatabase({
    adminUrl: database.url,
    database: new URL(database.url).pathname.slice(1),
    passwords: Object.fromEntries(LOGIN_ROLES.map((role) => [role, 'kontor-test'])),
    origin: identity.origin,
  });
  nats = await testNats();
  nc = await connectNats(nats.url, 'spec');
  await ensureStreams(nc, identity);
  pool = createPool({ connectionString: urlFor('kontor_registry') });
  store = createEventStore(pool, { upcasters: {} });
  stopping = new AbortController();
  ended = [];
  seen = [];
});

afterEach(async () => {
  stopping.abort();
  await Promise.allSettled(ended);
  await store.close();
  await pool.end();
  await nc.close();
  await nats.stop();
  await database.drop();
});

const record = async (count: number): Promise<void> => {
  for (let sent = 0; sent < count; sent += 50) {
    const events: NewEvent[] = Array.from({ length: Math.min(50, count - sent) }, () => ({
      eventId: uuidv7(),
      type: 'Counted',
      schemaVersion: 1,
      data: {},
      meta: { correlationId: uuidv7(), actorKind: 'person' as const },
    }));
    const writes = [{ stream: 'default/registry/run/1', expected: 'any' as const, events }];
    await store.append({ commandId: uuidv7(), requestHash: new Uint8Array(32), actor: 'ada', writes });
  }
};

/** @returns how the relay ends. */
const relay = (): Promise<void> => {
  const running = runRelay({ pool, target: chainPublisher(nc, identity), signal: stopping.signal });
  ended.push(running);
  return running;
};

const read = (): void => {
  const feed = eventFeed({
    nc,
    base: 0n,
    after: 0n,
    readAll: (after) => store.readAll(after),
    upcasters: {},
    signal: stopping.signal,
  });
  ended.push(
    (async () => {
      for await (const batch of feed) seen.push(...batch.map(({ position }) => position));
    })(),
  );
};

const api = async (call: string, body: unknown = ''): Promise<{ state?: { last_seq: number; messages: number } }> =>
  (await nc.request(`$JS.API.STREAM.${call}.${EVENTS_STREAM}`, JSON.stringify(body))).json();

const lastSequence = async (): Promise<number | undefined> =>
  (await api('INFO').catch(() => undefined))?.state?.last_seq;

/** JetStream holds the whole log, event by event, and the feed gave all of it once. */
const expectWhole = async (count: number): Promise<void> => {
  await eventually(async () => (await lastSequence()) === count);
  for await (const { position, eventId } of store.readAll(0n)) {
    const answer = await nc.request(`$JS.API.DIRECT.GET.${EVENTS_STREAM}`, JSON.stringify({ seq: Number(position) }));
    expect([answer.headers?.get('ce-pos'), answer.headers?.get('ce-id')]).toEqual([`${position}`, eventId]);
  }
  await eventually(() => seen.length >= count);
  expect(seen).toEqual(Array.from({ length: count }, (_, n) => BigInt(n + 1)));
};

describe('JetStream comes to hold the log again', () => {
  it('after somebody deleted the stream', async () => {
    read();
    void relay();
    await record(120);
    await expectWhole(120);
    await api('DELETE');
    await record(30);
    await expectWhole(150);
  });

  it('after the server lost all its files, streams and buckets included', async () => {
    read();
    void relay();
    await record(120);
    await expectWhole(120);
    await nats.kill();
    await rm(nats.storeDir, { recursive: true });
    await record(30);
    await nats.restart();
    await expectWhole(150);
  });

  it('after the server came back with older files, at the same sequences', async () => {
    read();
    void relay();
    await record(60);
    await expectWhole(60);
    await nats.kill();
    await cp(nats.storeDir, `${nats.storeDir}-old`, { recursive: true });
    await nats.restart();
    await record(60);
    await expectWhole(120);
    await nats.kill();
    await rm(nats.storeDir, { recursive: true });
    await cp(`${nats.storeDir}-old`, nats.storeDir, { recursive: true });
    await nats.restart();
    await record(30);
    await expectWhole(150);
  });

  it('with two relays at once, killed over and over', async () => {
    read();
    // Two of different names hold different locks, so that both publish.
    for (const name of ['a', 'b']) {
      ended.push(runRelay({ pool, target: chainPublisher(nc, identity), signal: stopping.signal, name }));
    }
    for (let round = 1; round <= 4; round += 1) {
      await record(50);
      await nats.kill();
      await record(50);
      await nats.restart();
    }
    await expectWhole(400);
  });
});

describe('a relay that begins on a stream whose last message is gone by age', () => {
  beforeEach(async () => {
    const first = new AbortController();
    const running = runRelay({ pool, target: chainPublisher(nc, identity), signal: first.signal });
    await record(20);
    await eventually(async () => {
      const { rows } = await pool.query<{ acked_pos: string }>('SELECT acked_pos FROM es.relay');
      return rows[0]?.acked_pos === '20';
    });
    first.abort();
    await running;
    await api('PURGE');
    expect((await api('INFO')).state).toMatchObject({ messages: 0, last_seq: 20 });
  });

  it('goes on where its own report says that the log and the stream agree', async () => {
    void relay();
    await record(10);
    await eventually(async () => (await lastSequence()) === 30);
    expect((await api('INFO')).state).toMatchObject({ messages: 10 });
  });

  it('stops if nobody vouches for what the stream held', async () => {
    await pool.query('UPDATE es.relay SET acked_pos = 19');
    await expect(relay()).rejects.toThrow(LogForked);
  });
});

it('a relay stops when the stream is ahead of the log or holds another one', async () => {
  void relay();
  await record(10);
  await eventually(async () => (await lastSequence()) === 10);
  stopping.abort();
  await Promise.all(ended);
  stopping = new AbortController();
  const foreign = { origin: identity.origin, base: 0n };
  const events = [11n, 12n].map((position) => ({
    position,
    version: position,
    eventId: uuidv7(),
    commandId: uuidv7(),
    streamId: 'default/registry/run/1',
    workspace: 'default',
    actor: 'ada',
    recordedAt: '2026-06-01T12:00:00.000000Z',
    type: 'Counted',
    schemaVersion: 1,
    data: '{}',
    meta: '{}',
  }));
  await chainPublisher(nc, foreign).publish(events);
  await expect(relay()).rejects.toThrow(LogForked);
  await record(5);
  await expect(relay()).rejects.toThrow(LogForked);
});
