import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  beginEpoch,
  createEventStore,
  createPool,
  LOGIN_ROLES,
  prepareDatabase,
  readSeal,
  runSealer,
} from '@kontor/event-store';
import { ensureKeyPair, loadLogKeys, loadPrivateKey, LOG_KEY } from '@kontor/service/process';
import { eventually, testDatabase, uuidv7 } from '@kontor/testing';
import {
  formatCheckpoint,
  formatNote,
  leafHash,
  logSigner,
  openCheckpoint,
  parseLogKeys,
} from '@kontor/transparency-log';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listedKeys, publicKeys, writeListedKeys } from '../log-keys.js';
import { beginRotation, finishRotation } from './rotate-key.js';

const ORIGIN = 'kontor.example/log/0';

describe('the key of the log', () => {
  let keysDir: string;
  let pool: pg.Pool;
  let drop: () => Promise<void>;
  let adminUrl: string;
  let origin = ORIGIN;

  beforeAll(async () => {
    keysDir = await mkdtemp(join(tmpdir(), 'kontor-keys-'));
    const database = await testDatabase();
    const { urlFor } = await prepareDatabase({
      adminUrl: database.url,
      database: new URL(database.url).pathname.slice(1),
      passwords: Object.fromEntries(LOGIN_ROLES.map((role) => [role, 'kontor-test'])),
      origin: ORIGIN,
    });
    pool = createPool({ connectionString: urlFor('kontor_registry') });
    drop = database.drop;
    adminUrl = database.url;
    await ensureKeyPair(keysDir, LOG_KEY);
  });
  afterAll(async () => {
    await pool.end();
    await drop();
    await rm(keysDir, { recursive: true });
  });

  /** Appends one event, and has it sealed by a sealer that starts with the keys of now, as after a restart. */
  const appendAndSeal = async (): Promise<string> => {
    const store = createEventStore(pool, { upcasters: {} });
    const event = {
      eventId: uuidv7(),
      type: 'A',
      schemaVersion: 1,
      data: {},
      meta: { correlationId: uuidv7(), actorKind: 'person' as const },
    };
    const writes = [{ stream: 'default/registry/run/1', expected: 'any' as const, events: [event] }];
    const result = await store.append({ commandId: uuidv7(), requestHash: new Uint8Array(32), actor: 'ada', writes });
    if (result.outcome !== 'appended') throw new Error(result.outcome);
    const [key, ...others] = await loadLogKeys(keysDir);
    const sign = (one: typeof key) => logSigner(origin, one);
    const stop = new AbortController();
    const running = runSealer({ pool, signers: [sign(key), ...others.map(sign)], signal: stop.signal });
    const seal = await eventually(async () => {
      const newest = await readSeal(pool);
      return newest && BigInt(newest.size) >= result.lastPosition && newest;
    });
    stop.abort();
    await running;
    return seal.note;
  };
  const list = () => publicKeys(keysDir, ORIGIN);
  const sizeOf = (note: string, keys: string) => openCheckpoint(note, parseLogKeys(keys)).checkpoint.size;

  it('is changed without a checkpoint that nobody believes, and the old one signs nothing new', async () => {
    const before = await list();
    const stolen = logSigner(ORIGIN, await loadPrivateKey(keysDir, LOG_KEY));
    const one = await appendAndSeal();
    await expect(finishRotation(pool, keysDir, ORIGIN)).rejects.toThrow('begin with "kontor rotate-key"');

    await beginRotation(keysDir, ORIGIN);
    await beginRotation(keysDir, ORIGIN);
    const during = await list();
    expect(during.split('\n')).toHaveLength(3);
    expect(during.startsWith(before)).toBe(true);
    await expect(finishRotation(pool, keysDir, ORIGIN)).rejects.toThrow('is not signed with both keys yet');

    // During the change each list, the old and the new one, is enough.
    const two = await appendAndSeal();
    const next = during.slice(before.length);
    for (const keys of [before, during, next]) expect(sizeOf(two, keys)).toBe(2);

    await finishRotation(pool, keysDir, ORIGIN);
    const after = await list();
    expect(after).toBe(`${before.trimEnd()} 0..2\n${next.trimEnd()} 3..\n`);
    const three = await appendAndSeal();
    // Old exports verify with the old key and with the list of today; new ones only with the new key.
    for (const keys of [before, after]) expect([one, two].map((note) => sizeOf(note, keys))).toEqual([1, 2]);
    expect(sizeOf(three, after)).toBe(3);
    expect(() => sizeOf(three, before)).toThrow('no known key of kontor.example/log/0 has signed it');

    const text = formatCheckpoint({ origin: ORIGIN, size: 3, root: leafHash(Buffer.from('forged')) });
    expect(() => sizeOf(formatNote(text, [stolen.sign(text)]), after)).toThrow('counts for the sizes 0 to 2');

    expect((await readdir(keysDir)).sort()).toEqual(['log.keys', 'log.pem', 'log.pub.pem']);
    await expect(finishRotation(pool, keysDir, ORIGIN)).rejects.toThrow('begin with "kontor rotate-key"');
  });

  it('signs nothing new under the name of an earlier epoch either, once it is retired', async () => {
    const key = await loadPrivateKey(keysDir, LOG_KEY);
    const stolen = logSigner(ORIGIN, key);
    ({ origin } = await beginEpoch(adminUrl, (name) => logSigner(name, key)));
    await writeListedKeys(keysDir, [...(await listedKeys(keysDir, ORIGIN)), logSigner(origin, key).verifierKey]);
    await beginRotation(keysDir, ORIGIN);
    const four = await appendAndSeal();
    await finishRotation(pool, keysDir, ORIGIN);
    expect(sizeOf(four, await list())).toBe(4);

    const text = formatCheckpoint({ origin: ORIGIN, size: 9, root: leafHash(Buffer.from('forged')) });
    const after = await list();
    expect(() => sizeOf(formatNote(text, [stolen.sign(text)]), after)).toThrow('counts for the sizes 3 to 4');
  });
});
