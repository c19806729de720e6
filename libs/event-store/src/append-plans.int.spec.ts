// What an append costs must not depend on what the planner believes about the tables: under its session's settings every
// row is found by a look-up, in empty tables, in emptied ones and in large ones. A plan that scans is right as well, and
// fast while the table is small; then the log grows, and everything waits for the head row.
import { eventually, testDatabase, uuidv7 } from '@kontor/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEventStore, type PostgresEventStore } from './event-store.js';
import { type LogFixture, openLog, requests } from './log.fixture.js';

const { append, event } = requests(uuidv7);
const STREAMS = 30;
/** Two commands a stream, each sent twice, each time with a look at its stream and one at the stream that it guards. */
const LOOK_UPS = STREAMS * 2 * 2 * 2;

const LARGE = `
  INSERT INTO es.stream SELECT 'default/registry/run/old-' || n, 'default', 1, n, n FROM generate_series(1, 50000) AS n;
  INSERT INTO es.command SELECT uuidv7(), '\\x00', n, n, '{1}', now() FROM generate_series(1, 50000) AS n;
  INSERT INTO es.claim SELECT 'default', 'registry/model', 'old-' || n, 'default/registry/run/old-' || n FROM generate_series(1, 50000) AS n;`;

describe('the plans of es.append', () => {
  let log: LogFixture;
  beforeAll(async () => {
    log = await openLog(await testDatabase());
  });
  afterAll(() => log.close());

  /** Commands of every kind, on new and on known streams, in few batches. */
  const appendAll = async (store: PostgresEventStore): Promise<void> => {
    const guard = `default/registry/run/${uuidv7()}`;
    await store.append(append(guard, [event('A')]));
    const streams = Array.from({ length: STREAMS }, () => `default/registry/run/${uuidv7()}`);
    for (const take of [true, false]) {
      const commands = streams.map((stream) =>
        append(stream, [event('A')], {
          guards: [{ stream: guard, expected: 1n }],
          claims: [{ stream, kind: 'model', key: stream, take }],
        }),
      );
      for (const outcome of ['appended', 'replayed']) {
        const answers = await Promise.all(commands.map((command) => store.append(command)));
        expect(answers.map((answer) => answer.outcome)).toEqual(commands.map(() => outcome));
      }
    }
  };

  /** Scans of whole tables, and rows that look-ups have read, as the sessions that have ended told them. */
  const counts = async (): Promise<{ scans: string[]; lookedUp: number; read: number }> => {
    const { rows } = await log.admin.query<{ scans: string[] | null; looked_up: string; read: string }>(
      `SELECT (SELECT array_agg(relname::text) FROM pg_stat_user_tables WHERE schemaname = 'es' AND relname ~ '^(stream|command|claim)' AND seq_scan > 0) AS scans,
              sum(idx_scan) FILTER (WHERE indexrelname = 'stream_pkey') AS looked_up, sum(idx_tup_read) AS read
       FROM pg_stat_user_indexes WHERE schemaname = 'es' AND relname ~ '^(stream|command|claim)'`,
    );
    const [row] = rows;
    return { scans: row?.scans ?? [], lookedUp: Number(row?.looked_up), read: Number(row?.read) };
  };

  it.each([
    ['empty', ''],
    ['large and just analyzed', `${LARGE} ANALYZE`],
    ['emptied and never looked at again', 'TRUNCATE es.stream, es.command, es.claim'],
    ['large and believed to be empty', `TRUNCATE es.stream, es.command, es.claim; VACUUM ANALYZE; ${LARGE}`],
  ])('look up what they need in tables that are %s', async (_, change) => {
    const store = createEventStore({ connectionString: log.urlFor('kontor_registry') }, { upcasters: {} });
    await appendAll(store); // so that its plans are older than the change
    const admin = await log.admin.connect();
    for (const sql of change.split(';').filter((one) => one.trim() !== '')) await admin.query(sql);
    await admin.query('SELECT pg_stat_force_next_flush()'); // TRUNCATE scans as well
    await admin.query('SELECT pg_stat_reset()');
    admin.release();
    await appendAll(store);
    await store.close();
    await eventually(async () => (await counts()).lookedUp >= LOOK_UPS);
    const { scans, read } = await counts();
    expect(scans).toEqual([]);
    expect(read).toBeLessThanOrEqual(2 * LOOK_UPS * 3);
  });
});
