// A subscriber outside of Kontor: what it may do, and that it gets the log once and in order whatever happens to NATS.
import {
  addSubscriber,
  connectNats,
  EVENTS_STREAM,
  listSubscribers,
  removeSubscriber,
  SubscriberInvalid,
  subscriberUser,
} from '@kontor/messaging';
import {
  ConsumerGone,
  HistoryGone,
  LogChanged,
  subscribe,
  type SubscribedEvent,
  SubscriberRefused,
  type SubscribeOptions,
} from '@kontor/subscriber';
import { eventually } from '@kontor/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openRelayedLog, type RelayedLog } from './log.fixture.js';

let log: RelayedLog;
let stopping: AbortController;
let running: Promise<unknown>[];

beforeEach(async () => {
  log = await openRelayedLog(['all', 'some']);
  stopping = new AbortController();
  running = [];
});
afterEach(async () => {
  stopping.abort();
  await Promise.allSettled(running);
  await log.close();
});

const upTo = (count: number): bigint[] => Array.from({ length: count }, (_, n) => BigInt(n + 1));

/** Reads until the spec ends. */
const read = (name: string, options: Partial<SubscribeOptions> = {}) => {
  const seen: bigint[] = [];
  const reasons: string[] = [];
  const subscription = subscribe({
    ...log.reader(name),
    after: 0n,
    signal: stopping.signal,
    onInterruption: (reason) => void reasons.push(reason),
    ...options,
  });
  const ended = (async () => {
    for await (const { position } of subscription) seen.push(position);
  })();
  ended.catch(() => undefined); // a spec that expects an error asks for it
  running.push(ended);
  return { seen, reasons, ended };
};

const first = async (count: number, name: string, options: Partial<SubscribeOptions> = {}) => {
  const events: SubscribedEvent[] = [];
  for await (const event of subscribe({ ...log.reader(name), after: 'acknowledged', ...options })) {
    events.push(event);
    if (events.length === count) break;
  }
  return events;
};

