import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict';
import type { NewEvent, RecordedEvent } from '../event.js';
import type { AppendRequest, EventStore } from '../event-store.js';

type Test = (name: string, body: () => Promise<void>) => void;

/** What a contract run needs from the implementation under test. */
export interface EventStoreContract {
  readonly test: Test;
  /** An empty store. */
  readonly create: () => Promise<EventStore>;
  /** A fresh UUIDv7. */
  readonly uuid: () => string;
}

const collect = async (events: AsyncIterable<RecordedEvent>): Promise<RecordedEvent[]> => {
  const all: RecordedEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
};

/** The behaviour that every {@link EventStore} has. Run by the in-memory store and by PostgreSQL. */
export const eventStoreContract = ({ test, create, uuid }: EventStoreContract): void => {
  const event = (type: string, data: unknown = {}): NewEvent => ({
    eventId: uuid(),
    type,
    schemaVersion: 1,
    data,
    meta: { correlationId: uuid(), actorKind: 'person' },
  });
  const request = (overrides: Partial<AppendRequest> & Pick<AppendRequest, 'writes'>): AppendRequest => ({
    commandId: uuid(),
    requestHash: new Uint8Array(32),
    actor: 'ada',
    ...overrides,
  });
  const run = (id: string) => `default/registry/run/${id}`;

  test('gives positions without a gap and versions per stream', async () => {
    const store = await create();
    await store.append(request({ writes: [{ stream: run('a'), expected: 'none', events: [event('A'), event('B')] }] }));
    const result = await store.append(
      request({
        writes: [
          { stream: run('b'), expected: 'none', events: [event('C')] },
          { stream: run('a'), expected: 2n, events: [event('D')] },
        ],
      }),
    );
    ok(result.outcome === 'appended');
    deepStrictEqual([result.firstPosition, result.lastPosition, result.versions], [3n, 4n, [1n, 3n]]);
    const all = await collect(store.readAll(0n));
    deepStrictEqual(
      all.map(({ position, streamId, version, type }) => [position, streamId, version, type]),
      [
        [1n, run('a'), 1n, 'A'],
        [2n, run('a'), 2n, 'B'],
        [3n, run('b'), 1n, 'C'],
        [4n, run('a'), 3n, 'D'],
      ],
    );
    strictEqual(await store.head(), 4n);
  });

  test('answers a repeated command with its first answer and writes nothing', async () => {
    const store = await create();
    const first = request({ writes: [{ stream: run('a'), expected: 'none', events: [event('A')] }] });
    const appended = await store.append(first);
    const replayed = await store.append(first);
    ok(appended.outcome === 'appended' && replayed.outcome === 'replayed');
    deepStrictEqual({ ...replayed, outcome: 'appended' }, appended);
    strictEqual(await store.head(), 1n);
    deepStrictEqual((await store.findCommand(first.commandId))?.firstPosition, 1n);
    strictEqual(await store.findCommand(uuid()), undefined);
  });

  test('refuses a command id that was used for another content', async () => {
    const store = await create();
    const first = request({ writes: [{ stream: run('a'), expected: 'none', events: [event('A')] }] });
    await store.append(first);
    const other = { ...first, requestHash: new Uint8Array(32).fill(1) };
    deepStrictEqual(await store.append(other), { outcome: 'key_reused' });
    strictEqual(await store.head(), 1n);
  });

  test('refuses a stale expected version, a moved guard and a foreign claim, and writes nothing', async () => {
    const store = await create();
    const name = { kind: 'model', key: 'm' };
    await store.append(
      request({
        writes: [{ stream: run('a'), expected: 'none', events: [event('A')] }],
        claims: [{ ...name, stream: run('a'), take: true }],
      }),
    );
    const stale = request({ writes: [{ stream: run('a'), expected: 'none', events: [event('B')] }] });
    deepStrictEqual(await store.append(stale), { outcome: 'conflict', versions: [1n] });
    const guarded = request({
      writes: [{ stream: run('b'), expected: 'any', events: [event('B')] }],
      guards: [{ stream: run('a'), expected: 2n }],
    });
    deepStrictEqual(await store.append(guarded), { outcome: 'guard', versions: [0n] });
    const claiming = request({
      writes: [{ stream: run('b'), expected: 'any', events: [event('B')] }],
      claims: [{ ...name, stream: run('b'), take: true }],
    });
    deepStrictEqual(await store.append(claiming), { outcome: 'claimed', versions: [0n] });
    strictEqual(await store.head(), 1n);
  });

  test('accepts the same command id again after a conflict', async () => {
    const store = await create();
    const write = (expected: 'none' | 5n) => [{ stream: run('a'), expected, events: [event('A')] }];
    const first = request({ writes: write(5n) });
    strictEqual((await store.append(first)).outcome, 'conflict');
    strictEqual((await store.append({ ...first, writes: write('none') })).outcome, 'appended');
  });

  test('frees a claim for another stream', async () => {
    const store = await create();
    const claim = (stream: string, take: boolean) => ({ kind: 'model', key: 'm', stream, take });
    const write = (id: string) => [{ stream: run(id), expected: 'any' as const, events: [event('A')] }];
    await store.append(request({ writes: write('a'), claims: [claim(run('a'), true)] }));
    strictEqual(
      (await store.append(request({ writes: write('b'), claims: [claim(run('b'), true)] }))).outcome,
      'claimed',
    );
    await store.append(request({ writes: write('a'), claims: [claim(run('a'), false)] }));
    strictEqual(
      (await store.append(request({ writes: write('b'), claims: [claim(run('b'), true)] }))).outcome,
      'appended',
    );
  });

  test('lets exactly one of many simultaneous writers win a version', async () => {
    const store = await create();
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, () =>
        store.append(request({ writes: [{ stream: run('a'), expected: 'none', events: [event('A')] }] })),
      ),
    );
    strictEqual(outcomes.filter(({ outcome }) => outcome === 'appended').length, 1);
    strictEqual(outcomes.filter(({ outcome }) => outcome === 'conflict').length, 19);
  });

  test('reads one stream after a version and the log by type and range', async () => {
    const store = await create();
    for (const [id, type] of [
      ['a', 'A'],
      ['b', 'B'],
      ['a', 'B'],
      ['a', 'A'],
    ] as const) {
      await store.append(request({ writes: [{ stream: run(id), expected: 'any', events: [event(type)] }] }));
    }
    deepStrictEqual(
      (await collect(store.readStream(run('a'), 1n))).map(({ position }) => position),
      [3n, 4n],
    );
    deepStrictEqual(
      (await collect(store.readAll(1n, { types: ['A'] }))).map(({ position }) => position),
      [4n],
    );
    deepStrictEqual(
      (await collect(store.readAll(1n, { upTo: 3n }))).map(({ position }) => position),
      [2n, 3n],
    );
    deepStrictEqual(await collect(store.readStream(run('nobody'))), []);
  });

  test('gives data and meta back as they were', async () => {
    const store = await create();
    const data = { text: 'zoë \u{1F600} \\ "', list: [1, 2.5, null, true], nested: { b: 1, a: 2 } };
    const sent = event('A', data);
    await store.append(request({ writes: [{ stream: run('a'), expected: 'none', events: [sent] }] }));
    const [read] = await collect(store.readAll(0n));
    deepStrictEqual([read?.data, read?.meta, read?.eventId, read?.actor], [data, sent.meta, sent.eventId, 'ada']);
    deepStrictEqual(Object.keys((read?.data as typeof data).nested), ['b', 'a']);
  });
};
