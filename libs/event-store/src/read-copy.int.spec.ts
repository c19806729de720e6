import type { RecordedEvent } from '@kontor/event-sourcing';
import { testDatabase, uuidv7 } from '@kontor/testing';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LogFixture, openLog, requests } from './log.fixture.js';
import { readRawPage } from './read-all.js';
import { copyEvents, copyRawEvents } from './read-copy.js';

const { append, event } = requests(uuidv7);
const collect = async <T>(batches: AsyncIterable<readonly T[]>): Promise<T[]> => {
  const all: T[] = [];
  for await (const batch of batches) all.push(...batch);
  return all;
};

describe('reads by COPY', () => {
  let log: LogFixture;
  let pool: pg.Pool;
  let events: RecordedEvent[];

  beforeAll(async () => {
    log = await openLog(await testDatabase());
    pool = log.pool('kontor_gateway');
    const store = log.store();
    const hostile = ['tab\tnew\nline\rbell\b\f\v', '\\N', '\\.', '\\\\t', '"quoted" \\" é 𝒳', '{"a":null}', ''];
    for (const text of hostile) {
      const written = [event('Set', { text, large: 1e300, list: [text, null] }), event('Dropped')];
      await store.append(
        append('default/registry/run/a\\b', written, { actor: `ada \\ ${text.replaceAll('\n', '')}` }),
      );
    }
    events = [];
    for await (const one of store.readAll(0n)) events.push(one);
  });
  afterAll(() => log.close());

  it('give what pages give, whatever the texts hold', async () => {
    expect(events.length).toBe(14);
    expect(await collect(copyEvents(pool, { after: 0n }, {}))).toEqual(events);
    expect(await collect(copyRawEvents(pool, { after: 0n }))).toEqual(
      await readRawPage(pool, { after: 0n, limit: 100 }),
    );
  });

  it('begin, end and choose as told', async () => {
    const range = { after: 3n, upTo: 9n, types: ['Set'] };
    expect(await collect(copyEvents(pool, range, {}))).toEqual(
      events.filter(({ position, type }) => position > 3n && position <= 9n && type === 'Set'),
    );
    expect(await collect(copyEvents(pool, { after: 14n }, {}))).toEqual([]);
    expect(await collect(copyEvents(pool, { after: 0n, types: [] }, {}))).toEqual([]);
    expect(await collect(copyEvents(pool, { after: 0n, types: [`O'Neil`] }, {}))).toEqual([]);
  });

  it('give each row its own text while PostgreSQL sends more than a reader takes', async () => {
    const store = log.store();
    for (let index = 0; index < 40; index += 1) {
      const small = Array.from({ length: 200 }, (_, nth) => event('Set', { text: `${index}/${nth}` }));
      await store.append(append('default/registry/run/small', small));
      await store.append(append('default/registry/run/long', [event('Set', { text: `${index},`.repeat(50_000) })]));
    }
    events = [];
    for await (const one of store.readAll(0n)) events.push(one);
    const read: RecordedEvent[] = [];
    for await (const batch of copyEvents(pool, { after: 0n }, {})) {
      read.push(...batch);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(read).toEqual(events);
  });

  it('leave the pool usable when the reader goes away or the session breaks', async () => {
    let read = 0;
    for await (const batch of copyEvents(pool, { after: 0n }, {})) {
      read += batch.length;
      break;
    }
    expect(read).toBeLessThan(events.length);
    const broken = (async () => {
      for await (const _ of copyEvents(pool, { after: 0n }, {})) {
        await log.admin.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'kontor_gateway' AND datname = current_database()`,
        );
      }
    })();
    await expect(broken).rejects.toThrow();
    expect(await collect(copyEvents(pool, { after: 0n }, {}))).toEqual(events);
  });
});