describe('a subscriber', () => {
  it('gets the whole log once and in order although NATS is killed, twice', async () => {
    await log.record(400);
    await log.relayed(400);
    await addSubscriber(log.nc, 'all', { from: 1n });
    const { seen, reasons } = read('all');
    await eventually(() => seen.length >= 300);
    await log.record(200);
    await log.nats.kill();
    await log.record(100);
    await log.nats.restart();
    await eventually(() => seen.length >= 650, { timeoutMs: 30_000 });
    await log.nats.kill();
    await log.record(100);
    await log.nats.restart();
    await eventually(() => seen.length >= 800, { timeoutMs: 30_000 });
    expect(seen).toEqual(upTo(800));
    expect(reasons.length).toBeGreaterThan(0);
  });

  it('with a filter gets what matches, once and in order, although NATS is killed', async () => {
    await log.record(300, ['Counted', 'Measured', 'Ignored']);
    await log.relayed(300);
    await addSubscriber(log.nc, 'some', { from: 1n, types: ['Measured'], workspace: 'default' });
    const { seen } = read('some');
    await eventually(() => seen.length === 100);
    await log.record(20, ['Measured'], 'another');
    await log.nats.kill();
    await log.record(60, ['Counted', 'Measured']);
    await log.nats.restart();
    await eventually(() => seen.length >= 130, { timeoutMs: 30_000 });
    const expected: bigint[] = [];
    for await (const { position, type, workspace } of log.store.readAll(0n))
      if (type === 'Measured' && workspace === 'default') expected.push(position);
    expect(seen).toEqual(expected);
  });

  it('gives attributes and the exact text of the data', async () => {
    await log.record(1);
    await log.relayed(1);
    await addSubscriber(log.nc, 'all', { from: 1n });
    const [event] = await first(1, 'all');
    expect(event).toMatchObject({
      position: 1n,
      type: 'Counted',
      source: 'kontor.example/log/0',
      subject: 'default/registry/run/1',
      streamVersion: 1n,
      workspace: 'default',
      dataschema: 'urn:kontor:event:registry:Counted:1',
      text: '{"n":0,"text":"Grüße 模型"}',
      data: { n: 0, text: 'Grüße 模型' },
    });
  });

  it('gets what it did not acknowledge again and first, and begins after its own checkpoint', async () => {
    await log.record(500);
    await log.relayed(500);
    await addSubscriber(log.nc, 'all', { from: 1n });
    const positions = (events: readonly SubscribedEvent[]) => events.map(({ position }) => position);
    expect(positions(await first(7, 'all'))).toEqual(upTo(7));
    // The seventh was not acknowledged, and 249 behind it were under way when the first reader left.
    expect(positions(await first(3, 'all'))).toEqual([7n, 8n, 9n]);
    expect(positions(await first(2, 'all', { after: 100n }))).toEqual([101n, 102n]);
    expect(positions(await first(2, 'all', { after: 3n }))).toEqual([4n, 5n]);
  });

  it.each([
    ['all', {}],
    ['some', { types: ['Counted'] }],
  ])('notices deliveries that somebody else took: %s', async (name, filter) => {
    await addSubscriber(log.nc, name, { from: 1n, ...filter });
    const { seen, reasons } = read(name);
    await log.record(5);
    await eventually(() => seen.length === 5);
    // Asks before and behind the subscriber's own pulls, so that it gets some of the deliveries.
    const thief = `$JS.API.CONSUMER.MSG.NEXT.${EVENTS_STREAM}.${subscriberUser(name)}`;
    let stolen = 0;
    log.nc.subscribe('thief', { callback: () => void stolen++ });
    for (let n = 0; n < 40; n += 1) {
      log.nc.publish(thief, JSON.stringify({ batch: 3, expires: 1e9 }), { reply: 'thief' });
      await log.record(25);
    }
    await eventually(() => seen.length >= 1005, { timeoutMs: 40_000 });
    expect(seen).toEqual(upTo(1005));
    expect(stolen).toBeGreaterThan(0);
    expect(reasons.join()).toContain('was lost');
  });

  it('begins at a position, and only where JetStream reaches', async () => {
    await log.record(20);
    await log.relayed(20);
    await log.jsm.streams.purge(EVENTS_STREAM, { seq: 11 });
    await expect(addSubscriber(log.nc, 'all', { from: 10n })).rejects.toThrow(
      'JetStream holds the log from position 11 on, not 10',
    );
    await addSubscriber(log.nc, 'all', { from: 15n });
    await expect(addSubscriber(log.nc, 'all', { from: 16n })).rejects.toThrow(SubscriberInvalid);
    expect((await first(1, 'all')).map(({ position }) => position)).toEqual([15n]);
    await expect(first(1, 'all', { after: 3n })).rejects.toThrow('does not reach back to position 4');
  });

  it('is told which positions have left JetStream, with and without a filter', async () => {
    await addSubscriber(log.nc, 'all', { from: 1n });
    await addSubscriber(log.nc, 'some', { from: 1n, types: ['Counted'] });
    await log.record(30);
    await log.relayed(30);
    for (const name of ['all', 'some']) await first(6, name);
    await log.jsm.streams.purge(EVENTS_STREAM, { seq: 20 });
    for (const name of ['all', 'some']) {
      const error: unknown = await first(1, name, { after: 5n }).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(HistoryGone);
      expect(error).toMatchObject({ wanted: 6n, first: 20n });
      expect((await first(2, name, { after: 19n })).map(({ position }) => position)).toEqual([20n, 21n]);
    }
  });

  it('with a filter notices what leaves JetStream while it reads', async () => {
    await addSubscriber(log.nc, 'some', { from: 1n, types: ['Counted'] });
    const reading = subscribe({ ...log.reader('some'), after: 'acknowledged' });
    await log.record(3);
    for (let n = 0; n < 3; n += 1) await reading.next();
    const waiting = reading.next();
    await log.record(10, ['Ignored']);
    await log.relayed(13);
    await log.jsm.streams.purge(EVENTS_STREAM, { seq: 9 });
    await log.record(1);
    await expect(waiting).rejects.toMatchObject({ wanted: 4n, first: 9n });
  });

  it('with a rare filter does not take old events of others for lost ones', async () => {
    await addSubscriber(log.nc, 'some', { from: 1n, types: ['Rare'] });
    await log.record(3, ['Rare']);
    const { seen, ended } = read('some');
    await eventually(() => seen.length === 3);
    await log.record(50);
    await log.relayed(53);
    // Once a pull has ended without an event, the subscriber knows that none of the 50 were its own.
    await eventually(async () => (await listSubscribers(log.nc))[0]?.acknowledged === 53n, { timeoutMs: 40_000 });
    await log.jsm.streams.purge(EVENTS_STREAM, { seq: 40 });
    await log.record(1, ['Rare']);
    await Promise.race([eventually(() => seen.length === 4), ended]);
    expect(seen).toEqual([1n, 2n, 3n, 54n]);
  });

  it('is told when its consumer has gone with the stream, and goes on when it is made again', async () => {
    await addSubscriber(log.nc, 'all', { from: 1n });
    await log.record(10);
    const { seen, ended } = read('all');
    await eventually(() => seen.length === 10);
    await log.nc.request(`$JS.API.STREAM.DELETE.${EVENTS_STREAM}`);
    await expect(ended).rejects.toThrow(ConsumerGone);
    await expect(ended).rejects.toThrow('--from 11');
    await log.record(5);
    await eventually(() => log.relayed(15).then(() => true));
    await addSubscriber(log.nc, 'all', { from: 11n });
    expect((await first(5, 'all')).map(({ position }) => position)).toEqual([11n, 12n, 13n, 14n, 15n]);
  });

  it('refuses to go on when the stream caches another log', async () => {
    await addSubscriber(log.nc, 'all', { from: 1n });
    await log.record(3);
    const { seen, ended } = read('all');
    await eventually(() => seen.length === 3);
    const { config } = await log.jsm.streams.info(EVENTS_STREAM);
    await log.jsm.streams.update(EVENTS_STREAM, {
      ...config,
      metadata: { ...config.metadata, origin: 'kontor.example/log/1' },
    });
    await log.nats.kill();
    await log.nats.restart();
    await expect(ended).rejects.toThrow(LogChanged);
  });

  it('is counted: where it is, and how many events wait', async () => {
    await log.record(30, ['Counted', 'Measured']);
    await log.relayed(30);
    await addSubscriber(log.nc, 'all', { from: 1n });
    await addSubscriber(log.nc, 'some', { from: 11n, types: ['Measured'] });
    expect(await listSubscribers(log.nc)).toEqual([
      { name: 'all', filters: [], acknowledged: 0n, waiting: 30 },
      { name: 'some', filters: ['kontor.evt.*.*.*.Measured'], acknowledged: 10n, waiting: 10 },
    ]);
    const { seen } = read('all');
    await eventually(() => seen.length === 30);
    await log.record(1);
    // Each is acknowledged when the next one is asked for, and the reader asks at once: maybe also for what follows the 31st.
    await eventually(async () => ((await listSubscribers(log.nc))[0]?.acknowledged ?? 0n) >= 30n);
    expect(await removeSubscriber(log.nc, 'some')).toBe(true);
    expect(await removeSubscriber(log.nc, 'some')).toBe(false);
    expect(await listSubscribers(log.nc)).toHaveLength(1);
  });
});

