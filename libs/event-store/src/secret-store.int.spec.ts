import { randomBytes } from 'node:crypto';
import { testDatabase } from '@kontor/testing';
import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { KeysUnavailable, KeyUnusable } from './errors.js';
import { keyStoreUrl } from './erasure/prepare-key-store.js';
import { createPool } from './event-store.js';
import { type LogFixture, openLog } from './log.fixture.js';
import { SecretStore } from './secret-store.js';

const kek = randomBytes(32);
const workspace = 'default';
let log: LogFixture;
const pools: pg.Pool[] = [];

const sessions = (url: string): pg.Pool => {
  const pool = createPool({ connectionString: url });
  pools.push(pool);
  return pool;
};
const asRole = (role: string, key: Uint8Array = kek) => new SecretStore(sessions(keyStoreUrl(log.urlFor(role))), key);

beforeAll(async () => {
  log = await openLog(await testDatabase());
});
afterAll(async () => {
  await Promise.all(pools.map((pool) => pool.end()));
  await log.close();
});

it('gives a secret back, with a version for each that is new', async () => {
  const [gateway, registry] = [asRole('kontor_gateway'), asRole('kontor_registry')];
  const put = (secret: string) => gateway.put(workspace, 'webhook/1', secret);
  expect([await put('geheim-ü'), await put('geheim-ü'), await put('other'), await put('geheim-ü')]).toEqual([
    1, 1, 2, 3,
  ]);
  const find = (version: number) => registry.find({ workspace, owner: 'webhook/1', version });
  expect([await find(1), await find(2), await find(3)]).toEqual(['geheim-ü', 'other', 'geheim-ü']);
  await expect(find(4)).rejects.toThrow(KeyUnusable);
  await registry.forget(workspace, 'webhook/1');
  await expect(find(1)).rejects.toThrow('the key store has no secret 1 of webhook/1');
});

it('gives every secret of many at once a version of its own', async () => {
  const gateway = asRole('kontor_gateway');
  const versions = await Promise.all(
    Array.from({ length: 20 }, (_, n) => gateway.put(workspace, 'webhook/2', `secret ${n}`)),
  );
  expect(versions.sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, n) => n + 1));
});

it('opens a secret under its own name and key only', async () => {
  await asRole('kontor_gateway').put(workspace, 'webhook/3', 'moved');
  const admin = sessions(keyStoreUrl(log.adminUrl));
  await admin.query(`UPDATE keys.secret SET owner = 'webhook/4' WHERE owner = 'webhook/3'`);
  const moved = { workspace, owner: 'webhook/4', version: 1 };
  await expect(asRole('kontor_registry').find(moved)).rejects.toThrow(KeyUnusable);
  await admin.query(`UPDATE keys.secret SET owner = 'webhook/3' WHERE owner = 'webhook/4'`);
  const back = { ...moved, owner: 'webhook/3' };
  expect(await asRole('kontor_registry').find(back)).toBe('moved');
  await expect(asRole('kontor_registry', randomBytes(32)).find(back)).rejects.toThrow(KeyUnusable);
});

it.each(['kontor_deployment', 'kontor_monitoring', 'kontor_governance'])('shows %s nothing', async (role) => {
  const store = asRole(role);
  await expect(store.put(workspace, 'webhook/5', 'x')).rejects.toThrow('permission denied');
  await expect(store.find({ workspace, owner: 'webhook/5', version: 1 })).rejects.toThrow('permission denied');
  await expect(store.forget(workspace, 'webhook/5')).rejects.toThrow('permission denied');
});

it('says that the key store is away', async () => {
  const nowhere = new SecretStore(sessions('postgresql://a:b@127.0.0.1:1/none'), kek);
  await expect(nowhere.put(workspace, 'webhook/6', 'x')).rejects.toThrow(KeysUnavailable);
});
