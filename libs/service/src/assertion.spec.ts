import { createSecretKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { decodeJwt, SignJWT } from 'jose';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { signAssertion, Unauthenticated, verifyAssertion } from './assertion.js';

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const keys: Readonly<Record<string, KeyObject>> = { gateway: publicKey };
const keyOf = async (issuer: string): Promise<KeyObject | undefined> => keys[issuer];

const payload = new TextEncoder().encode('{"type":"Rename"}');
const commandId = '0190a0b0-0000-7000-8000-000000000001';
const actor = { id: 'ada', kind: 'person' as const, roles: ['editor'] };
const content = { issuer: 'gateway', actor, workspace: 'default', commandId, payload };

/** The claims of a right assertion, signed in another way. */
const forge = async (algorithm: string, key: KeyObject, changes: Record<string, unknown> = {}): Promise<string> =>
  new SignJWT({ ...decodeJwt(await signAssertion(privateKey, content)), ...changes })
    .setProtectedHeader({ alg: algorithm })
    .sign(key);

const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('verifyAssertion', () => {
  afterEach(() => vi.useRealTimers());

  it('says who sent exactly this payload', async () => {
    const assertion = await signAssertion(privateKey, content);
    expect(await verifyAssertion(assertion, content, keyOf)).toEqual({
      issuer: 'gateway',
      actor,
      workspace: 'default',
    });
  });

  it.each<[string, () => Promise<string | undefined>]>([
    ['a missing one', async () => undefined],
    ['an empty one', async () => ''],
    ['no token at all', async () => 'hello.world'],
    ['one of another key', () => signAssertion(generateKeyPairSync('ed25519').privateKey, content)],
    ['one of an unknown issuer', () => signAssertion(privateKey, { ...content, issuer: 'mallory' })],
    ['one without an issuer', () => signAssertion(privateKey, { ...content, issuer: '' })],
    [
      'one for another command id',
      () => signAssertion(privateKey, { ...content, commandId: commandId.replace('1', '2') }),
    ],
    ['one for another payload', () => signAssertion(privateKey, { ...content, payload: new Uint8Array([1]) })],
    [
      'one without a signature',
      async () => {
        const claims = decodeJwt(await signAssertion(privateKey, content));
        return `${base64url({ alg: 'none' })}.${base64url(claims)}.`;
      },
    ],
    [
      'HS256 with the public key as its secret',
      () => forge('HS256', createSecretKey(Buffer.from(publicKey.export({ type: 'spki', format: 'pem' })))),
    ],
    [
      'claims that were changed after signing',
      async () => {
        const [head, body, signature] = (await signAssertion(privateKey, content)).split('.');
        const claims = JSON.parse(Buffer.from(body ?? '', 'base64url').toString()) as object;
        return [head, base64url({ ...claims, roles: ['admin'] }), signature].join('.');
      },
    ],
    ['one that promises itself a long life', () => forge('EdDSA', privateKey, { iat: 1, exp: 4_000_000_000 })],
    ['one without a time', () => forge('EdDSA', privateKey, { iat: undefined })],
    ['a kind of actor that does not exist', () => forge('EdDSA', privateKey, { kind: 'root' })],
    ['a workspace that would be a path', () => forge('EdDSA', privateKey, { ws: '../other' })],
  ])('refuses %s', async (_, make) => {
    await expect(verifyAssertion(await make(), content, keyOf)).rejects.toThrow(Unauthenticated);
  });

  it('refuses one that is older than 10 s', async () => {
    vi.useFakeTimers({ now: Date.parse('2026-06-01T12:00:00Z'), toFake: ['Date'] });
    const assertion = await signAssertion(privateKey, content);
    vi.setSystemTime(Date.parse('2026-06-01T12:00:09Z'));
    expect(await verifyAssertion(assertion, content, keyOf)).toMatchObject({ actor });
    vi.setSystemTime(Date.parse('2026-06-01T12:00:11Z'));
    await expect(verifyAssertion(assertion, content, keyOf)).rejects.toThrow(Unauthenticated);
  });
});
