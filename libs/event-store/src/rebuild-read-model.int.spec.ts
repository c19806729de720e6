// Blue/green: a read model is made anew while the old rows serve, the log grows and readers ask.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { eventually, prng, testDatabase, uuidv7 } from '@kontor/testing';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCheckpoints } from './checkpoints.js';
import type { PostgresEventStore } from './event-store.js';
import { type LogFixture, openLog, requests } from './log.fixture.js';
import { tailLog } from './log-tail.js';
import { runProjections } from './projection-runner.js';
import type { ReadModel } from './read-model.js';
import { levels } from './rebuild.fixture.js';
import { ensureReadModels, rebuildReadModel } from './rebuild-read-model.js';
import { verifyReadModels } from './verify-read-models.js';

const SCHEMA = 'gateway';
const SEED = 17;
const STREAMS = 300;
const { append, event } = requests(uuidv7);

// Node runs the sources itself; only the endings of relative imports need help.
const hook = `import { registerHooks } from 'node:module';
  registerHooks({ resolve: (name, context, next) =>
    next(name.startsWith('.') && !context.parentURL?.includes('node_modules') ? name.replace(/\\.js$/, '.ts') : name, context) });`;

describe('a rebuild', () => {
  let log: LogFixture;
  let pool: pg.Pool;
  let store: PostgresEventStore;
  const chance = prng(SEED);
  const options = () => ({ pool, schema: SCHEMA, upcasters: {} });

  const grow = async (count: number): Promise<void> => {
    const stream = `default/registry/run/k${Math.floor(chance() * STREAMS)}`;
    await store.append(
      append(
        stream,
        Array.from({ length: count }, () => event('Set', { value: Math.floor(chance() * 9) })),
      ),
    );
  };
  const project = (readModel: ReadModel, signal: AbortSignal) =>
    runProjections({
      pool,
      schema: SCHEMA,
      readModels: [readModel],
      signal,
      batches: (after) => tailLog({ pool, after, upcasters: {}, signal }),
    });
  const level = async (readModel: ReadModel): Promise<void> => {
    const stop = new AbortController();
    const running = project(readModel, stop.signal);
    await eventually(
      async () => (await readCheckpoints(pool, SCHEMA, [readModel.projection]))[0] === (await store.head()),
    );
    stop.abort();
    await running;
  };
  const allRows = async () =>
    (await pool.query('SELECT *, body::text AS body FROM gateway.levels ORDER BY key, valid_from')).rows as unknown[];
  const tables = async () =>
    (
      await pool.query<{ name: string }>(
        `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'gateway' AND tablename ~ '^levels' ORDER BY 1`,
      )
    ).rows.map(({ name }) => name);
  const verify = async (readModel: ReadModel) => (await verifyReadModels({ ...options(), readModels: [readModel] }))[0];

  beforeAll(async () => {
    log = await openLog(await testDatabase());
    pool = log.pool('kontor_gateway');
    await ensureReadModels(options(), [levels]);
    store = log.store();
    for (let index = 0; index < 400; index += 1) await grow(10);
    await level(levels);
  });
  afterAll(() => log.close());

  it('under load fails no query, changes no answer about the past, and equals what served', async () => {
    const stop = new AbortController();
    const running = project(levels, stop.signal);
    const [before] = await readCheckpoints(pool, SCHEMA, [levels.projection]);
    const past =
      'SELECT key, valid_from, body::text AS body FROM gateway.levels WHERE valid_from <= $1 AND valid_to > $1 ORDER BY key';
    const expected = (await pool.query(past, [before])).rows;
    let appended = 0;
    let asked = 0;
    const writers = Array.from({ length: 4 }, async () => {
      for (; !stop.signal.aborted; appended += 1) await grow(1);
    });
    const readerPool = log.pool('kontor_gateway');
    const readers = [past, { name: 'past', text: past }].map(async (query) => {
      for (; !stop.signal.aborted; asked += 1) {
        const { rows } =
          typeof query === 'string'
            ? await readerPool.query(query, [before])
            : await readerPool.query({ ...query, values: [before] });
        expect(rows).toEqual(expected);
      }
    });
    await eventually(() => appended > 20 && asked > 5);
    const oid = async () =>
      (await pool.query<{ oid: number }>(`SELECT 'gateway.levels_v1'::regclass::oid AS oid`)).rows[0]?.oid;
    const oldTable = await oid();
    const atStart = appended;

    const rebuilt = await rebuildReadModel(options(), levels);

    const during = appended - atStart;
    await eventually(() => appended > atStart + during + 20);
    stop.abort();
    await Promise.all([...writers, ...readers, running]);
    expect(during).toBeGreaterThan(0);
    expect(await oid()).not.toBe(oldTable);
    expect(rebuilt.parity).toMatchObject({ equal: true });
    expect(rebuilt.parity?.served).toEqual(rebuilt.parity?.built);
    expect(rebuilt.parity?.served.rows).toBeGreaterThan(3_000);
    await level(levels);
    expect(await verify(levels)).toMatchObject({ equal: true, position: await store.head() });
    expect(await tables()).toEqual(['levels_v1', 'levels_v1_past']);
    const indexes = await pool.query<{ name: string }>(
      `SELECT indexname AS name FROM pg_indexes WHERE schemaname = 'gateway' AND tablename ~ '^levels' ORDER BY 1`,
    );
    expect(indexes.rows.map(({ name }) => name)).toEqual([
      'levels_v1_i1',
      'levels_v1_past_i1',
      'levels_v1_past_pkey',
      'levels_v1_pkey',
    ]);
  });

  it.each(['fold', 'index', 'follow', 'compare', 'swap'])(
    'killed when it comes to %s leaves the old rows serving',
    async (stage) => {
      const rows = await allRows();
      const child = fork(
        join(import.meta.dirname, 'rebuild.fixture.ts'),
        [log.urlFor('kontor_gateway'), SCHEMA, stage],
        {
          execArgv: [
            ...['--no-warnings', '--experimental-transform-types', '--conditions=@kontor/source'],
            ...['--import', `data:text/javascript,${encodeURIComponent(hook)}`],
          ],
          stdio: 'inherit',
        },
      );
      expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
      expect(await allRows()).toEqual(rows);
      expect(await tables()).toEqual(['levels_v1', 'levels_v1_next', 'levels_v1_next_past', 'levels_v1_past']);
      await grow(3);
      await level(levels);
      expect(await verify(levels)).toMatchObject({ equal: true });

      expect((await rebuildReadModel(options(), levels)).parity).toMatchObject({ equal: true });
      expect(await tables()).toEqual(['levels_v1', 'levels_v1_past']);
      expect(await verify(levels)).toMatchObject({ equal: true });
    },
  );

  it('waits for a reader that has its tables in a long transaction, and nobody else fails meanwhile', async () => {
    const reader = await log.pool('kontor_gateway').connect();
    await reader.query('BEGIN');
    await reader.query('SELECT count(*) FROM gateway.levels_v1_past');
    let stages = 0;
    const rebuilding = rebuildReadModel(
      { ...options(), onProgress: ({ stage }) => void (stages += stage === 'swap' ? 1 : 0) },
      levels,
    );
    await eventually(() => stages > 1);
    expect((await allRows()).length).toBeGreaterThan(0);
    await reader.query('COMMIT');
    reader.release();
    expect((await rebuilding).parity).toMatchObject({ equal: true });
  });

  it('names the row that was not what the log gives, and replaces it', async () => {
    const { rows } = await pool.query<{ key: string; valid_from: string }>(
      `UPDATE gateway.levels_v1_past SET body = '{"value":7}' WHERE (key, valid_from) =
         (SELECT key, valid_from FROM gateway.levels_v1_past ORDER BY key, valid_from LIMIT 1 OFFSET 3) RETURNING key, valid_from`,
    );
    const [damaged] = rows;
    expect((await rebuildReadModel(options(), levels)).parity).toMatchObject({
      equal: false,
      firstDifference: { key: damaged?.key, validFrom: BigInt(damaged?.valid_from ?? 0), problem: 'different' },
    });
    expect(await verify(levels)).toMatchObject({ equal: true });
  });

  // The runner folds without a lock: between its two statements the rows may be replaced by others at the same position.
  it('lets no batch that was folded over the replaced rows be written over the new ones', async () => {
    const stream = 'default/registry/run/raced';
    const set = (value: number) => store.append(append(stream, [event('Set', { value })]));
    await set(1);
    await level(levels);
    await pool.query(`UPDATE gateway.levels_v1 SET body = '{"value":1,"label":"","changes":100}' WHERE key = $1`, [
      stream,
    ]);
    const isWaiting = async (query: string): Promise<boolean> => {
      const { rowCount } = await log.admin.query(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE $1`,
        [query],
      );
      return rowCount === 1;
    };
    const stop = new AbortController();
    const running = project(levels, stop.signal);
    // Has a lock on the view and on none of its tables: the swap waits for it, and the runner folds on.
    const holder = await log.pool('kontor_gateway').connect();
    await holder.query('BEGIN; COMMENT ON VIEW gateway.levels IS NULL');
    const rebuilding = rebuildReadModel(options(), levels);
    await eventually(() => isWaiting('%CREATE OR REPLACE VIEW%'));
    await eventually(async () => {
      await set(2);
      return isWaiting('%advance_consumers%');
    });
    await holder.query('ROLLBACK');
    holder.release();
    expect((await rebuilding).parity).toMatchObject({ equal: false });
    await eventually(
      async () => (await readCheckpoints(pool, SCHEMA, [levels.projection]))[0] === (await store.head()),
    );
    stop.abort();
    await running;
    expect(await verify(levels)).toMatchObject({ equal: true });
  });

  it('makes a new version whole before it serves, and keeps the one before for a process that still runs', async () => {
    const doubled = (version: number): ReadModel => ({
      projection: {
        ...levels.projection,
        version,
        evolve: (_: unknown, { data }: { data: { value: number } }) => ({ value: data.value * 2, unit: 'm' }),
      },
      columns: { value: 'integer', unit: 'text' },
      indexes: [['unit', 'key']],
    });
    const head = await store.head();
    await ensureReadModels(options(), [doubled(2)]);
    expect(await readCheckpoints(pool, SCHEMA, [doubled(2).projection])).toEqual([head]);
    const { rows } = await pool.query<{ unit: string }>('SELECT DISTINCT unit FROM gateway.levels');
    expect(rows).toEqual([{ unit: 'm' }]);
    expect(await verify(doubled(2))).toMatchObject({ equal: true, position: head });

    await grow(2);
    await level(levels);
    expect(await verify(levels)).toMatchObject({ equal: true, position: head + 2n });

    await ensureReadModels(options(), [doubled(3)]);
    expect(await tables()).toEqual(['levels_v2', 'levels_v2_past', 'levels_v3', 'levels_v3_past']);
  });
});
