import { createSecretKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeJwt, decodeProtectedHeader, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureKeyPair, loadPrivateKey } from './keys.js';
import { Authenticator, mayCommand, mayEnter, signToken, TOKEN_ISSUER } from './sign-in.js';

const HOUR_MS = 3_600_000;
const ada = { actor: { id: 'ada', kind: 'person', roles: ['owner'] }, workspace: 'default', ttlMs: HOUR_MS } as const;
let keysDir: string;
let key: KeyObject;
let door: Authenticator;

beforeAll(async () => {
  keysDir = await mkdtemp(join(tmpdir(), 'kontor-keys-'));
  for (const issuer of [TOKEN_ISSUER, 'monitoring', 'gateway']) await ensureKeyPair(keysDir, issuer);
  key = await loadPrivateKey(keysDir, TOKEN_ISSUER);
  door = new Authenticator({ mode: 'token', keysDir, issuers: [TOKEN_ISSUER, 'monitoring'] });
});
afterAll(() => rm(keysDir, { recursive: true }));

describe('a token', () => {
  it('says exactly whom it speaks for, and how long', async () => {
    const token = await signToken(key, TOKEN_ISSUER, ada, 1_700_000_000_999);
    expect(decodeProtectedHeader(token)).toEqual({ alg: 'EdDSA', typ: 'JWT', kid: 'token' });
    const times = { iat: 1_700_000_000, exp: 1_700_003_600 };
    expect(decodeJwt(token)).toEqual({ sub: 'ada', kind: 'person', roles: ['owner'], ws: 'default', ...times });
  });

  it.each(['Bearer', 'bearer', 'Basic'])('opens the door as %s, also a second time', async (scheme) => {
    const token = await signToken(key, TOKEN_ISSUER, ada, Date.now());
    const sent = scheme === 'Basic' ? Buffer.from(`anybody:${token}`).toString('base64') : token;
    const expiresAtMs = (decodeJwt(token).exp ?? 0) * 1000;
    const expected = { actor: ada.actor, workspace: 'default', workspaces: ['default'], expiresAtMs };
    expect(await door.authenticate(`${scheme} ${sent}`)).toEqual(expected);
    expect(await door.authenticate(`${scheme} ${sent}`)).toEqual(expected);
  });

  it('of several workspaces begins in the first, and may enter no other ones', async () => {
    const token = await signToken(key, TOKEN_ISSUER, { ...ada, moreWorkspaces: ['team-a'] }, Date.now());
    const principal = await door.authenticate(`Bearer ${token}`);
    expect(principal.workspace).toBe('default');
    expect(['default', 'team-a', 'team-b'].filter((name) => mayEnter(principal, name))).toEqual(['default', 'team-a']);
  });

  it('of a service opens the doors that trust its issuer', async () => {
    const actor = { id: 'monitoring', kind: 'service', roles: [] } as const;
    const issued = await signToken(
      await loadPrivateKey(keysDir, 'monitoring'),
      'monitoring',
      { ...ada, actor },
      Date.now(),
    );
    expect((await door.authenticate(`Bearer ${issued}`)).actor).toEqual(actor);
    const narrow = new Authenticator({ mode: 'token', keysDir, issuers: [TOKEN_ISSUER] });
    await expect(narrow.authenticate(`Bearer ${issued}`)).rejects.toThrow('not trusted here');
  });

  const claims = { kind: 'person', roles: [], ws: 'default' };
  const signed = (algorithm: string, by: KeyObject, kid: string, changes: object = {}): Promise<string> =>
    new SignJWT({ sub: 'ada', iat: 1_700_000_000, exp: 4_000_000_000, ...claims, ...changes })
      .setProtectedHeader({ alg: algorithm, kid })
      .sign(by);
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

  it.each<[string, () => Promise<string>]>([
    ['of another key', () => signed('EdDSA', generateKeyPairSync('ed25519').privateKey, 'token')],
    [
      'of a key that is not for this door',
      async () => signed('EdDSA', await loadPrivateKey(keysDir, 'gateway'), 'gateway'),
    ],
    ['that names a file elsewhere', () => signed('EdDSA', key, '../token')],
    ['that has expired', () => signToken(key, TOKEN_ISSUER, ada, Date.now() - 2 * HOUR_MS)],
    ['without an end', () => signed('EdDSA', key, 'token', { exp: undefined })],
    ['of the kind that only open mode gives', () => signed('EdDSA', key, 'token', { kind: 'local' })],
    ['without a workspace', () => signed('EdDSA', key, 'token', { ws: undefined })],
    ['of a workspace that can be none', () => signed('EdDSA', key, 'token', { more_ws: ['a/b'] })],
    ['signed with a shared secret', () => signed('HS256', createSecretKey(Buffer.alloc(32)), 'token')],
    ['without a signature', async () => `${encode({ alg: 'none' })}.${encode({ sub: 'ada', ...claims })}.`],
    ['of another shape', async () => 'a.b.c'],
  ])('%s is refused', async (_, make) => {
    await expect(door.authenticate(`Bearer ${await make()}`)).rejects.toMatchObject({ name: 'Unauthenticated' });
  });

  it.each(['', 'Bearer', 'Bearer ', 'Basic x', 'Digest x'])('is refused as "%s"', async (authorization) => {
    await expect(door.authenticate(authorization)).rejects.toThrow('Authorization must be');
  });
});

describe('a door', () => {
  it('in token mode asks for one, and in open mode takes the local user, who is no second person', async () => {
    await expect(door.authenticate(undefined)).rejects.toThrow('a token is needed');
    const open = new Authenticator({ mode: 'open', keysDir, issuers: [TOKEN_ISSUER] });
    const local = await open.authenticate(undefined);
    expect(mayEnter(local, 'anywhere')).toBe(true);
    expect(local.actor).toMatchObject({ kind: 'local', id: expect.stringMatching(/^local:/) as string });
    await expect(open.authenticate('Bearer a.b.c')).rejects.toMatchObject({ name: 'Unauthenticated' });
  });

  it('takes a token that has just ended, because clocks differ, and says when it ended', async () => {
    const over = await signToken(key, TOKEN_ISSUER, { ...ada, ttlMs: 1_000 }, Date.now() - 3_000);
    const { expiresAtMs = 0 } = await door.authenticate(`Bearer ${over}`);
    expect(expiresAtMs).toBe((decodeJwt(over).exp ?? 0) * 1000);
    expect(expiresAtMs).toBeLessThan(Date.now());
  });

  it('lets an auditor send nothing, whatever other roles there are', () => {
    const place = { workspace: 'default', workspaces: ['default'], expiresAtMs: 0 };
    const principal = (roles: string[]) => ({ actor: { ...ada.actor, roles }, ...place });
    expect(mayCommand(principal(['auditor', 'owner']))).toBe(false);
    expect(mayCommand(principal(['owner']))).toBe(true);
  });
});
