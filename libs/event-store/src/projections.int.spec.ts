import type { DomainEvent, Projection, RecordedEvent } from '@kontor/event-sourcing';
import { setImmediate } from 'node:timers/promises';
import { eventually, prng, testDatabase, uuidv7 } from '@kontor/testing';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { claimCheckpoint, readCheckpoints } from './checkpoints.js';
import { ConsistencyTimeout, GapInBatch, ProjectionFailed } from './errors.js';
import { type LogFixture, openLog, requests } from './log.fixture.js';
import { tailLog } from './log-tail.js';
import { appliedChannel, runProjections } from './projection-runner.js';
import type { ReadModel } from './read-model.js';
import { ensureReadModels, rebuildReadModel } from './rebuild-read-model.js';
import { verifyReadModels } from './verify-read-models.js';
import { createAppliedPosition } from './wait-until-processed.js';

type CounterEvent = DomainEvent<'Set', { value: number; tags: string[] }> | DomainEvent<'Dropped', object>;
interface Counter {
  readonly value: number;
  readonly label: string;
  readonly tags: readonly string[];
  readonly changedAt: string;
}

/** One row per stream: `Set` changes it (or leaves it equal), `Dropped` ends it. */
const counters: Projection<Counter, CounterEvent> = {
  name: 'counters',
  version: 1,
  canHandle: ['Set', 'Dropped'],
  keys: ({ streamId }) => [streamId],
  evolve: (row, event) => {
    if (event.type === 'Dropped') return undefined;
    const { value, tags } = event.data;
    if (row?.value === value) return { ...row };
    return { value, label: `zoë "${value}" \\`, tags, changedAt: event.recordedAt };
  },
};
const readModel: ReadModel = {
  projection: counters,
  columns: { value: 'integer', label: 'text', tags: 'text[]', changedAt: 'timestamptz' },
  indexes: [['workspace', 'label', 'key']],
};
const SCHEMA = 'gateway';
const SEED = 20;
const { append, event } = requests(uuidv7);

const collect = async (events: AsyncIterable<RecordedEvent>): Promise<RecordedEvent[]> => {
  const all: RecordedEvent[] = [];
  for await (const one of events) all.push(one);
  return all;
};

async function* inBatches(events: readonly RecordedEvent[], size: number) {
  for (let index = 0; index < events.length; index += size) yield events.slice(index, index + size);
}

