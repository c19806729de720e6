import { generateKeyPairSync } from 'node:crypto';
import { eventually, testDatabase, uuidv7 } from '@kontor/testing';
import {
  equalHashes,
  eventLeaf,
  logSigner,
  openNote,
  parseCheckpoint,
  parseVerifier,
  proveConsistency,
  proveInclusion,
  rootOf,
  tilesForConsistency,
  tilesForInclusion,
  verifyConsistency,
  verifyInclusion,
} from '@kontor/transparency-log';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PostgresEventStore } from '../event-store.js';
import { type LogFixture, openLog, ORIGIN, requests } from '../log.fixture.js';
import { readRawPage } from '../read-all.js';
import { readSeal, readTiles, type Seal } from './seal-store.js';
import { runSealer } from './sealer.js';

const { append, event } = requests(uuidv7);
const signer = logSigner(ORIGIN, generateKeyPairSync('ed25519').privateKey);
const verifier = parseVerifier(signer.verifierKey);

describe('the sealer', () => {
  let log: LogFixture;
  let store: PostgresEventStore;
  beforeAll(async () => {
    log = await openLog(await testDatabase());
    store = log.store();
  });
  afterAll(() => log.close());

  const appendMany = (commands: number) =>
    Promise.all(
      Array.from({ length: commands }, (_, index) =>
        store.append(append(`default/registry/run/${index % 40}`, [event('A'), event('B', { index })])),
      ),
    );
  const start = (role = 'kontor_registry') => {
    const stop = new AbortController();
    const running = runSealer({ pool: log.pool(role), signers: [signer], signal: stop.signal });
    return { running, end: () => (stop.abort(), running) };
  };
  const sealOf = (size: number): Promise<Seal> =>
    eventually(async () => {
      const seal = await readSeal(log.admin);
      return seal?.size === size && seal;
    });

  it('signs a checkpoint of all events, whose proofs verify, and goes on where it ended', async () => {
    await appendMany(300);
    const first = start();
    const early = await sealOf(600);
    await first.end();
    expect(parseCheckpoint(openNote(early.note, [verifier]).text)).toMatchObject({ origin: ORIGIN, size: 600 });
    const rows = await readRawPage(log.admin, { after: 0n, limit: 600 });
    const leaves = rows.map((row) => eventLeaf(ORIGIN, row));
    expect(equalHashes(early.root, rootOf(leaves))).toBe(true);

    await appendMany(57);
    const second = start('kontor_governance');
    const late = await sealOf(714);
    await second.end();
    const consistency = proveConsistency(600, 714, await readTiles(log.admin, tilesForConsistency(600, 714)));
    const claim = { oldSize: 600, oldRoot: early.root, size: 714, root: late.root };
    expect(verifyConsistency(claim, consistency)).toBe(true);
    for (const index of [0, 255, 256, 599]) {
      for (const { size, root } of [early, late]) {
        const proof = proveInclusion(index, size, await readTiles(log.admin, tilesForInclusion(index, size)));
        const leaf = leaves[index] ?? new Uint8Array();
        expect(verifyInclusion({ leaf, index, size, root }, proof), `leaf ${index} of ${size}`).toBe(true);
      }
    }
  });

  it('keeps partial tiles only until the full one is there', async () => {
    const { rows } = await log.admin.query<{ level: number; index: string; width: number }>(
      'SELECT level, index, width FROM es.tile ORDER BY level, index, width',
    );
    expect(rows).toEqual([
      { level: 0, index: '0', width: 256 },
      { level: 0, index: '1', width: 256 },
      { level: 0, index: '2', width: 88 },
      { level: 0, index: '2', width: 202 },
      { level: 1, index: '0', width: 2 },
    ]);
  });

  it('lets a second sealer wait, and take over when the first ends', async () => {
    const { size } = (await readSeal(log.admin)) ?? { size: 0 };
    const [first, second] = [start(), start('kontor_monitoring')];
    await appendMany(5);
    await sealOf(size + 10);
    await first.end();
    await appendMany(5);
    await sealOf(size + 20);
    await second.end();
  });

  it('lets no role change a seal or a tile, nor save one that does not follow', async () => {
    const pool = log.pool('kontor_registry');
    for (const sql of [
      'DELETE FROM es.seal',
      'UPDATE es.tile SET width = 1',
      `INSERT INTO es.seal VALUES (1, sha256(''), '', now())`,
    ]) {
      await expect(pool.query(sql)).rejects.toMatchObject({ code: '42501' });
    }
    const save = (old: number, size: number) =>
      pool.query(`SELECT es.save_seal($1, $2, sha256(''), '', '{}', '{}', '{}', '{}') AS saved`, [old, size]);
    const { size } = (await readSeal(log.admin)) ?? { size: 0 };
    expect((await save(size - 1, size + 1)).rows).toEqual([{ saved: false }]);
    await expect(save(size, size + 1_000_000)).rejects.toMatchObject({ code: '22023' });
  });

  it('signs nothing for a log that was rewound or whose tiles were changed', async () => {
    const { size } = (await readSeal(log.admin)) ?? { size: 0 };
    await log.admin.query('UPDATE es.log_head SET last_pos = last_pos - 1');
    await expect(start().running).rejects.toThrow(`a checkpoint of ${size} events was signed, but the log ends at`);
    await log.admin.query('UPDATE es.log_head SET last_pos = last_pos + 1');
    await log.admin.query(
      `UPDATE es.tile SET content = set_byte(content, 0, get_byte(content, 0) # 1) WHERE width < 256 AND level = 0`,
    );
    await expect(start().running).rejects.toThrow('its tiles have another root');
    expect((await readSeal(log.admin))?.size).toBe(size);
  });
});

describe('a burst', () => {
  it('is sealed each 4,096 events, without waiting for the second', async () => {
    const log = await openLog(await testDatabase());
    const store = log.store();
    const BURST = 9_000;
    const events = () => Array.from({ length: 100 }, (_, index) => event('A', { index }));
    await Promise.all(
      Array.from({ length: BURST / 100 }, (_, index) =>
        store.append(append(`default/registry/run/${index}`, events())),
      ),
    );
    const stop = new AbortController();
    const running = runSealer({ pool: log.pool('kontor_registry'), signers: [signer], signal: stop.signal });
    await eventually(async () => (await readSeal(log.admin))?.size === BURST);
    stop.abort();
    await running;
    const { rows } = await log.admin.query<{ size: string }>('SELECT size FROM es.seal ORDER BY size');
    expect(rows.map(({ size }) => size)).toEqual(['4096', '8192', '9000']);
    await log.close();
  });
});
