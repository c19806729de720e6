import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, testNats, type TestNats, uuidv7 } from '@kontor/testing';
import type { NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { chainPublisher } from './chain-publisher.js';
import { connectNats } from './connect.js';
import { FeedRefused } from './errors.js';
import { eventFeed } from './event-feed.js';
import { ensureStreams } from './streams.js';

declare module 'vitest' {
  interface ProvidedContext {
    kontorNatsServer: string;
  }
}

const identity = { origin: 'kontor.example/log/0', base: 0n };

/** A feed over a log that shows nothing: whatever it yields came from JetStream. */
const liveFeed = (nc: NatsConnection, options: { signal?: AbortSignal; types?: readonly string[] } = {}) => {
  const { signal } = new AbortController();
  return eventFeed({ nc, base: 0n, after: 0n, readAll: async function* () {}, upcasters: {}, signal, ...options });
};

describe('a feed', () => {
  let server: TestNats;
  let nc: NatsConnection;
  beforeAll(async () => {
    server = await testNats();
    nc = await connectNats(server.url, 'spec');
    await ensureStreams(nc, identity);
    await chainPublisher(nc, identity).publish([
      {
        position: 1n,
        version: 1n,
        eventId: uuidv7(),
        commandId: uuidv7(),
        streamId: 'default/registry/run/1',
        workspace: 'default',
        actor: 'ada',
        recordedAt: '2026-06-01T12:00:00.000000Z',
        type: 'Counted',
        schemaVersion: 1,
        data: '{"count":1}',
        meta: '{}',
      },
    ]);
  });
  afterAll(async () => {
    await nc.close();
    await server.stop();
  });

  // The client's own `close()` waits until somebody asks for the message behind the last one; nobody does any more.
  it('ends right after a live batch, by return and by abort', async () => {
    for await (const [event] of liveFeed(nc)) {
      expect(event?.position).toBe(1n);
      break;
    }
    const stop = new AbortController();
    for await (const batch of liveFeed(nc, { signal: stop.signal })) {
      expect(batch).toHaveLength(1);
      stop.abort();
    }
  });

  it('leaves out what events of other types say', async () => {
    const said = async (types: readonly string[]): Promise<unknown> => {
      for await (const [event] of liveFeed(nc, { types })) return event;
      return undefined;
    };
    const known = { position: 1n, type: 'Counted', actor: 'ada', meta: {} };
    expect(await said(['Counted'])).toMatchObject({ ...known, data: { count: 1 } });
    expect(await said(['Other'])).toMatchObject({ ...known, data: undefined });
  });

  it('ends with an error once the connection is closed for good: that is not NATS being away', async () => {
    const closed = await connectNats(server.url, 'spec');
    await closed.close();
    await expect(liveFeed(closed).next()).rejects.toThrow('closed connection');
  });
});

it.each([
  ['make a consumer', '$JS.API.CONSUMER.CREATE.>'],
  ['read the stream', '$JS.API.STREAM.INFO.>'],
])('refuses a user who may not %s, instead of taking that for NATS being away', async (_, subject) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'kontor-test-'));
  const allowed = { user: 'owner', password: 'kontor-test' };
  const barred = { user: 'barred', password: 'kontor-test', permissions: { publish: { deny: [subject] } } };
  const config = {
    listen: '127.0.0.1:-1',
    jetstream: { store_dir: dataDir },
    authorization: { users: [allowed, barred] },
    ports_file_dir: dataDir,
  };
  await writeFile(join(dataDir, 'nats.conf'), JSON.stringify(config));
  const server = spawn(inject('kontorNatsServer'), ['-c', join(dataDir, 'nats.conf')], { stdio: 'ignore' });
  const exited = once(server, 'exit');
  try {
    const ports = join(dataDir, `nats-server_${server.pid}.ports`);
    const host = await eventually(async () => {
      const text = await readFile(ports, 'utf8').catch(() => '');
      return text.endsWith('}') && (JSON.parse(text) as { nats: string[] }).nats[0]?.replace('nats://', '');
    });
    const owner = await connectNats(`nats://owner:kontor-test@${host}`, 'owner');
    await ensureStreams(owner, identity);
    await owner.close();
    const nc = await connectNats(`nats://barred:kontor-test@${host}`, 'barred');
    await expect(liveFeed(nc).next()).rejects.toThrow(FeedRefused);
    await nc.close();
  } finally {
    server.kill('SIGKILL');
    await exited;
    await rm(dataDir, { recursive: true });
  }
});