describe('projections', () => {
  let log: LogFixture;
  let pool: pg.Pool;
  let events: RecordedEvent[];
  const never = new AbortController().signal;
  const storedRows = async () =>
    (await pool.query('SELECT * FROM gateway.counters ORDER BY key, valid_from')).rows as Record<string, unknown>[];

  beforeAll(async () => {
    log = await openLog(await testDatabase());
    pool = log.pool('kontor_gateway');
    await ensureReadModels({ pool, schema: SCHEMA, upcasters: {} }, [readModel]);
    const store = log.store();
    const chance = prng(SEED);
    for (let index = 0; index < 60; index += 1) {
      const batch = Array.from({ length: 1 + Math.floor(chance() * 4) }, () =>
        chance() < 0.15
          ? event('Dropped')
          : chance() < 0.1
            ? event('Ignored')
            : event('Set', { value: Math.floor(chance() * 3), tags: ['a', 'b"c'] }),
      );
      await store.append(append(`default/registry/run/k${Math.floor(chance() * 6)}`, batch));
    }
    events = await collect(store.readAll(0n));
  });
  afterAll(() => log.close());

  it('refuses a batch that has a gap, and applies nothing of it', async () => {
    const run = runProjections({
      pool,
      schema: SCHEMA,
      readModels: [readModel],
      signal: never,
      batches: () => inBatches([...events.slice(0, 3), ...events.slice(4, 6)], 10),
    });
    await expect(run).rejects.toThrow(GapInBatch);
    expect(await storedRows()).toEqual([]);
  });

  it('stops at a projection that throws, says where, and applies nothing of the batch', async () => {
    const poisoned: ReadModel = {
      ...readModel,
      projection: {
        ...counters,
        evolve: (row: Counter | undefined, one: RecordedEvent) => {
          if (one.position === 7n) throw new Error('cannot divide');
          return counters.evolve(row, one as Parameters<typeof counters.evolve>[1], one.streamId, () => undefined);
        },
      },
    };
    const handled = { ...events[6], type: 'Set', data: { value: 1, tags: [] } } as RecordedEvent;
    const run = runProjections({
      pool,
      schema: SCHEMA,
      readModels: [poisoned],
      signal: never,
      batches: () => inBatches([...events.slice(0, 6), handled], 7),
    });
    await expect(run).rejects.toMatchObject({
      name: 'ProjectionFailed',
      where: { projection: 'counters', position: 7n },
    });
    await expect(run).rejects.toThrow(ProjectionFailed);
    expect(await storedRows()).toEqual([]);
  });

  it('applies each event once when batches are delivered again and the process crashes between them', async () => {
    for (const [from, size] of [
      [0, 7],
      [0, 5],
      [20, 11],
      [0, 64],
    ] as const) {
      // Each run begins a little before its checkpoint, as a source does that knows less than we do.
      const limit = from + size * 3;
      await runProjections({
        pool,
        schema: SCHEMA,
        readModels: [readModel],
        signal: never,
        batches: (after) => inBatches(events.slice(Number(after), Math.max(limit, Number(after))), size),
      });
    }
    await runProjections({
      pool,
      schema: SCHEMA,
      readModels: [readModel],
      signal: never,
      batches: (after) => inBatches(events.slice(Number(after)), 13),
    });
    const rows = await storedRows();
    expect(await readCheckpoints(pool, SCHEMA, [counters])).toEqual([BigInt(events.length)]);

    // A second read model at position 0 makes the runner begin at 0: the first one drops what it has applied.
    const second: ReadModel = { ...readModel, projection: { ...counters, name: 'counters_too' } };
    await ensureReadModels({ pool, schema: SCHEMA, upcasters: {} }, [readModel, second]);
    await runProjections({
      pool,
      schema: SCHEMA,
      readModels: [readModel, second],
      signal: never,
      batches: (after) => inBatches(events.slice(Number(after)), 13),
    });
    expect(await storedRows()).toEqual(rows);
    const copies = (await pool.query('SELECT * FROM gateway.counters_too ORDER BY key, valid_from')).rows as unknown[];
    expect(copies).toEqual(rows);
  });

  it('answers at every past position what a fold up to there gives, with disjoint intervals', async () => {
    const folded = new Map<string, Counter>();
    for (const one of events) {
      if ((counters.canHandle as readonly string[]).includes(one.type)) {
        const row = counters.evolve(
          folded.get(one.streamId),
          one as Parameters<typeof counters.evolve>[1],
          one.streamId,
          () => undefined,
        );
        if (row) folded.set(one.streamId, row);
        else folded.delete(one.streamId);
      }
      const { rows } = await pool.query<{ key: string; body: Counter; value: number; tags: string[] }>(
        'SELECT key, body, value, tags FROM gateway.counters WHERE valid_from <= $1 AND valid_to > $1',
        [one.position],
      );
      expect(new Map(rows.map(({ key, body }) => [key, body])), `at ${one.position}`).toEqual(folded);
      for (const { body, value, tags } of rows) expect([value, tags]).toEqual([body.value, body.tags]);
    }
    const overlaps = await pool.query(
      `SELECT FROM gateway.counters a JOIN gateway.counters b USING (key)
       WHERE a.valid_from < b.valid_from AND a.valid_to > b.valid_from`,
    );
    expect(overlaps.rowCount).toBe(0);
  });

  it('writes nothing for an event that leaves the row equal', async () => {
    const { rows } = await pool.query<{ changed: boolean }>(
      `SELECT bool_and(body->>'value' IS DISTINCT FROM before) AS changed FROM (
         SELECT body, lag(body->>'value') OVER w AS before, lag(valid_to) OVER w AS ended, valid_from
         FROM gateway.counters WINDOW w AS (PARTITION BY key ORDER BY valid_from)) versions WHERE ended = valid_from`,
    );
    expect(rows[0]?.changed).toBe(true);
  });

  it('follows the live log, wakes a reader who waits for a position, and tells one who waits in vain', async () => {
    const stop = new AbortController();
    const running = runProjections({
      pool,
      schema: SCHEMA,
      readModels: [readModel],
      signal: stop.signal,
      batches: (after) => tailLog({ pool, after, upcasters: {}, signal: stop.signal }),
    });
    const applied = createAppliedPosition(pool, SCHEMA, [readModel]);
    const store = log.store();
    let stale = 0;
    for (let index = 0; index < 200; index += 1) {
      const result = await store.append(
        append('default/registry/run/live', [event('Set', { value: index, tags: [] })]),
      );
      if (result.outcome !== 'appended') throw new Error(result.outcome);
      const position = await applied.waitUntilProcessed(result.lastPosition, 5_000);
      const { rows } = await pool.query<{ value: number }>(
        `SELECT value FROM gateway.counters WHERE key = 'default/registry/run/live' AND valid_from <= $1 AND valid_to > $1`,
        [position],
      );
      if (rows[0]?.value !== index) stale += 1;
    }
    expect(stale).toBe(0);
    const head = await store.head();
    await expect(applied.waitUntilProcessed(head + 1n, 50)).rejects.toMatchObject({
      name: 'ConsistencyTimeout',
      reached: head,
      wanted: head + 1n,
    });
    await expect(applied.waitUntilProcessed(head + 1n, 1)).rejects.toThrow(ConsistencyTimeout);
    stop.abort();
    await running;
    await applied.close();
  });

  it('tells a reader who cannot wait what is true, whatever was said on the channel', async () => {
    const applied = createAppliedPosition(pool, SCHEMA, [readModel]);
    expect(await applied.waitUntilProcessed(1n, 0)).toBeGreaterThanOrEqual(1n);
    await applied.close();

    const other = createAppliedPosition(pool, SCHEMA, [readModel]);
    const isListening = async () => {
      const { rowCount } = await pool.query(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND query = 'LISTEN "${appliedChannel(SCHEMA)}"'`,
      );
      return rowCount === 1;
    };
    await eventually(isListening);
    await pool.query(`SELECT pg_notify('${appliedChannel(SCHEMA)}', 'no position')`);
    expect(await other.waitUntilProcessed(1n)).toBeGreaterThanOrEqual(1n);
    await other.close();
  });

  it('has readers wait for what was promised, and a writer who is far ahead for the rows', async () => {
    const stop = new AbortController();
    const applied = createAppliedPosition(pool, SCHEMA, [readModel]);
    const store = log.store();
    const before = await applied.reached();
    await applied.untilKept();
    const write = async (events: number, isAddition: boolean): Promise<bigint> => {
      const many = Array.from({ length: events }, (_, value) => event('Set', { value, tags: [] }));
      const result = await store.append(append('default/registry/run/promised', many));
      if (result.outcome !== 'appended') throw new Error(result.outcome);
      applied.promise(result.lastPosition, { isAddition, items: events });
      return result.lastPosition;
    };
    const near = await write(1, true);
    await applied.untilNear();
    expect(await applied.untilKept(true)).toBe(before);
    const far = await write(2_000, false);
    await applied.untilNear();
    const last = await write(1, true);
    const settled: string[] = [];
    const waiting = [
      applied.untilNear().then(() => settled.push('near')),
      applied.untilKept().then(() => settled.push('kept')),
      applied.untilKept(true).then(() => settled.push('kept without additions')),
    ];
    await expect(applied.waitUntilProcessed(near, 300)).rejects.toThrow(ConsistencyTimeout);
    expect(settled).toEqual([]);
    expect(await applied.reached()).toBe(before);

    const running = runProjections({
      pool,
      schema: SCHEMA,
      readModels: [readModel],
      signal: stop.signal,
      batches: (after) => tailLog({ pool, after, upcasters: {}, signal: stop.signal }),
      onApplied: (position) => applied.note(position),
    });
    await Promise.all(waiting);
    expect(await applied.untilKept(true)).toBeGreaterThanOrEqual(far);
    expect(await applied.untilKept()).toBe(last);
    expect(await applied.reached()).toBe(last);
    stop.abort();
    await running;
    await applied.close();
  });

  it.each(['a look', 'a doubt', 'the end of its session'] as const)(
    'has readers wait again for what PostgreSQL has lost in a crash, as %s tells',
    async (what) => {
      const applied = createAppliedPosition(pool, SCHEMA, [readModel]);
      const reached = await applied.reached();
      const lost = reached + 5n;
      applied.note(lost);
      applied.promise(lost);
      expect(await applied.untilKept()).toBe(lost);
      const ends = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND query = 'LISTEN "${appliedChannel(SCHEMA)}"'`;
      if (what === 'a look') expect(await applied.reached()).toBe(reached);
      else if (what === 'a doubt') applied.doubt();
      else await eventually(async () => (await log.admin.query(ends)).rowCount === 1);
      // Who knows that it is kept answers without asking anybody.
      const isKept = async () => {
        let kept = false;
        const asked = applied.untilKept().then(
          () => (kept = true),
          () => undefined,
        );
        waiting.push(asked);
        await setImmediate();
        return kept;
      };
      const waiting: Promise<unknown>[] = [];
      await eventually(async () => !(await isKept()));
      await expect(applied.waitUntilProcessed(lost, 1)).rejects.toMatchObject({ reached });
      await Promise.all(waiting);
      await applied.close();
    },
  );

  it('goes on after its sessions were killed', async () => {
    const stop = new AbortController();
    let retries = 0;
    const running = runProjections({
      pool,
      schema: SCHEMA,
      readModels: [readModel],
      signal: stop.signal,
      batches: (after) => tailLog({ pool, after, upcasters: {}, signal: stop.signal }),
      onRetry: () => (retries += 1),
    });
    const store = log.store();
    for (let index = 0; index < 5; index += 1) {
      await store.append(append('default/registry/run/live', [event('Set', { value: -index, tags: [] })]));
      await log.admin.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'kontor_gateway' AND datname = current_database()`,
      );
    }
    const head = await store.head();
    await eventually(async () => (await readCheckpoints(pool, SCHEMA, [counters]))[0] === head);
    stop.abort();
    await running;
    const [verdict] = await verifyReadModels({ pool, schema: SCHEMA, readModels: [readModel], upcasters: {} });
    expect(verdict).toMatchObject({ equal: true, position: head });
  });

  it('refuses a zombie: whose checkpoint was claimed by another process cannot write any more', async () => {
    const stop = new AbortController();
    const rows = await storedRows();
    const claimed: unknown[] = [];
    const running = runProjections({
      pool,
      schema: SCHEMA,
      readModels: [readModel],
      signal: stop.signal,
      owner: 'same-machine',
      onRetry: (error) => {
        claimed.push(error);
        stop.abort();
      },
      batches: async function* (after) {
        await claimCheckpoint(pool, { schema: SCHEMA, name: 'counters', version: 1, owner: 'same-machine' });
        const last = events.at(-1);
        if (last) yield [{ ...last, type: 'Set', position: after + 1n, data: { value: 99, tags: [] } }];
      },
    });
    await pool.query(`UPDATE gateway.consumer SET lease_until = now() - interval '1 s'`);
    await eventually(() => claimed.length > 0);
    await running;
    expect(claimed[0]).toMatchObject({ name: 'CheckpointLost' });
    expect(await storedRows()).toEqual(rows);
    await pool.query(`UPDATE gateway.consumer SET lease_until = now() - interval '1 s'`);
  });

  it('applies only what is new where a rebuild has brought rows further while it folded', async () => {
    const store = log.store();
    await store.append(append('default/registry/run/further', [event('Set', { value: 1, tags: [] })]));
    const [at = 0n] = await readCheckpoints(pool, SCHEMA, [counters]);
    const fresh = await collect(store.readAll(at));
    const last = fresh.at(-1)?.position ?? at;
    const before = await storedRows();
    await runProjections({
      pool,
      schema: SCHEMA,
      readModels: [readModel],
      signal: never,
      batches: async function* () {
        // The runner has claimed its checkpoint; a swap takes it further.
        await pool.query(`UPDATE gateway.consumer SET pos = $1 WHERE name = 'counters'`, [last]);
        yield* inBatches(fresh, 100);
      },
    });
    // Nothing was applied: the rows at the moved checkpoint are the rebuild's business.
    expect(await storedRows()).toEqual(before);
    await pool.query(`UPDATE gateway.consumer SET pos = $1 WHERE name = 'counters'`, [at]);
    await runProjections({
      pool,
      schema: SCHEMA,
      readModels: [readModel],
      signal: never,
      batches: () => inBatches(fresh, 100),
    });
    expect(await storedRows()).not.toEqual(before);
  });

  // The fold met a row that knew of later events and called the projection broken; then the next batch looked like a gap.
  it('goes on where a rebuild has taken the rows further than the batches that come', async () => {
    const store = log.store();
    for (const value of [1, 2, 3])
      await store.append(append('default/registry/run/rebuilt', [event('Set', { value, tags: [] })]));
    await runProjections({
      pool,
      schema: SCHEMA,
      readModels: [readModel],
      signal: never,
      batches: async function* (after) {
        await rebuildReadModel({ pool, schema: SCHEMA, upcasters: {} }, readModel);
        yield* inBatches(await collect(store.readAll(after)), 1);
      },
    });
    const [verdict] = await verifyReadModels({ pool, schema: SCHEMA, readModels: [readModel], upcasters: {} });
    expect(verdict).toMatchObject({ equal: true, position: await store.head() });
  });

  it('finds a tampered row, a missing one and a changed column, and names it', async () => {
    const verify = async () =>
      (await verifyReadModels({ pool, schema: SCHEMA, readModels: [readModel], upcasters: {} }))[0];
    expect(await verify()).toMatchObject({ equal: true });
    const { rows } = await pool.query<{ key: string; valid_from: string; body: string }>(
      'SELECT key, valid_from, body::text AS body FROM gateway.counters_v1_past ORDER BY key, valid_from LIMIT 1 OFFSET 3',
    );
    const [target] = rows;
    if (!target) throw new Error('no past row');
    const where = [target.key, target.valid_from];
    const difference = { key: target.key, validFrom: BigInt(target.valid_from) };

    const change = (set: string) =>
      pool.query(`UPDATE gateway.counters_v1_past SET ${set} WHERE key = $1 AND valid_from = $2`, where);
    await change(`value = value + 1`);
    expect(await verify()).toMatchObject({ equal: false, firstDifference: { ...difference, problem: 'different' } });
    await change(`value = value - 1`);
    expect(await verify()).toMatchObject({ equal: true });
    await change(`body = '{"value":7}'`);
    expect(await verify()).toMatchObject({ equal: false, firstDifference: { ...difference, problem: 'different' } });
    await pool.query('DELETE FROM gateway.counters_v1_past WHERE key = $1 AND valid_from = $2', where);
    expect(await verify()).toMatchObject({ equal: false, firstDifference: { ...difference, problem: 'missing' } });
  });
});
