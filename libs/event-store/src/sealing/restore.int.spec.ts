import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, testDatabase, uuidv7 } from '@kontor/testing';
import {
  eventLeaf,
  logSigner,
  openCheckpoint,
  openNote,
  parseBundleLine,
  parseEpochLink,
  parseHeader,
  parseLogKeys,
  parseVerifier,
  rootOf,
  toBase64,
} from '@kontor/transparency-log';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LogFixture, openLog, ORIGIN, requests } from '../log.fixture.js';
import { runRelay } from '../relay.js';
import { openAnchors, refuseRewound } from './anchors.js';
import { runCosigner } from './cosigner.js';
import { exportLog } from './export-log.js';
import { beginEpoch } from './new-epoch.js';
import { readSeal, type Seal } from './seal-store.js';
import { runSealer } from './sealer.js';

const { append, event } = requests(uuidv7);
const { privateKey } = generateKeyPairSync('ed25519');
const signerOf = (origin: string) => logSigner(origin, privateKey);
const E2 = `${ORIGIN}/e2`;

// T24: a base backup that is older than the last checkpoint is restored. The copy is one of PostgreSQL, file by file.
describe('a log that was restored to before a checkpoint which others hold', () => {
  const folder = mkdtempSync(join(tmpdir(), 'kontor-anchors-'));
  const anchors = openAnchors(folder, ORIGIN);
  let log: LogFixture;
  let lostTail: { position: bigint; eventId: string };

  const appendMany = async (events: number): Promise<void> => {
    const store = log.store();
    for (let sent = 0; sent < events; sent += 50) {
      await Promise.all(
        Array.from({ length: Math.min(50, events - sent) }, (_, index) =>
          store.append(append(`default/registry/run/${index}`, [event('A', { index })])),
        ),
      );
    }
  };
  const start = (origin = ORIGIN, kept = anchors) => {
    const stop = new AbortController();
    const running = runSealer({
      pool: log.pool('kontor_registry'),
      signers: [signerOf(origin)],
      anchors: kept,
      signal: stop.signal,
    });
    return { running, end: () => (stop.abort(), running) };
  };
  const sealUpTo = async (size: number, origin = ORIGIN, kept = anchors): Promise<Seal> => {
    const sealer = start(origin, kept);
    const seal = await eventually(async () => {
      const newest = await readSeal(log.admin);
      return newest?.size === size && newest;
    });
    await sealer.end();
    return seal;
  };

  beforeAll(async () => {
    const database = await testDatabase();
    log = await openLog(database);
    await appendMany(100);
    await sealUpTo(100);
    await appendMany(20); // survive, unsealed
    const backup = `backup_${process.pid}_${Date.now()}`;
    const name = new URL(database.url).pathname.slice(1);
    const server = new URL(database.url);
    server.pathname = '/postgres';
    const admin = new pg.Client({ connectionString: server.href });
    await admin.connect();
    const copy = async (from: string, to: string): Promise<void> => {
      await admin.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [from]);
      await admin.query(`CREATE DATABASE "${to}" TEMPLATE "${from}"`);
    };
    await log.disconnect();
    await copy(name, backup);
    log = await openLog({ url: database.url, drop: () => Promise.resolve() });
    await appendMany(80);
    await sealUpTo(200);
    const { rows } = await log.admin.query<{ event_id: string }>('SELECT event_id FROM es.event WHERE pos = 200');
    lostTail = { position: 200n, eventId: rows[0]?.event_id ?? '' };
    await log.disconnect();
    await admin.query(`DROP DATABASE "${name}" WITH (FORCE)`);
    await copy(backup, name);
    await admin.query(`DROP DATABASE "${backup}" WITH (FORCE)`);
    await admin.end();
    log = await openLog(database);
  });
  afterAll(async () => {
    await log.close();
    rmSync(folder, { recursive: true });
  });

  const refusesAll = async (): Promise<void> => {
    await expect(refuseRewound(log.admin, anchors)).rejects.toMatchObject({ retryable: false, sealedSize: 200 });
    await expect(start().running).rejects.toThrow('a checkpoint of 200 events was signed, but');
    const signal = AbortSignal.timeout(30_000);
    const target = { tail: () => Promise.resolve(lostTail), publish: () => Promise.reject(new Error('published')) };
    await expect(runRelay({ pool: log.pool('kontor_registry'), target, signal })).rejects.toThrow(
      `position 200 is event ${lostTail.eventId} at the target`,
    );
    const witness = parseVerifier(signerOf('witness.example').verifierKey);
    const ask = () => Promise.resolve({ rememberedSize: 200 });
    await expect(runCosigner({ pool: log.pool('kontor_registry'), ask, witness, signal })).rejects.toThrow(
      'has co-signed 200 events, the log has sealed 100',
    );
  };

  it('is refused by the start, the sealer, the relay and the cosigner', refusesAll);

  it('is refused as well when it has grown beyond the lost positions', async () => {
    await appendMany(150);
    await expect(refuseRewound(log.admin, anchors)).rejects.toThrow('the database does not know it');
    await expect(start().running).rejects.toThrow('a checkpoint of 200 events was signed, but');
  });

  it('goes on in a new epoch, tied to the last common checkpoint by a note of both keys', async () => {
    const begun = await beginEpoch(log.adminUrl, signerOf);
    expect(begun).toEqual({ epoch: 2, origin: E2, firstPosition: 271, commonSize: 100 });
    await appendMany(30);
    const next = openAnchors(folder, E2);
    await refuseRewound(log.admin, next);
    const seal = await sealUpTo(300, E2, next);
    const keys = parseLogKeys(`${signerOf(ORIGIN).verifierKey}\n${signerOf(E2).verifierKey}\n`);
    expect(openCheckpoint(seal.note, keys).checkpoint).toMatchObject({ origin: E2, size: 300 });
    expect(next.newest()?.size).toBe(300);
    // What was kept of the lost history stays beside it.
    expect(anchors.newest()?.size).toBe(200);

    const lines: string[] = [];
    for await (const line of exportLog(log.admin, seal)) lines.push(line);
    const { epochs = [] } = parseHeader(lines[0] ?? '');
    expect(epochs.map(({ origin, firstPosition }) => [origin, firstPosition])).toEqual([
      [ORIGIN, 1],
      [E2, 271],
    ]);
    const { text, signatures } = openNote(
      epochs[1]?.link ?? '',
      keys.map(({ verifier }) => verifier),
    );
    expect(signatures.map(({ name }) => name)).toEqual([ORIGIN, E2]);
    expect(parseEpochLink(text)).toMatchObject({
      common: { origin: ORIGIN, size: 100 },
      origin: E2,
      firstPosition: 271,
    });
    const leaves = lines.slice(1).flatMap((line) => {
      const parsed = parseBundleLine(line);
      return parsed.kind === 'tile' ? [] : [eventLeaf(Number(parsed.event.position) < 271 ? ORIGIN : E2, parsed.event)];
    });
    expect(toBase64(rootOf(leaves))).toBe(toBase64(seal.root));
  });
});

