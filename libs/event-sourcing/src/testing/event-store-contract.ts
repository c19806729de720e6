import { deepStrictEqual, ok, rejects, strictEqual } from 'node:assert/strict';
import { MAX_BATCH_BYTES, MAX_EVENT_BYTES } from '../append-request.js';
import { AppendChain } from '../append-chain.js';
import { CommandIdOutsideWindow, TooLarge } from '../errors.js';
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
  /** What the store takes for the present, in milliseconds since 1970. */
  readonly nowMs: () => number;
}

const DAY_MS = 86_400_000;

const collect = async (events: AsyncIterable<RecordedEvent>): Promise<RecordedEvent[]> => {
  const all: RecordedEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
};

/**
 * The behaviour that every {@link EventStore} has. Run by the in-memory store and by PostgreSQL. What a database role may
 * append is not part of it: there are no roles in memory.
 */
export const eventStoreContract = ({ test, create, uuid, nowMs }: EventStoreContract): void => {
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

  const begin = async (store: EventStore, events = 1): Promise<void> => {
    const all = Array.from({ length: events }, () => event('A'));
    await store.append(request({ writes: [{ stream: run('a'), expected: 'none', events: all }] }));
  };
  const chained = (chain: AppendChain, expected: bigint, more: Partial<AppendRequest> = {}): AppendRequest =>
    request({ writes: [{ stream: run('a'), expected, events: [event('B')] }], chain, ...more });

  test('appends the commands of a chain one on the other, however many are sent at once', async () => {
    const store = await create();
    await begin(store);
    const chain = new AppendChain();
    const versions = Array.from({ length: 20 }, (_, index) => BigInt(index) + 1n);
    const results = await Promise.all(versions.map((expected) => store.append(chained(chain, expected))));
    deepStrictEqual(
      results.map((result) => result.outcome === 'appended' && [result.lastPosition, result.versions]),
      versions.map((expected) => [expected + 1n, [expected + 1n]]),
    );
    strictEqual((await store.append(chained(chain, 21n))).outcome, 'appended');
    const all = await collect(store.readStream(run('a')));
    deepStrictEqual(
      all.map(({ version }) => version),
      Array.from({ length: 22 }, (_, index) => BigInt(index) + 1n),
    );
  });

  test('breaks a chain at what is refused, also where the version behind it is right by chance', async () => {
    const store = await create();
    await begin(store, 2);
    const chain = new AppendChain();
    const outcomes = await Promise.all([1n, 2n, 3n].map((expected) => store.append(chained(chain, expected))));
    deepStrictEqual(outcomes, [{ outcome: 'conflict', versions: [2n] }, { outcome: 'broken' }, { outcome: 'broken' }]);
    deepStrictEqual(await store.append(chained(chain, 2n)), { outcome: 'broken' });
    strictEqual(await store.head(), 2n);
    strictEqual((await store.append(chained(new AppendChain(), 2n))).outcome, 'appended');
  });

  test('breaks a chain at a command that had come before, and keeps what stands in front of it', async () => {
    const store = await create();
    await begin(store);
    const before = chained(new AppendChain(), 1n);
    await store.append(before);
    const chain = new AppendChain();
    const sent = [chained(chain, 2n), { ...before, chain }, chained(chain, 4n), chained(chain, 3n)];
    const outcomes = await Promise.all(sent.map((one) => store.append(one)));
    deepStrictEqual(
      outcomes.map(({ outcome }) => outcome),
      ['appended', 'replayed', 'broken', 'broken'],
    );
    strictEqual(await store.head(), 3n);
  });

  test('breaks a chain at a command that cannot be stored', async () => {
    const store = await create();
    await begin(store);
    const chain = new AppendChain();
    const large = { writes: [{ stream: run('a'), expected: 1n, events: [event('B', 'x'.repeat(MAX_EVENT_BYTES))] }] };
    const [first, second] = [store.append(request({ ...large, chain })), store.append(chained(chain, 1n))];
    await rejects(first, TooLarge);
    deepStrictEqual(await second, { outcome: 'broken' });
    strictEqual(await store.head(), 1n);
  });

  const writeTo = (id: string, expected: 'none' | 'any' | bigint) => ({
    stream: run(id),
    expected,
    events: [event('C')],
  });

  test('appends the commands of a chain with what each writes beside it, and breaks the chain there as well', async () => {
    const store = await create();
    await begin(store);
    for (const id of ['b', 'c', 'd']) await store.append(request({ writes: [writeTo(id, 'none')] }));
    const chain = new AppendChain();
    const sent = [
      [writeTo('b', 1n), writeTo('a', 1n)],
      [writeTo('c', 1n), writeTo('a', 2n)],
      [writeTo('b', 2n), writeTo('a', 3n)],
      [writeTo('d', 2n), writeTo('a', 4n)],
      [writeTo('b', 3n), writeTo('a', 5n)],
    ];
    const outcomes = await Promise.all(sent.map((writes) => store.append(request({ writes, chain }))));
    deepStrictEqual(
      outcomes.map((result) =>
        result.outcome === 'appended' ? [result.lastPosition, result.versions] : result.outcome,
      ),
      [[6n, [2n, 2n]], [8n, [2n, 3n]], [10n, [3n, 4n]], 'conflict', 'broken'],
    );
    const all = await collect(store.readAll(4n));
    deepStrictEqual(
      all.map(({ streamId, version }) => [streamId, version]),
      [
        [run('b'), 2n],
        [run('a'), 2n],
        [run('c'), 2n],
        [run('a'), 3n],
        [run('b'), 3n],
        [run('a'), 4n],
      ],
    );
    strictEqual((await store.append(request({ writes: [writeTo('b', 3n)] }))).outcome, 'appended');
  });

  test('lets no chain begin a stream', async () => {
    const store = await create();
    const chain = new AppendChain();
    for (const writes of [
      [writeTo('a', 'none')],
      [writeTo('a', 'any')],
      [writeTo('a', 0n)],
      [writeTo('a', 1n), writeTo('b', 'none')],
    ])
      await rejects(store.append(request({ writes, chain })), /an append of a chain/);
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

  const one = (overrides: Partial<NewEvent> = {}) => [{ ...event('A'), ...overrides }];
  const write = (events: readonly NewEvent[], stream = run('a')) => ({ stream, expected: 'any' as const, events });
  const twin = event('A');
  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  const bytes = (size: number) => 'x'.repeat(size - 2);
  const claim = { stream: run('a'), kind: 'model', key: 'm', take: true };
  const at = (ms: number): string => {
    const hex = ms.toString(16).padStart(12, '0');
    return `${hex.slice(0, 8)}-${hex.slice(8)}${uuid().slice(13)}`;
  };

  const refusals: readonly (readonly [string, Partial<AppendRequest>, RegExp | typeof TooLarge | typeof TypeError])[] =
    [
      ['no write', { writes: [] }, /^Error: an append needs at least one write/],
      ['a write of no event', { writes: [write([])] }, /each write at least one event$/],
      ['two writes to one stream', { writes: [write(one()), write(one())] }, /writes a stream at most once$/],
      ['a claim twice', { claims: [claim, { ...claim, take: false }] }, /names a claim at most once$/],
      ['an event id twice', { writes: [write([twin, twin])] }, /names event \S+ twice$/],
      [
        'an event id twice, in two streams',
        { writes: [write([twin]), write([twin], run('b'))] },
        /names event \S+ twice$/,
      ],
      [
        'an event id that is no UUID',
        { writes: [write(one({ eventId: 'a' }))] },
        /an event id must be a UUID.*got "a"$/,
      ],
      ['a stream that is none', { writes: [write(one(), 'no stream')] }, /not a stream id: no stream$/],
      ['a guard on no stream', { guards: [{ stream: 'a', expected: 'none' }] }, /not a stream id: a$/],
      ['a claim of no stream', { claims: [{ ...claim, stream: 'a/b' }] }, /not a stream id: a\/b$/],
      [
        'a claim with NUL',
        { claims: [{ ...claim, key: 'a\0b' }] },
        /a claim must be one line.*got "model\/a\\u0000b"$/,
      ],
      ['an actor of two lines', { actor: 'a\nb' }, /the actor must be one line of Unicode without NUL, got "a\\nb"$/],
      ['a type of two lines', { writes: [write(one({ type: 'A\nB' }))] }, /an event type must be one line/],
      ['half a sign', { actor: 'a\ud83d' }, /the actor must be one line of Unicode/],
      [
        'a schema version of 17 bits',
        { writes: [write(one({ schemaVersion: 40_000 }))] },
        /from 1 to 32767, got 40000$/,
      ],
      ['a version of 64 bits', { writes: [{ ...write(one()), expected: 2n ** 63n }] }, /from 0 to 9223372036854775807/],
      ['a version below zero', { writes: [{ ...write(one()), expected: -1n }] }, /an expected version must.*got -1$/],
      [
        'a time that is none',
        { writes: [write(one({ meta: { ...twin.meta, occurredAt: '2026-02-30T00:00:00Z' } }))] },
        /meta\.occurredAt must be a time of RFC 3339, got "2026-02-30T00:00:00Z"$/,
      ],
      [
        'a correlation that is no UUID',
        { writes: [write(one({ meta: { ...twin.meta, correlationId: 'x' } }))] },
        /meta\.correlationId must be a UUID/,
      ],
      ['data that is nothing', { writes: [write(one({ data: undefined }))] }, /must be JSON, got undefined$/],
      ['data in a circle', { writes: [write(one({ data: cycle }))] }, TypeError],
      ['one byte too much in an event', { writes: [write(one({ data: bytes(MAX_EVENT_BYTES + 1) }))] }, TooLarge],
      [
        'more than a command may hold',
        { writes: [write(Array.from({ length: 4 }, () => event('A', bytes(MAX_BATCH_BYTES / 4))))] },
        TooLarge,
      ],
    ];
  let shared: Promise<EventStore> | undefined; // a database for each row would take minutes on a busy machine
  for (const [what, overrides, refusal] of refusals) {
    test(`refuses ${what}, and writes nothing`, async () => {
      const store = await (shared ??= create());
      const good = request({ writes: [write(one())] });
      const before = await store.head();
      await rejects(store.append({ ...good, ...overrides }), refusal);
      strictEqual(await store.head(), before);
      strictEqual((await store.append(good)).outcome, 'appended');
    });
  }

  test('takes as much as an event may hold', async () => {
    const store = await create();
    const full = request({ writes: [write(one({ data: bytes(MAX_EVENT_BYTES) }))] });
    strictEqual((await store.append(full)).outcome, 'appended');
  });

  test('refuses a command id that it would not remember or that is no UUIDv7', async () => {
    const store = await create();
    const random = uuid().replace(/^(.{14})7/, '$14');
    for (const commandId of [at(nowMs() - 430 * DAY_MS), at(nowMs() + 2 * DAY_MS), random]) {
      const refused = store.append(request({ commandId, writes: [write(one())] }));
      await rejects(refused, CommandIdOutsideWindow);
      await rejects(refused, /must be a UUIDv7 made between \S+ and \S+; make a new id for a new command$/);
    }
    strictEqual(await store.head(), 0n);
    const recent = request({ commandId: at(nowMs() - DAY_MS), writes: [write(one())] });
    strictEqual((await store.append(recent)).outcome, 'appended');
  });

  test('names a foreign claim before a stale version, and that before a moved guard', async () => {
    const store = await create();
    await store.append(request({ writes: [write(one())], claims: [claim] }));
    const stale = { ...write(one(), run('b')), expected: 7n };
    const guards = [{ stream: run('a'), expected: 7n }];
    const claims = [{ ...claim, stream: run('b') }];
    deepStrictEqual(await store.append(request({ writes: [stale], guards, claims })), {
      outcome: 'claimed',
      versions: [0n],
    });
    deepStrictEqual(await store.append(request({ writes: [stale], guards })), { outcome: 'conflict', versions: [0n] });
  });

  test('answers a repeated command although its guard has moved and its claim is freed', async () => {
    const store = await create();
    const first = request({
      writes: [write(one(), run('b'))],
      guards: [{ stream: run('a'), expected: 'none' }],
      claims: [{ ...claim, stream: run('b') }],
    });
    strictEqual((await store.append(first)).outcome, 'appended');
    await store.append(
      request({
        writes: [write(one())],
        claims: [
          { ...claim, stream: run('b'), take: false },
          { ...claim, key: 'n' },
        ],
      }),
    );
    strictEqual((await store.append(first)).outcome, 'replayed');
    strictEqual(await store.head(), 2n);
  });

  test('keeps one name apart by kind, context and workspace, and a stream may take its own again', async () => {
    const store = await create();
    const elsewhere = 'other/registry/run/a';
    const take = (stream: string, kind: string) =>
      store.append(request({ writes: [write(one(), stream)], claims: [{ stream, kind, key: 'm', take: true }] }));
    const outcomes = [
      await take(run('a'), 'model'),
      await take(run('a'), 'model'),
      await take(run('b'), 'run'),
      await take(elsewhere, 'model'),
      await take(run('b'), 'model'),
    ].map(({ outcome }) => outcome);
    deepStrictEqual(outcomes, ['appended', 'appended', 'appended', 'appended', 'claimed']);
  });
};
