// A partition of production holds 16,777,216 positions, which takes minutes to fill. Here the first ones hold 8,192: a
// perfect subtree too, so that everything but the number is the same.
import { deepStrictEqual } from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { RecordedEvent } from '@kontor/event-sourcing';
import { eventually, testDatabase, uuidv7 } from '@kontor/testing';
import { eventLeaf, logSigner, parseBundleLine, parseTlogProof, verifyInclusion } from '@kontor/transparency-log';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ArchivedMeanwhile } from '../errors.js';
import type { PostgresEventStore } from '../event-store.js';
import { type LogFixture, openLog, ORIGIN, requests } from '../log.fixture.js';
import { readLogAlarms } from '../log-alarms.js';
import { positionAtTime } from '../position-at-time.js';
import { readPage, readRawPage } from '../read-all.js';
import { copyEvents, copyRawEvents } from '../read-copy.js';
import { readRawStream } from '../read-stream.js';
import type { RawEvent } from '../rows.js';
import { exportLog, exportStreams } from '../sealing/export-log.js';
import { readSeal, type Seal } from '../sealing/seal-store.js';
import { runSealer } from '../sealing/sealer.js';
import { readLines, readManifest, writeLines, writeManifest } from './archive-directory.js';
import {
  type ArchiveOptions,
  archivePartition,
  dropArchived,
  type LogArchive,
  partitionsBefore,
} from './archive-partition.js';
import { readBack } from './read-back.js';

const SPAN = 8_192;
const EVENTS = 17_001;
const { append, event } = requests(uuidv7);
const signer = logSigner(ORIGIN, generateKeyPairSync('ed25519').privateKey);
const folder = mkdtempSync(join(tmpdir(), 'kontor-archive-'));
const [here, there] = [join(folder, 'here'), join(folder, 'there')];
/** One that was written once, and one that has events before, in and behind the archive. */
const [ONCE, LONG] = ['other/registry/run/once', 'default/registry/run/7'];
/** Two events, behind the first partition. */
const ELSEWHERE = 'default/registry/run/4999';

const collect = async <T>(events: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const one of events) all.push(one);
  return all;
};

/** Everything that can be read of the log, by every reader. */
interface Answers {
  readonly all: readonly RecordedEvent[];
  readonly ofType: readonly RecordedEvent[];
  readonly within: readonly RecordedEvent[];
  readonly raw: readonly RawEvent[];
  readonly copied: readonly RecordedEvent[];
  readonly copiedRaw: readonly RawEvent[];
  readonly streams: readonly (readonly RecordedEvent[])[];
  readonly rawStream: readonly RawEvent[];
  readonly positions: readonly bigint[];
}

