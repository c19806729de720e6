import { mkdtemp, readdir, readFile, rm, stat, unlink } from 'node:fs/promises';
import { generateKeyPairSync, verify } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { signToken } from '../sign-token.js';
import { rolePasswords } from './database-roles.js';
import { prepareKeys } from './keys.js';

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
    expect(files).toHaveLength(14);
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

  it('signs tokens that its public key verifies and another does not', async () => {
    await expect(
      signToken(directory, { actor: 'ada', roles: ['owner'], workspace: 'default', ttlMs: 60_000 }, 0),
    ).rejects.toThrow(/token\.pem does not exist: the first "kontor up" makes it/);
    await prepareKeys(directory);
    const token = await signToken(
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
