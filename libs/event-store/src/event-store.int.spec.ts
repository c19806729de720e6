import { eventStoreContract } from '@kontor/event-sourcing/testing';
import { eventually, testDatabase, uuidv7 } from '@kontor/testing';
import { afterAll, describe, expect, it } from 'vitest';
import { type LogFixture, openLog, requests } from './log.fixture.js';
import { positionAtTime } from './position-at-time.js';

const { append, event } = requests(uuidv7);
const logs: LogFixture[] = [];
const emptyLog = async (): Promise<LogFixture> => {
  const log = await openLog(await testDatabase());
  logs.push(log);
  return log;
};
afterAll(async () => {
  for (const log of logs) await log.close();
});

describe('the event store on PostgreSQL', () => {
  eventStoreContract({ test: it, create: async () => (await emptyLog()).store(), uuid: uuidv7, nowMs: Date.now });

  it('finds the last position at or before a moment, and none before the first event', async () => {
    const log = await emptyLog();
    const store = log.store();
    const times: string[] = [];
    for (let index = 0; index < 20; index += 1) {
      const result = await store.append(append('default/registry/run/a', [event('A'), event('B')]));
      if (result.outcome === 'appended') times.push(result.recordedAt);
    }
    for (const [index, time] of times.entries()) {
      expect(await positionAtTime(log.admin, time)).toBe(BigInt(index + 1) * 2n);
    }
    expect(await positionAtTime(log.admin, '2020-01-01T00:00:00Z')).toBe(0n);
    await expect(positionAtTime(log.admin, '2999-01-01T00:00:00Z')).rejects.toThrow('lies in the future');
  });

  it('waits for an append that took its time before a moment and has not committed yet', async () => {
    const log = await emptyLog();
    const store = log.store();
    await store.append(append('default/registry/run/a', [event('A')]));
    const blocker = await log.admin.connect();
    // The append has the head row and its time, and waits for this lock with its first insert.
    await blocker.query('BEGIN; LOCK TABLE es.command IN SHARE MODE');
    const appended = store.append(append('default/registry/run/a', [event('A')]));
    await eventually(async () => {
      const waiting = `SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'es.command'::regclass`;
      return (await log.admin.query(waiting)).rows.length > 0;
    });
    const { rows } = await log.admin.query<{ now: string }>('SELECT clock_timestamp()::text AS now');
    const found = positionAtTime(log.admin, rows[0]?.now ?? '');
    await blocker.query('COMMIT');
    blocker.release();
    expect((await appended).outcome).toBe('appended');
    expect(await found).toBe(2n);
  });

  it('reads a stream of several pages in order', async () => {
    const log = await emptyLog();
    const store = log.store();
    for (let index = 0; index < 13; index += 1) {
      await store.append(
        append(
          'default/registry/run/long',
          Array.from({ length: 100 }, () => event('A')),
        ),
      );
    }
    const versions: bigint[] = [];
    for await (const { version } of store.readStream('default/registry/run/long')) versions.push(version);
    expect(versions).toEqual(Array.from({ length: 1300 }, (_, index) => BigInt(index + 1)));
  });
});
