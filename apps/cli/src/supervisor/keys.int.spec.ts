import { mkdir, mkdtemp, readdir, readFile, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { generateKeyPairSync, verify } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { publicKeys } from '../log-keys.js';
import { signPersonToken } from '../sign-token.js';
import { rolePasswords } from './database-roles.js';
import { giveKeys, prepareKeys } from './keys.js';

describe('the keys directory', () => {
  let directory: string;
  beforeEach(async () => {
    directory = join(await mkdtemp(join(tmpdir(), 'kontor-keys-')), 'keys');
  });
  afterEach(async () => {
    await rm(join(directory, '..'), { recursive: true });
  });
  const read = (name: string) => readFile(join(directory, name), 'utf8');

  it('holds a pair per issuer that stays the same, private halves readable by the owner only', async () => {
    await Promise.all([prepareKeys(directory), prepareKeys(directory)]);
    const before = await read('token.pem');
    await prepareKeys(directory);
    expect(await read('token.pem')).toBe(before);
    const files = await readdir(directory);
    expect(files).toHaveLength(17);
    for (const file of files.filter((name) => !name.endsWith('.pub.pem')))
      expect((await stat(join(directory, file))).mode & 0o777).toBe(0o600);
  });

  it('gets a lost public half back', async () => {
    await prepareKeys(directory);
    const before = await read('gateway.pub.pem');
    await unlink(join(directory, 'gateway.pub.pem'));
    await prepareKeys(directory);
    expect(await read('gateway.pub.pem')).toBe(before);
  });

  it.each([
    ['serving', ['serving.pem']],
    ['gateway', ['gateway.pem', 'personal-data.kek']],
    ['deployment', ['deployment.pem', 'log.pem', 'personal-data.kek']],
  ] as const)('gives %s its own private key, public halves, and no other secret', async (app, secret) => {
    await Promise.all([prepareKeys(directory), rolePasswords(directory)]);
    const folder = join(directory, '..', 'app-keys', app);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'token.pem'), 'of an older version');
    const { ino } = await stat(folder);
    await giveKeys(directory, folder, app);
    expect((await stat(folder)).ino).toBe(ino);
    const files = await readdir(folder);
    expect(files.filter((name) => !name.endsWith('.pub.pem')).sort()).toEqual(secret);
    expect(files.filter((name) => name.endsWith('.pub.pem'))).toHaveLength(8);
    for (const file of secret) expect((await stat(join(folder, file))).mode & 0o777).toBe(0o600);
    expect(await readFile(join(folder, 'gateway.pub.pem'), 'utf8')).toBe(await read('gateway.pub.pem'));
    expect((await stat(folder)).mode & 0o077).toBe(0);
  });

  it('says when a key is not there yet; then signs tokens that its public key verifies and another does not', async () => {
    await expect(
      signPersonToken(directory, { actor: 'ada', roles: ['owner'], workspace: 'default', ttlMs: 60_000 }, 0),
    ).rejects.toThrow(/token\.pem does not exist: the first "kontor up" makes it/);
    await expect(publicKeys(directory, 'kontor.example/log/0')).rejects.toThrow(
      /log\.pub\.pem does not exist: the first "kontor up" makes it/,
    );
    await prepareKeys(directory);
    const token = await signPersonToken(
      directory,
      { actor: 'ada', roles: ['owner'], workspace: 'default', ttlMs: 60_000 },
      0,
    );
    const [header = '', claims = '', signature = ''] = token.split('.');
    const signed = Buffer.from(`${header}.${claims}`);
    const bytes = Buffer.from(signature, 'base64url');
    expect(verify(null, signed, await read('token.pub.pem'), bytes)).toBe(true);
    expect(verify(null, signed, generateKeyPairSync('ed25519').publicKey, bytes)).toBe(false);
  });

  it('derives a password per database role that stays the same and is no other role’s', async () => {
    const passwords = await rolePasswords(directory);
    expect(await rolePasswords(directory)).toEqual(passwords);
    expect(new Set(Object.values(passwords)).size).toBe(Object.keys(passwords).length);
    expect(Object.keys(passwords)).toContain('kontor_gateway');
  });
});
