import type { DomainEvent, Projection, RecordedEvent } from '@kontor/event-sourcing';
import { testDatabase, uuidv7 } from '@kontor/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type LogFixture, openLog, requests } from './log.fixture.js';
import { runProjections } from './projection-runner.js';
import type { ReadModel } from './read-model.js';
import { ensureReadModels } from './rebuild-read-model.js';

type Seen = DomainEvent<'Seen', { id: string }>;

const seen: Projection<{ id: string }, Seen> = {
  name: 'seen',
  version: 1,
  canHandle: ['Seen'],
  keys: ({ data }) => [data.id],
  evolve: (_, { data }) => ({ id: data.id }),
};
const readModel: ReadModel = { projection: seen, columns: { id: 'text' }, indexes: [] };
const BATCH = 300;
const { append, event } = requests(uuidv7);

let log: LogFixture;
beforeAll(async () => {
  log = await openLog(await testDatabase());
});
afterAll(() => log.close());

it('has the planner know how large tables have become, while they grow', async () => {
  const pool = log.pool('kontor_gateway');
  await ensureReadModels({ pool, schema: 'gateway', upcasters: {} }, [readModel]);
  await pool.query('ALTER TABLE gateway.seen_v1 SET (autovacuum_enabled = false)');
  const store = log.store();
  const events: RecordedEvent[] = [];
  for (let batch = 0; batch < 6; batch += 1) {
    const batchOf = Array.from({ length: BATCH }, (_, index) => event('Seen', { id: `${batch}-${index}` }));
    await store.append(append('default/registry/run/many', batchOf));
  }
  for await (const one of store.readAll(0n)) events.push(one);

  const estimates: number[] = [];
  const batches = async function* () {
    for (let from = 0; from < events.length; from += BATCH) {
      yield events.slice(from, from + BATCH);
      const { rows } = await pool.query<{ estimate: number }>(
        `SELECT reltuples::int AS estimate FROM pg_class WHERE oid = 'gateway.seen_v1'::regclass`,
      );
      estimates.push(rows[0]?.estimate ?? -1);
    }
  };
  const signal = new AbortController().signal;
  await runProjections({ pool, schema: 'gateway', readModels: [readModel], batches, signal });
  // At 500 and more, and whenever as many were written as there were: autovacuum would come after a minute.
  expect(estimates.slice(0, 3)).toEqual([0, 2 * BATCH, 2 * BATCH]);
  expect(estimates.at(-1)).toBe(4 * BATCH);
});
