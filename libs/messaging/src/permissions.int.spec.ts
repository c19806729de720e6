import { testNats, type TestNats } from '@kontor/testing';
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectNats } from './connect.js';
import { natsPermissions } from './permissions.js';
import { ensureStreams, EVENTS_STREAM, TELEMETRY_STREAM } from './streams.js';

const EVENT = 'kontor.evt.default.governance.subject.GateEvaluated';
const START = 'kontor.cmd.deployment.StartRollout';
const REPORT = 'kontor.cmd.deployment.ReportRevisionState';
const RECORD = 'kontor.infer.default.loans';
const LABEL = 'kontor.label.default.loans';
const ROUTE = '$KV.KONTOR_ROUTES.default.loans';
const SUBJECTS = [EVENT, START, REPORT, RECORD, LABEL, ROUTE];

let server: TestNats;
let admin: NatsConnection;

beforeAll(async () => {
  server = await testNats({ users: natsPermissions });
  admin = await connectNats(server.url, 'admin');
  await ensureStreams(admin, { origin: 'kontor.example/log/0', base: 0n });
});
afterAll(async () => {
  await admin.close();
  await server.stop();
});

const as = async <T>(user: string, act: (nc: NatsConnection) => Promise<T>): Promise<T> => {
  const nc = await connectNats(server.urlOf(user), user);
  try {
    return await act(nc);
  } finally {
    await nc.close();
  }
};

/** Which of the subjects a user's messages come through on. */
const published = (user: string): Promise<string[]> =>
  as(user, async (nc) => {
    const seen: string[] = [];
    const subscriptions = SUBJECTS.map((subject) =>
      admin.subscribe(subject, { callback: (_, message) => void seen.push(message.subject) }),
    );
    await admin.flush();
    for (const subject of SUBJECTS) nc.publish(subject, user);
    // The server reads a connection in order: what came through has been sent on when it answers the pings.
    await nc.flush();
    await admin.flush();
    for (const subscription of subscriptions) subscription.unsubscribe();
    return seen;
  });

describe('a user of NATS', () => {
  it.each<[string, readonly string[]]>([
    ['registry', [EVENT]],
    ['governance', [EVENT]],
    ['monitoring', [EVENT]],
    ['deployment', [EVENT, ROUTE]],
    ['gateway', [START, REPORT, LABEL]],
    ['serving', [REPORT, RECORD]],
  ])('%s publishes what it answers for, and nothing else', async (user, expected) => {
    expect((await published(user)).sort()).toEqual([...expected].sort());
  });

  it.each(Object.keys(natsPermissions))('%s hears no command of another service', async (user) => {
    for (const context of ['registry', 'governance', 'monitoring', 'deployment']) {
      const heard = await as(user, async (nc) => {
        let count = 0;
        nc.subscribe(`kontor.cmd.${context}.*`, { callback: (error) => void (count += error ? 0 : 1) });
        await nc.flush();
        admin.publish(`kontor.cmd.${context}.Something`, '{}');
        await admin.flush();
        await nc.flush();
        return count;
      });
      expect([context, heard]).toEqual([context, context === user ? 1 : 0]);
    }
  });

  it.each(Object.keys(natsPermissions))('%s finds the streams, and cannot empty or delete one', async (user) => {
    const { origin, base } = { origin: 'kontor.example/log/0', base: 0n };
    await as(user, async (nc) => {
      if (user !== 'gateway' && user !== 'serving') await ensureStreams(nc, { origin, base });
      for (const verb of ['DELETE', 'PURGE', 'UPDATE']) {
        nc.publish(`$JS.API.STREAM.${verb}.${EVENTS_STREAM}`, '{}');
      }
      await nc.flush();
    });
    const jsm = await jetstreamManager(admin);
    expect((await jsm.streams.info(EVENTS_STREAM)).state.messages).toBeGreaterThan(0);
  });

  it('cannot have the server publish in its place: a consumer delivers to any subject', async () => {
    const config = { deliver_subject: ROUTE, ack_policy: 'none', deliver_policy: 'all' };
    await as('serving', async (nc) => {
      nc.publish(RECORD, '{"forged": true}');
      nc.publish(
        `$JS.API.CONSUMER.CREATE.${TELEMETRY_STREAM}`,
        JSON.stringify({ stream_name: TELEMETRY_STREAM, config }),
      );
      await nc.flush();
    });
    const jsm = await jetstreamManager(admin);
    expect((await jsm.streams.info(TELEMETRY_STREAM)).state.consumer_count).toBe(0);
  });
});
