// The log where one partition ends and the next begins. Only the head is moved there: the positions before it stay empty.
import { testDatabase, uuidv7 } from '@kontor/testing';
import { eventLeaf } from '@kontor/transparency-log';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LogFixture, openLog, ORIGIN, requests } from './log.fixture.js';
import { readLogAlarms } from './log-alarms.js';
import { readRawPage } from './read-all.js';

const { append, event } = requests(uuidv7);
const SPAN = 16_777_216n;
const WEEK_MS = 7 * 86_400_000;

describe('partitions', () => {
  let log: LogFixture;
  beforeAll(async () => {
    log = await openLog(await testDatabase());
  });
  afterAll(() => log.close());

  const codes = async (nowMs = Date.now()) =>
    (await readLogAlarms(log.pool('kontor_gateway'), nowMs)).map(({ code }) => code);
  const moveHead = (position: bigint) => log.admin.query('UPDATE es.log_head SET last_pos = $1', [position]);

  it('raise no alarm in a log that was just prepared, nor one week later', async () => {
    expect(await codes()).toEqual([]);
    expect(await codes(Date.now() + WEEK_MS)).toEqual([]);
  });

  it('raise an alarm when the next one of events is missing, until a writer comes and makes it', async () => {
    await moveHead((SPAN * 3n) / 4n + 1n);
    expect(await codes()).toEqual(['EVENT_PARTITION_MISSING']);
    expect((await log.store().append(append('default/registry/run/half', [event('A')]))).outcome).toBe('appended');
    expect(await codes()).toEqual([]);
  });

  it('are made by a writer that is already connected when the log comes near the end', async () => {
    const store = log.store();
    await store.append(append('default/registry/run/near', [event('A')]));
    await moveHead(SPAN + (SPAN * 3n) / 4n + 1n);
    expect(await codes()).toEqual(['EVENT_PARTITION_MISSING']);
    for (let n = 0; n < 2; n += 1) await store.append(append('default/registry/run/near', [event('A')]));
    expect(await codes()).toEqual([]);
  });

  it('take a command and a batch that lie across the boundary, without a gap', async () => {
    await moveHead(SPAN * 2n - 3n);
    const store = log.store();
    const across = Array.from({ length: 5 }, () => event('A'));
    const first = await store.append(append('default/registry/run/across', across));
    expect(first).toMatchObject({ outcome: 'appended', firstPosition: SPAN * 2n - 2n, lastPosition: SPAN * 2n + 2n });
    await moveHead(SPAN * 3n - 100n);
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, n) =>
        store.append(append(`default/registry/run/batch-${n % 50}`, [event('A', { n })])),
      ),
    );
    expect(answers.every(({ outcome }) => outcome === 'appended')).toBe(true);

    const rows = await readRawPage(log.admin, { after: SPAN * 3n - 100n, limit: 1_000 });
    expect(rows.map(({ position }) => position)).toEqual(
      Array.from({ length: 200 }, (_, n) => SPAN * 3n - 99n + BigInt(n)),
    );
    for (const row of rows) expect(Buffer.from(row.leaf).equals(eventLeaf(ORIGIN, row))).toBe(true);
    const versions: bigint[] = [];
    for await (const { version } of store.readStream('default/registry/run/across')) versions.push(version);
    expect(versions).toEqual([1n, 2n, 3n, 4n, 5n]);
    const { rows: tables } = await log.admin.query<{ name: string; events: number }>(
      `SELECT tableoid::regclass::text AS name, count(*)::int AS events FROM es.event WHERE pos > $1 GROUP BY 1 ORDER BY 1`,
      [SPAN * 3n - 100n],
    );
    expect(tables).toEqual([
      { name: 'es.event_p2', events: 100 },
      { name: 'es.event_p3', events: 100 },
    ]);
  });

  it('each refuse a second event of one stream version, and TRUNCATE', async () => {
    const { rows } = await log.admin.query<{ name: string; keys: number; guards: number }>(
      `SELECT c.relname AS name,
              (SELECT count(*)::int FROM pg_index x WHERE x.indrelid = c.oid AND x.indisunique) AS keys,
              (SELECT count(*)::int FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname IN ('no_truncate', 'append_only')) AS guards
       FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'es.event'::regclass ORDER BY 1`,
    );
    expect(rows).toEqual(
      [0, 1, 2, 3].map((n) => expect.objectContaining({ name: `event_p${n}`, keys: 2, guards: 2 }) as unknown),
    );
  });

  it('raise an alarm for a month that is missing, and for a command that has none', async () => {
    const inFiveMonths = Date.now() + 22 * WEEK_MS;
    expect(await codes(inFiveMonths)).toEqual(['COMMAND_PARTITION_MISSING']);
    await log.admin.query(
      `INSERT INTO es.command VALUES ('019a0000-0000-7000-8000-000000000001', '\\x00', 1, 1, '{1}', now())`,
    );
    expect(await codes()).toEqual(['COMMANDS_ASTRAY']);
  });
});