describe('the user of a subscriber', () => {
  const own = `${EVENTS_STREAM}.${subscriberUser('all')}`;
  const others = `${EVENTS_STREAM}.${subscriberUser('some')}`;

  beforeEach(async () => {
    await addSubscriber(log.nc, 'all', { from: 1n });
    await addSubscriber(log.nc, 'some', { from: 1n });
    await log.record(3);
    await log.relayed(3);
  });

  it.each([
    'kontor.evt.default.registry.run.RunStarted',
    'kontor.cmd.governance.ActivatePolicy',
    'kontor.infer.default.loans',
    `$JS.API.CONSUMER.MSG.NEXT.${others}`,
    `$JS.API.CONSUMER.INFO.${others}`,
    `$JS.API.CONSUMER.RESET.${others}`,
    `$JS.ACK.${others}.1.1.1.1.0`,
    `$JS.API.CONSUMER.CREATE.${own}`,
    `$JS.API.CONSUMER.DELETE.${own}`,
    `$JS.API.STREAM.MSG.GET.${EVENTS_STREAM}`,
    `$JS.API.DIRECT.GET.${EVENTS_STREAM}`,
    `$JS.API.STREAM.PURGE.${EVENTS_STREAM}`,
    `$JS.API.STREAM.DELETE.${EVENTS_STREAM}`,
    '$JS.API.STREAM.INFO.INFER',
    '_INBOX_subscriber-some.x',
  ])('may not publish %s', async (subject) => {
    const { connection } = log.reader('all');
    const nc = await connectNats(`nats://${connection.user}:${connection.pass}@${connection.servers}`, 'all');
    const heard: string[] = [];
    log.nc.subscribe(subject, { callback: (_, message) => void heard.push(message.subject) });
    await log.nc.flush();
    const errors = nc.status()[Symbol.asyncIterator]();
    nc.publish(subject, '{}');
    const { value } = (await errors.next()) as { value: { type: string; error: Error } };
    expect([value.type, value.error.message]).toEqual(['error', `Permissions Violation for Publish to "${subject}"`]);
    await log.nc.flush();
    expect(heard).toEqual([]);
    await nc.close();
  });

  it.each(['kontor.evt.>', 'kontor.cmd.>', '_INBOX.>', '_INBOX_subscriber-some.>', '$JS.>'])(
    'may not hear %s',
    async (subject) => {
      const { connection } = log.reader('all');
      const nc = await connectNats(`nats://${connection.user}:${connection.pass}@${connection.servers}`, 'all');
      const refusal = new Promise<Error | null>((resolve) => nc.subscribe(subject, { callback: resolve }));
      expect((await refusal)?.message).toBe(`Permissions Violation for Subscription to "${subject}"`);
      await nc.close();
    },
  );

  it("cannot read another one's consumer through the package, nor come in with a wrong password", async () => {
    const { connection } = log.reader('all');
    await expect(first(1, 'all', { consumer: subscriberUser('some') })).rejects.toThrow(SubscriberRefused);
    await expect(first(1, 'all', { connection: { ...connection, pass: 'wrong' } })).rejects.toThrow(SubscriberRefused);
  });
});