describe('the anchors', () => {
  const folder = mkdtempSync(join(tmpdir(), 'kontor-anchors-'));
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  it('are files by size, which may only grow by signatures', () => {
    const anchors = openAnchors(folder, 'kontor.example/log/0');
    expect(anchors.newest()).toBeUndefined();
    anchors.keep({ size: 9, note: 'nine\n\n— a\n' });
    anchors.keep({ size: 10, note: 'ten\n\n— a\n' });
    anchors.keep({ size: 10, note: 'ten\n\n— a\n— w\n' });
    anchors.keep({ size: 10, note: 'ten\n\n— a\n' });
    const own = join(folder, 'kontor.example_log_0');
    expect(readdirSync(own).sort()).toEqual(['0000000000000009.checkpoint', '0000000000000010.checkpoint']);
    expect(anchors.newest()).toEqual({ size: 10, note: 'ten\n\n— a\n— w\n' });
    expect(() => anchors.keep({ size: 10, note: 'eleven\n\n— a\n' })).toThrow('holds another checkpoint of that size');
    writeFileSync(join(own, 'README'), '');
    expect(readFileSync(join(own, '0000000000000009.checkpoint'), 'utf8')).toBe('nine\n\n— a\n');
    expect(anchors.newest()?.size).toBe(10);
  });
});
