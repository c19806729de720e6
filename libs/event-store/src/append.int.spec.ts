import { type AppendRequest, type AppendResult, prepareCommand, type RecordedEvent } from '@kontor/event-sourcing';
import { prng, testDatabase, uuidv7 } from '@kontor/testing';
import { eventLeaf } from '@kontor/transparency-log';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callAppend } from './append-call.js';
import { QueueFull, StoreUnavailable } from './errors.js';
import { createEventStore } from './event-store.js';
import { type LogFixture, openLog, ORIGIN, requests } from './log.fixture.js';
import { readRawPage } from './read-all.js';

const { append, event } = requests(uuidv7);
const SEED = 4711;

describe('append', () => {
  let log: LogFixture;
  beforeAll(async () => {
    log = await openLog(await testDatabase());
  });
  afterAll(() => log.close());

  const all = async (): Promise<RecordedEvent[]> => {
    const events: RecordedEvent[] = [];
    for await (const recorded of log.store().readAll(0n)) events.push(recorded);
    return events;
  };

  it(`keeps order, ids and versions whole under four writers that conflict and send everything twice (seed ${SEED})`, async () => {
    const chance = prng(SEED);
    const writers = Array.from({ length: 4 }, () => log.store());
    const commands = Array.from({ length: 600 }, () => {
      const stream = `default/registry/run/s${Math.floor(chance() * 20)}`;
      const events = Array.from({ length: 1 + Math.floor(chance() * 3) }, () => event('A', { chance: chance() }));
      const expected = chance() < 0.5 ? ('any' as const) : BigInt(Math.floor(chance() * 10));
      return append(stream, events, { writes: [{ stream, expected, events }] });
    });
    const answers = await Promise.all(
      commands.map((command, index) =>
        Promise.all([0, 1].map((copy) => writers[(index + copy) % 4]?.append(command) ?? expect.fail())),
      ),
    );

    const accepted = (result: AppendResult) => result.outcome === 'appended' || result.outcome === 'replayed';
    for (const pair of answers) {
      expect(pair.filter(({ outcome }) => outcome === 'appended').length).toBeLessThanOrEqual(1);
      const same = pair.filter(accepted).map((result) => ({ ...result, outcome: 'accepted' }));
      if (same.length === 2) expect(same[0]).toEqual(same[1]);
    }
    const appended = commands.filter((_, index) => answers[index]?.some(accepted));
    const stored = await all();
    expect(stored.map(({ position }) => position)).toEqual(stored.map((_, index) => BigInt(index + 1)));
    expect(stored.map(({ eventId }) => eventId).toSorted()).toEqual(
      appended.flatMap(({ writes }) => writes.flatMap(({ events }) => events.map(({ eventId }) => eventId))).toSorted(),
    );
    const versions = new Map<string, bigint>();
    for (const { streamId, version } of stored) {
      expect(version).toBe((versions.get(streamId) ?? 0n) + 1n);
      versions.set(streamId, version);
    }
    // An exact expected version has at most one winner.
    const wins = appended.flatMap(({ writes }) =>
      writes.flatMap(({ stream, expected }) => (expected === 'any' ? [] : [`${stream}@${expected}`])),
    );
    expect(new Set(wins).size).toBe(wins.length);
  });

  it('stores for every event the leaf that Node computes from the row', async () => {
    const rows = await readRawPage(log.admin, { after: 0n, limit: 100_000 });
    expect(rows.length).toBeGreaterThan(100);
    for (const row of rows) {
      expect(Buffer.from(row.leaf).equals(eventLeaf(ORIGIN, row)), `leaf of ${row.position}`).toBe(true);
    }
  });

  it('never lets a reader skip: what a slow transaction appends comes before what a later one appends', async () => {
    const slow = await log.pool('kontor_registry').connect();
    const head = await log.store().head();
    const sql = `SELECT first_pos FROM es.append(0::smallint, ARRAY[$1::uuid], ARRAY['\\x00'::bytea], '{ada}', '{NULL}', '{NULL}',
      '{1}', ARRAY[$2::text], '{-1}', '{1}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
      '{1}', '{0}', ARRAY[$1::uuid], '{A}', '{1}', '{NULL}', '{"{}"}', '{"{}"}')`;
    await slow.query('BEGIN');
    const first = await slow.query<{ first_pos: string }>(sql, [uuidv7(), 'default/registry/run/slow']);
    // The second writer has to wait for the first one's commit, whatever stream it writes.
    const second = log.store('kontor_monitoring').append(append('default/monitoring/monitor/quick', [event('A')]));
    const seenEarly = (await all()).length;
    await slow.query('COMMIT');
    slow.release();
    const later = await second;
    expect(seenEarly).toBe(Number(head));
    expect(BigInt(first.rows[0]?.first_pos ?? 0)).toBe(head + 1n);
    expect(later).toMatchObject({ outcome: 'appended', firstPosition: head + 2n });
    expect((await all()).map(({ position }) => position).slice(-2)).toEqual([head + 1n, head + 2n]);
  });

  it('sends the same ids again when its session is killed, and doubles nothing', async () => {
    const store = log.store();
    const before = await store.head();
    const commands = Array.from({ length: 2_000 }, (_, index) =>
      append(`default/registry/run/kill-${index % 50}`, [event('A')]),
    );
    const answers = Promise.all(commands.map((command) => store.append(command)));
    let running = true;
    const done = answers.finally(() => (running = false));
    let killed = 0;
    while (running && killed < 5) {
      const { rowCount } = await log.admin.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND state = 'active' AND query LIKE '%FROM es.append(%' AND pid <> pg_backend_pid()`,
      );
      killed += rowCount ?? 0;
    }
    const outcomes = await done;
    expect(killed).toBeGreaterThan(0);
    expect(outcomes.every(({ outcome }) => outcome === 'appended' || outcome === 'replayed')).toBe(true);
    expect((await store.head()) - before).toBe(2_000n);
  });

  it('lets a bad command fail alone, whatever is wrong with it', async () => {
    const store = log.store();
    const before = await store.head();
    const bad: AppendRequest[] = [
      append('default/registry/run/bad', [event('A\nB')]),
      append('default/registry/run/bad', [event('A')], { actor: 'a\0b' }),
      append('default/registry/run/bad', [event('A\0')]),
      append('no stream', [event('A')]),
      append('default/governance/gate/bad', [event('A')]),
      append('default/registry/run/bad', [{ ...event('A'), schemaVersion: 40_000 }]),
      append('default/registry/run/bad', [
        { ...event('A'), meta: { ...event('A').meta, occurredAt: 'yesterday noon' } },
      ]),
      append('default/registry/run/bad', [event('A')], {
        writes: [{ stream: 'default/registry/run/bad', expected: 2n ** 63n, events: [event('A')] }],
      }),
      append('default/registry/run/bad', [event('A')], {
        claims: [{ stream: 'default/registry/run/bad', kind: 'model', key: 'a\0b', take: true }],
      }),
    ];
    const good = () => store.append(append(`default/registry/run/good-${uuidv7()}`, [event('A')]));
    const all = await Promise.allSettled(bad.flatMap((request) => [good(), store.append(request), good()]));
    expect(all.map(({ status }) => status)).toEqual(bad.flatMap(() => ['fulfilled', 'rejected', 'fulfilled']));
    expect(await store.head()).toBe(before + BigInt(2 * bad.length));
  });

  it('gives back the exact text of any JSON, and its leaf', async () => {
    const store = log.store();
    const before = await store.head();
    const nested = JSON.parse('['.repeat(1_000) + ']'.repeat(1_000)) as unknown;
    const payloads: unknown[] = [
      { text: 'zoë 模型 🙂 \u0000 \u001f \\ " \n \ud83d', 'ключ\u0000': null },
      { numbers: [1.7976931348623157e308, 5e-324, -0, 9_007_199_254_740_991, 1e21, 0.1] },
      nested,
      { z: 1, a: 2, __proto__: null, '10': 3, '9': 4 },
      [],
      '',
      null,
      false,
    ];
    await store.append(
      append(
        'default/registry/run/json',
        payloads.map((data) => event('A', data)),
      ),
    );
    const rows = await readRawPage(log.admin, { after: before, limit: 100 });
    expect(rows.map(({ data }) => data)).toEqual(payloads.map((data) => JSON.stringify(data)));
    for (const row of rows) expect(Buffer.from(row.leaf).equals(eventLeaf(ORIGIN, row))).toBe(true);
    const read: unknown[] = [];
    for await (const { data } of store.readAll(before)) read.push(data);
    expect(read).toEqual(payloads.map((data) => JSON.parse(JSON.stringify(data)) as unknown));
  });

  it('refuses what is no JSON', async () => {
    const store = log.store();
    const head = await store.head();
    const cycle: { self?: unknown } = {};
    cycle.self = cycle;
    for (const data of [undefined, () => 1, cycle, 1n]) {
      await expect(store.append(append('default/registry/run/none', [{ ...event('A'), data }]))).rejects.toThrow();
    }
    expect(await store.head()).toBe(head);
  });

  it('answers one id that is sent at once with two contents: one is appended, the other refused', async () => {
    const stores = [log.store(), log.store()];
    for (let round = 0; round < 20; round += 1) {
      const commandId = uuidv7();
      const stream = `default/registry/run/same-${round}`;
      const answers = await Promise.all(
        stores.flatMap((store, n) =>
          [0, 1].map(() =>
            store.append(append(stream, [event('A')], { commandId, requestHash: new Uint8Array(32).fill(n) })),
          ),
        ),
      );
      const outcomes = answers.map(({ outcome }) => outcome).toSorted();
      expect(outcomes).toEqual(['appended', 'key_reused', 'key_reused', 'replayed']);
      const versions: bigint[] = [];
      for await (const { version } of stores[0]?.readStream(stream) ?? []) versions.push(version);
      expect(versions).toEqual([1n]);
    }
  });

  it('remembers the commands of a batch whose ids lie in two months', async () => {
    // The call itself: the batcher would send a batch that failed again, one by one.
    const client = await log.pool('kontor_registry').connect();
    const { rows } = await client.query<{ ms: string }>(
      `SELECT (extract(epoch FROM date_trunc('month', now(), 'UTC')) * 1000)::bigint AS ms`,
    );
    const monthMs = Number(rows[0]?.ms);
    // Around the turn of the month, and now.
    const commands = [-2, -1, 0, 1, undefined].map((offsetMs, n) => {
      const id = uuidv7();
      const time = (monthMs + (offsetMs ?? 0)).toString(16).padStart(12, '0');
      const commandId = offsetMs === undefined ? id : `${time.slice(0, 8)}-${time.slice(8)}${id.slice(13)}`;
      return append(`default/registry/run/month-${n}`, [event('A')], { commandId });
    });
    const send = () => callAppend(client, commands.map(prepareCommand));
    try {
      const first = await send();
      expect(first.map(({ outcome }) => outcome)).toEqual(commands.map(() => 'appended'));
      expect(await send()).toEqual(first.map((answer) => ({ ...answer, outcome: 'replayed' })));
    } finally {
      client.release();
    }
  });

  it('writes several streams in one command, or none of them', async () => {
    const store = log.store();
    const [a, b, c] = ['a', 'b', 'c'].map((name) => `default/registry/run/several-${name}`) as [string, string, string];
    const write = (stream: string, expected: bigint | 'none', count: number) => ({
      ...{ stream, expected },
      events: Array.from({ length: count }, () => event('A')),
    });
    const head = await store.head();
    const both = append(a, [], { writes: [write(a, 'none', 2), write(b, 'none', 1)] });
    expect(await store.append(both)).toMatchObject({
      ...{ outcome: 'appended', firstPosition: head + 1n, lastPosition: head + 3n, versions: [2n, 1n] },
    });
    // Each alone would hold; one of them does not, in the middle of a batch with others.
    const stale = append(a, [], { writes: [write(c, 'none', 1), write(a, 2n, 1), write(b, 7n, 1)] });
    const other = (n: number) => append(`default/registry/run/beside-${n}`, [event('A')]);
    const answers = await Promise.all([other(1), stale, other(2)].map((command) => store.append(command)));
    expect(answers.map(({ outcome }) => outcome)).toEqual(['appended', 'conflict', 'appended']);
    expect(answers[1]).toMatchObject({ versions: [0n, 2n, 1n] });
    expect(await store.head()).toBe(head + 5n);
    const foreign = append(a, [], {
      writes: [write(a, 2n, 1), { ...write('default/governance/gate/g', 'none', 1) }],
    });
    await expect(store.append(foreign)).rejects.toMatchObject({ code: '42501' });
    expect(await store.head()).toBe(head + 5n);
  });

  it('holds a guarded fact still until the commit, against a writer of another session', async () => {
    const [one, two] = [log.store(), log.store()];
    const fact = 'default/registry/run/fact';
    await one.append(append(fact, [event('A')]));
    let version = 1n;
    for (let round = 0; round < 50; round += 1) {
      const resting = `default/registry/run/resting-${round}`;
      const guarded = append(resting, [event('A')], { guards: [{ stream: fact, expected: version }] });
      const [moved, rested] = await Promise.all([two.append(append(fact, [event('A')])), one.append(guarded)]);
      version += 1n;
      if (moved.outcome !== 'appended') expect.fail(moved.outcome);
      // Either it came before the fact moved, or it was refused; never after.
      if (rested.outcome === 'appended') expect(rested.lastPosition).toBeLessThan(moved.firstPosition);
      else expect(rested).toEqual({ outcome: 'guard', versions: [0n] });
    }
  });

  it('answers in time when a frozen session holds the head, and appends once it is free', async () => {
    const holder = await log.admin.connect();
    const store = createEventStore(
      { connectionString: log.urlFor('kontor_registry') },
      { upcasters: {}, appendDeadlineMs: 500 },
    );
    try {
      await holder.query('BEGIN; SELECT FROM es.log_head FOR UPDATE');
      const command = append('default/registry/run/frozen', [event('A')]);
      await expect(store.append(command)).rejects.toThrow(StoreUnavailable);
      const late = log.store().append(command);
      await holder.query('COMMIT');
      expect((await late).outcome).toBe('appended');
      expect((await store.append(command)).outcome).toBe('replayed');
    } finally {
      holder.release();
      await store.close();
    }
  });

  it('refuses further commands when too many wait', async () => {
    const store = log.store();
    const flood = Array.from({ length: 9_000 }, (_, index) =>
      store.append(append(`default/registry/run/flood-${index}`, [event('A')])),
    );
    const results = await Promise.allSettled(flood);
    const refused = results.filter((result) => result.status === 'rejected');
    expect(refused.length).toBeGreaterThan(0);
    for (const { reason } of refused) expect(reason).toBeInstanceOf(QueueFull);
  });

  it('refuses events and claims of another context', async () => {
    const store = log.store('kontor_deployment');
    const foreign = append('default/governance/gate/g', [event('GateEvaluated')]);
    await expect(store.append(foreign)).rejects.toMatchObject({ code: '42501' });
    const own = append('default/deployment/endpoint/e', [event('EndpointCreated')], {
      claims: [{ stream: 'default/registry/run/a', kind: 'model', key: 'm', take: true }],
    });
    await expect(store.append(own)).rejects.toMatchObject({ code: '42501' });
  });

  it('refuses every direct change of events, to every role and to the owner', async () => {
    const statements = [
      'INSERT INTO es.event SELECT * FROM es.event LIMIT 1',
      'UPDATE es.event SET actor = actor',
      'DELETE FROM es.event',
      'TRUNCATE es.event',
      'TRUNCATE es.event_p0',
    ];
    for (const role of ['kontor_registry', 'kontor_gateway']) {
      const pool = log.pool(role);
      for (const statement of statements) {
        await expect(pool.query(statement), `${role}: ${statement}`).rejects.toMatchObject({ code: '42501' });
      }
    }
    for (const statement of statements.slice(1)) {
      await expect(log.admin.query(statement), `owner: ${statement}`).rejects.toThrow('append-only');
    }
  });

  it('guards every partition against TRUNCATE and keeps the default partition of commands empty', async () => {
    const unguarded = await log.admin.query(
      `SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'es.event'::regclass
       AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = 'no_truncate')`,
    );
    expect(unguarded.rows).toEqual([]);
    const stray = await log.admin.query('SELECT command_id FROM es.command_default');
    expect(stray.rows).toEqual([]);
  });

  it('makes the next partition of events when the current one is half full, once', async () => {
    const partitions = async () =>
      (
        await log.admin.query<{ name: string }>(
          `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'es.event'::regclass ORDER BY 1`,
        )
      ).rows.map(({ name }) => name);
    expect(await partitions()).toEqual(['es.event_p0']);
    // Only the head moves, in a transaction that is rolled back: the partition alone is looked at.
    const client = await log.admin.connect();
    await client.query('BEGIN');
    await client.query('UPDATE es.log_head SET last_pos = 8388608');
    await client.query('SELECT * FROM es.prepare_partitions()');
    const { rows } = await client.query<{ enough_until_pos: string }>('SELECT * FROM es.prepare_partitions()');
    const made = await client.query(
      `SELECT FROM pg_inherits WHERE inhparent = 'es.event'::regclass AND inhrelid = 'es.event_p1'::regclass`,
    );
    await client.query('ROLLBACK');
    client.release();
    expect(made.rowCount).toBe(1);
    expect(rows[0]?.enough_until_pos).toBe('25165824');
  });
});