describe('the archive', () => {
  let log: LogFixture;
  let store: PostgresEventStore;
  let seal: Seal;
  let before: Answers;
  let times: readonly string[];
  const recorded: LogArchive[] = [];
  const record = (archive: LogArchive): Promise<void> => Promise.resolve(void recorded.push(archive));

  const seals = async (size: number): Promise<Seal> => {
    const stop = new AbortController();
    const running = runSealer({ pool: log.pool('kontor_registry'), signers: [signer], signal: stop.signal });
    const found = await eventually(async () => {
      const newest = await readSeal(log.admin);
      return newest?.size === size && newest;
    });
    stop.abort();
    await running;
    return found;
  };
  const archive = (partition: number, options: Partial<ArchiveOptions> = {}): Promise<LogArchive> =>
    archivePartition({ pool: log.admin, partition, places: [here, there], hotWindowMs: 0, record, ...options });
  const drop = (partition: number): Promise<LogArchive> => dropArchived({ pool: log.admin, partition, record });
  const answers = async (): Promise<Answers> => {
    const pool = log.pool('kontor_gateway');
    return {
      all: await collect(store.readAll(0n, { upTo: BigInt(EVENTS) })),
      ofType: await collect(store.readAll(0n, { types: ['B'], upTo: BigInt(EVENTS) })),
      within: await readPage(pool, { after: 8_100n, upTo: 8_400n, limit: 500 }, {}),
      raw: await readRawPage(pool, { after: 4_050n, limit: 100 }),
      copied: await again(() => collect(copyEvents(pool, { after: 10n, upTo: 17_000n, types: ['B'] }, {}))),
      copiedRaw: await again(() => collect(copyRawEvents(pool, { after: 4_000n, upTo: 8_300n }))),
      streams: [
        await collect(store.readStream(LONG)),
        await collect(store.readStream(LONG, 520n)),
        await collect(store.readStream(ONCE)),
        await collect(store.readStream('default/registry/run/never')),
      ],
      rawStream: await collect(readRawStream(pool, LONG)),
      positions: await Promise.all(times.map((time) => positionAtTime(pool, time))),
    };
  };
  /** Of a COPY that an archiving came between. */
  const again = async <T>(read: () => Promise<readonly (readonly T[])[]>): Promise<readonly T[]> =>
    (
      await read().catch((error: unknown) => {
        if (error instanceof ArchivedMeanwhile) return read();
        throw error;
      })
    ).flat();
  const attached = async (): Promise<readonly string[]> => {
    const { rows } = await log.admin.query<{ name: string }>(
      `SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
       WHERE i.inhparent = 'es.event'::regclass AND NOT i.inhdetachpending ORDER BY 1`,
    );
    return rows.map(({ name }) => name);
  };

  beforeAll(async () => {
    log = await openLog(await testDatabase());
    store = log.store();
    const client = await log.admin.connect();
    await client.query(
      'SET ROLE kontor_owner; ALTER TABLE es.event DETACH PARTITION es.event_p0; DROP TABLE es.event_p0',
    );
    for (const [part, to] of [SPAN + 1, 2 * SPAN + 1, 2 ** 24 + 1].entries())
      await client.query(`
        CREATE TABLE es.event_p${part} (LIKE es.event INCLUDING ALL);
        CREATE UNIQUE INDEX ON es.event_p${part} (stream_id, version);
        CREATE TRIGGER no_truncate BEFORE TRUNCATE ON es.event_p${part} FOR EACH STATEMENT EXECUTE FUNCTION es.refuse();
        ALTER TABLE es.event ATTACH PARTITION es.event_p${part} FOR VALUES FROM (${part * SPAN + 1}) TO (${to})`);
    client.release(true);
    await store.append(append(ONCE, [event('A', { text: 'ä"\n😀', big: '12345678901234567890' })]));
    const commands = Array.from({ length: (EVENTS - 1) / 2 }, (_, index) =>
      append(index % 25 === 0 ? LONG : `default/registry/run/${index % 5_000}`, [
        event('A'),
        event(index % 9 === 0 ? 'B' : 'A', { index }),
      ]),
    );
    for (let from = 0; from < commands.length; from += 1_000)
      await Promise.all(commands.slice(from, from + 1_000).map((command) => store.append(command)));
    const { rows } = await log.admin.query<{ at: string }>(
      `SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at FROM (
         SELECT recorded_at FROM es.event WHERE pos IN (1, 2, 700, 4096, 4097, 8192, 8193, 16384, 17000)
         UNION ALL SELECT recorded_at - interval '1 microsecond' FROM es.event WHERE pos IN (1, 700, 4097, 8193)) x(at)`,
    );
    times = rows.map(({ at }) => at);
    before = await answers();
    expect(before.all).toHaveLength(EVENTS);
    expect(new Set(before.positions).size).toBeGreaterThan(5);
  });
  afterAll(async () => {
    await log.close();
    rmSync(folder, { recursive: true });
  });

  it('takes no partition that is not sealed, young, read by all, next, or there', async () => {
    await expect(archive(0)).rejects.toMatchObject({ code: 'NOT_SEALED' });
    seal = await seals(EVENTS);
    await expect(archive(0, { hotWindowMs: 86_400_000 })).rejects.toMatchObject({ code: 'TOO_YOUNG' });
    await expect(archive(1)).rejects.toMatchObject({ code: 'OUT_OF_ORDER' });
    await expect(archive(7)).rejects.toMatchObject({ code: 'UNKNOWN_PARTITION' });
    await log.admin.query(
      `CREATE TABLE monitoring.consumer (name text, version int, pos bigint, lease_until timestamptz);
       INSERT INTO monitoring.consumer VALUES ('reactions', 1, 7, now()), ('reactions', 2, 8191, now()), ('late', 2, 8192, now());
       INSERT INTO es.relay VALUES ('jetstream', 1000, $$01975b00-0000-7000-8000-000000000001$$, now())`,
    );
    await expect(archive(0)).rejects.toMatchObject({
      code: 'CONSUMERS_BEHIND',
      message: expect.stringContaining(
        'not yet read by relay jetstream (at 1000), monitoring.reactions (at 8191)',
      ) as string,
    });
    await log.admin.query('UPDATE monitoring.consumer SET pos = 17001; UPDATE es.relay SET acked_pos = 17001');
    const other = await log.admin.connect();
    await other.query(`SELECT pg_advisory_lock(hashtext('kontor.archive'))`);
    await expect(archive(0)).rejects.toMatchObject({ code: 'BUSY' });
    other.release(true);
    expect(await partitionsBefore(log.admin, new Date(Date.now() + 60_000).toISOString())).toEqual([0, 1]);
    expect(await partitionsBefore(log.admin, times[0] ?? '')).toEqual([]);
    expect(await attached()).toEqual(['event_p0', 'event_p1', 'event_p2']);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('finishes what a crash interrupted, wherever that was', async () => {
    // While it wrote: a draft is no archive.
    mkdirSync(join(here, '.log-1-8192.new'), { recursive: true });
    writeFileSync(join(here, '.log-1-8192.new', 'events-000000.ndjson.zst'), 'half');
    // When it was written and recorded in es.archive, but not yet as an event.
    const crash = new Error('crash');
    await expect(archive(0, { record: () => Promise.reject(crash) })).rejects.toBe(crash);
    expect(await attached()).toContain('event_p0');
    // Table and archive have it, and each event comes once.
    deepStrictEqual(await answers(), before);
    // When PostgreSQL had begun to detach: a reader holds it up, and its backend is ended.
    const reader = await log.admin.connect();
    await reader.query('BEGIN; SELECT FROM es.event LIMIT 1');
    const interrupted = expect(archive(0)).rejects.toThrow();
    await eventually(async () => {
      const { rowCount } = await log.admin.query('SELECT FROM pg_inherits WHERE inhdetachpending');
      return rowCount === 1;
    });
    deepStrictEqual(await answers(), before);
    await log.admin.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'ALTER TABLE es.event DETACH%' AND state = 'active'`,
    );
    await interrupted;
    await reader.query('COMMIT');
    reader.release();

    const done = await archive(0);
    expect(done).toMatchObject({ firstPosition: 1, lastPosition: SPAN, firstRecordedAt: before.all[0]?.recordedAt });
    expect(await attached()).toEqual(['event_p1', 'event_p2']);
    expect(new Set(recorded.map(({ manifestDigest }) => manifestDigest))).toEqual(new Set([done.manifestDigest]));
    expect(await archive(0), 'again').toEqual(done);
    for (const place of [here, there]) expect(readdirSync(place)).toEqual(['log-1-8192']);
    await expect(log.admin.query('DELETE FROM es.event_p0')).rejects.toThrow('append-only');
  });

  it('answers as before while a range goes, and afterwards', async () => {
    deepStrictEqual(await answers(), before);
    let isDone = false;
    const archived = archive(1).finally(() => (isDone = true));
    while (!isDone) deepStrictEqual(await answers(), before);
    await archived;
    expect(await attached()).toEqual(['event_p2']);
    deepStrictEqual(await answers(), before);
  });

  it('drops no rows of a workspace on legal hold', async () => {
    const governance = log.store('kontor_governance');
    const hold = async (type: string, take: boolean) => {
      const stream = 'other/governance/legal-hold/12';
      const claims = [{ stream, kind: 'legal-hold', key: '12', take }];
      await governance.append(append(stream, [event(type)], { claims }));
    };
    await hold('LegalHoldPlaced', true);
    await expect(drop(0)).rejects.toMatchObject({
      code: 'ON_HOLD',
      message: 'workspace other is on legal hold 12 and has events in it',
    });
    await expect(drop(2)).rejects.toMatchObject({ code: 'NOT_ARCHIVED' });
    await drop(1); // it has no event of that workspace
    await hold('LegalHoldReleased', false);
    await drop(0);
    await drop(0); // again: the fact is recorded, whatever came between
    const { rows } = await log.admin.query(
      `SELECT to_regclass('es.event_p0') AS p0, to_regclass('es.event_p1') AS p1, count(dropped_at)::int AS dropped FROM es.archive`,
    );
    expect(rows).toEqual([{ p0: null, p1: null, dropped: 2 }]);
    deepStrictEqual(await answers(), before);
  });

  /** The number of events of a stream that are in the signed tree, each shown by its proof. */
  const prove = async (stream: string): Promise<number> => {
    const pool = log.pool('kontor_gateway');
    const lines = (await collect(exportStreams(pool, seal, { streams: [stream] }))).slice(1).map(parseBundleLine);
    for (const line of lines) {
      if (line.kind !== 'event') throw new Error('a bundle of streams holds events');
      const { index, hashes } = parseTlogProof(line.event.proof ?? '');
      const claim = { leaf: eventLeaf(ORIGIN, line.event), index, size: seal.size, root: seal.root };
      expect(verifyInclusion(claim, hashes), line.event.position).toBe(true);
    }
    return lines.length;
  };

  it('exports and proves what is archived', async () => {
    expect(await prove(ONCE)).toBe(1);
    expect(await prove(LONG)).toBe(before.streams[0]?.length);
    const lines = (await collect(exportLog(log.pool('kontor_gateway'), seal))).slice(1).map(parseBundleLine);
    expect(lines.filter(({ kind }) => kind === 'event')).toHaveLength(EVENTS);
  });

  it('names a damaged file and its positions, answers from the rest, and says where a missing one was', async () => {
    expect(await archive(0, { places: [there] })).toMatchObject({ firstPosition: 1 });
    // The last few files stay in memory: others take their place.
    await collect(store.readAll(0n));
    await collect(store.readStream(ELSEWHERE));
    const file = join(there, 'log-1-8192', 'events-000000.ndjson.zst');
    const bytes = readFileSync(file);
    const middle = bytes.length >> 1;
    writeFileSync(file, bytes.with(middle, (bytes[middle] ?? 0) ^ 1));
    const problem = `${file}: is not what the manifest says, with events 1 to 4096`;
    await expect(collect(store.readStream(ONCE))).rejects.toThrow(problem);
    await expect(prove(ONCE)).rejects.toThrow(problem);
    await expect(archive(0, { places: [there] })).rejects.toThrow(problem);
    expect(await prove(ELSEWHERE)).toBe(2);

    renameSync(there, join(folder, 'away'));
    await expect(collect(store.readStream(ONCE))).rejects.toMatchObject({
      name: 'ArchiveMissing',
      retryable: true,
      message: `positions 1 to 8192 are archived, and the archive is not there; expected: ${join(there, 'log-1-8192')}`,
    });
    // The other place has a good one: it is copied, and from then on both are read.
    expect(await archive(0, { places: [here, there] })).toMatchObject({ firstPosition: 1 });
    expect(await collect(store.readStream(ONCE))).toEqual(before.streams[2]);
  });

  it('reads what one place has damaged from the next, and says which file once', async () => {
    const warnings: string[] = [];
    const warned = ({ message }: Error): number => warnings.push(message);
    process.on('warning', warned);
    const files = [here, there].map((place) => join(place, 'log-1-8192', 'events-000000.ndjson.zst'));
    const read = async () => {
      // The last few files stay in memory: others take their place.
      await collect(store.readAll(0n));
      await collect(store.readStream(ELSEWHERE));
      return await collect(store.readStream(ONCE));
    };
    const alarms = async () =>
      (await readLogAlarms(log.pool('kontor_gateway'), 0)).flatMap(({ code, message }) =>
        code === 'ARCHIVE_DAMAGED' ? message : [],
      );
    cpSync(join(folder, 'away'), there, { recursive: true });
    cpSync(join(here, 'log-1-8192'), join(there, 'log-1-8192'), { recursive: true });
    await archive(0);
    const bytes = readFileSync(files[0] ?? '');
    for (const count of [1, 2]) {
      writeFileSync(files[0] ?? '', bytes.subarray(count));
      expect(await read()).toEqual(before.streams[2]);
    }
    await setImmediate();
    expect(warnings).toEqual([
      `${files[0]}: is not what the manifest says, with events 1 to 4096; ${join(there, 'log-1-8192')} is read instead: mend the archive`,
    ]);
    expect(await alarms()).toEqual([]);

    renameSync(join(here, 'log-1-8192', 'manifest.json'), join(folder, 'manifest.json'));
    expect(await read()).toEqual(before.streams[2]);
    expect(await alarms()).toEqual([`${join(here, 'log-1-8192')} holds no archive`]);
    writeFileSync(join(here, 'log-1-8192', 'manifest.json'), '{');
    expect(await read()).toEqual(before.streams[2]);
    expect(await alarms()).toEqual([`${join(here, 'log-1-8192', 'manifest.json')}: is no JSON`]);
    rmSync(join(here, 'log-1-8192', 'manifest.json'));
    renameSync(join(folder, 'manifest.json'), join(here, 'log-1-8192', 'manifest.json'));

    rmSync(files[1] ?? '');
    await expect(read()).rejects.toThrow(`${files[0]}: is not what the manifest says, with events 1 to 4096`);
    for (const file of files) writeFileSync(file, bytes);
    expect(await read()).toEqual(before.streams[2]);
    process.off('warning', warned);
  });

  it('finds an event that was changed before it was archived, whatever its leaf says', async () => {
    const directory = join(here, 'log-8193-16384');
    const found = await readManifest(directory);
    const [file] = found?.manifest.events ?? [];
    if (!found || !file) throw new Error('nothing is archived');
    const [first = '', ...others] = await readLines(directory, file);
    const forged = join(folder, 'forged', 'log-8193-16384');
    mkdirSync(forged, { recursive: true });
    cpSync(directory, forged, { recursive: true });
    rmSync(join(forged, file.name));
    const sha256 = await writeLines(forged, file.name, [first.replace('"actor":"ada"', '"actor":"eve"'), ...others]);
    rmSync(join(forged, 'manifest.json'));
    const events = [{ ...file, sha256 }, ...found.manifest.events.slice(1)];
    await writeManifest(forged, { ...found.manifest, events });
    await expect(readBack(log.admin, forged, () => undefined)).rejects.toThrow(
      `${join(forged, file.name)}: position 8193 is not the event that was sealed`,
    );
  });

  it('goes on with streams that begin in the archive', async () => {
    const version = BigInt(before.streams[0]?.length ?? 0);
    await store.append(append(LONG, [], { writes: [{ stream: LONG, expected: version, events: [event('A')] }] }));
    expect(await collect(store.readStream(LONG, version))).toMatchObject([{ version: version + 1n, type: 'A' }]);
    expect(await collect(store.readStream(LONG))).toHaveLength(Number(version) + 1);
  });
});
