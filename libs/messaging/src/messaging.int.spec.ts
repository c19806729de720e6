import { InMemoryEventStore, type NewEvent } from '@kontor/event-sourcing';
import { eventually, testNats, type TestNats, uuidv7 } from '@kontor/testing';
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chainPublisher } from './chain-publisher.js';
import { connectNats } from './connect.js';
import type { StoredEvent } from './envelope.js';
import { ChainBroken, StreamRefused } from './errors.js';
import { eventFeed } from './event-feed.js';
import { sendCommand, serveCommands } from './request-reply.js';
import { ensureStreams } from './streams.js';

const identity = { origin: 'kontor.example/log/0', base: 0n };
const log = new InMemoryEventStore({ now: () => new Date().toISOString().replace('Z', '000Z') });
const meta = { correlationId: uuidv7(), actorKind: 'person' as const };
const record = async (count: number): Promise<void> => {
  const events: NewEvent[] = Array.from({ length: count }, (_, n) => ({
    eventId: uuidv7(),
    type: 'Counted',
    schemaVersion: 1,
    data: { n, text: 'Grüße 模型 🙂' },
    meta,
  }));
  const writes = [{ stream: 'default/registry/run/1', expected: 'any' as const, events }];
  await log.append({ commandId: uuidv7(), requestHash: new Uint8Array(32), actor: 'ada', writes });
};
const stored = async (after = 0n): Promise<StoredEvent[]> => {
  const events: StoredEvent[] = [];
  for await (const event of log.readAll(after)) {
    events.push({ ...event, data: JSON.stringify(event.data), meta: JSON.stringify(event.meta) });
  }
  return events;
};

describe('messaging', () => {
  let server: TestNats;
  let nc: NatsConnection;
  beforeAll(async () => {
    server = await testNats();
    nc = await connectNats(server.url, 'spec');
    await ensureStreams(nc, identity);
    await ensureStreams(nc, identity);
    await record(20);
  });
  afterAll(async () => {
    await nc.close();
    await server.stop();
  });

  it('says which stream a server does not make, and why', async () => {
    const other = await testNats();
    const connection = await connectNats(other.url, 'spec');
    const { streams } = await jetstreamManager(connection);
    await streams.add({ name: 'SQUATTER', subjects: ['kontor.>'] });
    const refused = ensureStreams(connection, identity);
    await expect(refused).rejects.toThrow(StreamRefused);
    await expect(refused).rejects.toThrow(
      /^NATS does not make stream KONTOR_EVENTS of at most 4 GiB: subjects overlap/,
    );
    await connection.close();
    await other.stop();
  });

  it('breaks the chain at a lost message and recovers from the tail, with two publishers at once', async () => {
    const publisher = chainPublisher(nc, identity);
    const events = await stored();
    await expect(publisher.publish(events.filter(({ position }) => position !== 6n))).rejects.toThrow(ChainBroken);
    expect((await publisher.tail())?.position).toBe(5n);
    await Promise.allSettled([publisher.publish(events.slice(5)), publisher.publish(events.slice(5))]);
    expect(await publisher.tail()).toEqual({ position: 20n, eventId: events.at(-1)?.eventId });
  });

  it('feeds every event once and in order although NATS is killed and comes back', async () => {
    const stop = new AbortController();
    const seen: bigint[] = [];
    const texts = new Set<unknown>();
    const options = { nc, base: 0n, after: 0n, readAll: log.readAll.bind(log), upcasters: {}, signal: stop.signal };
    const running = (async () => {
      for await (const batch of eventFeed(options)) {
        for (const event of batch) {
          seen.push(event.position);
          texts.add((event.data as { text: string }).text);
        }
      }
    })();
    await eventually(() => seen.length === 20);
    await record(5);
    await chainPublisher(nc, identity).publish(await stored(20n));
    await eventually(() => seen.length === 25);
    await server.kill();
    await record(5);
    await eventually(() => seen.length === 30);
    await server.restart();
    const late = await stored(25n);
    await eventually(() =>
      chainPublisher(nc, identity)
        .publish(late)
        .then(() => true),
    );
    await record(5);
    await eventually(() => seen.length === 35);
    stop.abort();
    await running;
    expect(seen).toEqual(Array.from({ length: 35 }, (_, n) => BigInt(n + 1)));
    expect([...texts]).toEqual(['Grüße 模型 🙂']);
  });

  it('answers a command, and says UNAVAILABLE when nobody is there or answers in time', async () => {
    const request = {
      context: 'registry',
      type: 'Count',
      payload: new Uint8Array(),
      assertion: 'a',
      correlationId: 'c',
    };
    expect(await sendCommand(nc, request)).toMatchObject({
      code: 'UNAVAILABLE',
      message: 'no registry service is running',
    });
    const accepted = { outcome: 'accepted' as const, position: '9007199254740993', version: '1', eventIds: [] };
    const onBug = (error: unknown): never => {
      throw error;
    };
    const service = serveCommands(nc, 'registry', { concurrency: 4, onBug, handle: async () => accepted });
    await service.ready();
    expect(await sendCommand(nc, request)).toEqual(accepted);
    await service.drain();
    nc.subscribe('kontor.cmd.registry.*');
    expect(await sendCommand(nc, { ...request, timeoutMs: 50 })).toMatchObject({
      message: 'the registry service did not answer in 50 ms',
    });
  });

  it('is ready only when a caller on another connection finds it', async () => {
    const caller = await connectNats(server.url, 'caller');
    const reply = { outcome: 'accepted' as const, position: '1', version: '1', eventIds: [] };
    const request = { type: 'Count', payload: new Uint8Array(), assertion: 'a', correlationId: 'c' };
    const onBug = () => reply;
    // The race of the two connections is run so often that a service without the wait loses it.
    for (let n = 0; n < 50; n += 1) {
      const service = serveCommands(nc, `context${n}`, { concurrency: 1, onBug, handle: async () => reply });
      await service.ready();
      expect(await sendCommand(caller, { ...request, context: `context${n}` })).toEqual(reply);
      await service.drain();
    }
    await caller.close();
  });
});
