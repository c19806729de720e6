import { createSecretKey, generateKeyPairSync, hash, type KeyObject } from 'node:crypto';
import { decodeJwt, SignJWT } from 'jose';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { AssertionSigner, AssertionVerifier, signAssertion, Unauthenticated } from './assertion.js';

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const keys: Readonly<Record<string, KeyObject>> = { gateway: publicKey };
const keyOf = async (issuer: string): Promise<KeyObject | undefined> => keys[issuer];

const payload = new TextEncoder().encode('{"type":"Rename"}');
const commandId = '0190a0b0-0000-7000-8000-000000000001';
const actor = { id: 'ada', kind: 'person' as const, roles: ['editor'] };
const content = { issuer: 'gateway', actor, workspace: 'default', commandId, payload };

const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A right assertion whose signature, claims or statement are made in another way. */
const forge = async (
  algorithm: string,
  key: KeyObject,
  { claims = {}, says = {} }: { claims?: Record<string, unknown>; says?: Record<string, unknown> } = {},
): Promise<string> => {
  const [token = '', said = ''] = (await signAssertion(privateKey, content)).split('~');
  const statement = base64url({ ...(JSON.parse(Buffer.from(said, 'base64url').toString()) as object), ...says });
  const digests = [hash('sha256', statement, 'base64url')];
  const jws = await new SignJWT({ ...decodeJwt(token), says: digests, ...claims })
    .setProtectedHeader({ alg: algorithm })
    .sign(key);
  return `${jws}~${statement}`;
};

const verifyAssertion = (assertion: string | undefined, asked = content) =>
  new AssertionVerifier(keyOf).verify(assertion, asked);

describe('an assertion', () => {
  afterEach(() => vi.useRealTimers());

  it('says who sent exactly this payload', async () => {
    const assertion = await signAssertion(privateKey, content);
    expect(await verifyAssertion(assertion)).toEqual({
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
        const [token = '', said = ''] = (await signAssertion(privateKey, content)).split('~');
        return `${base64url({ alg: 'none' })}.${base64url(decodeJwt(token))}.~${said}`;
      },
    ],
    [
      'HS256 with the public key as its secret',
      () => forge('HS256', createSecretKey(Buffer.from(publicKey.export({ type: 'spki', format: 'pem' })))),
    ],
    [
      'claims that were changed after signing',
      async () => {
        const [token = '', said = ''] = (await signAssertion(privateKey, content)).split('~');
        const [head, body, signature] = token.split('.');
        const claims = JSON.parse(Buffer.from(body ?? '', 'base64url').toString()) as object;
        return `${[head, base64url({ ...claims, iss: 'gateway', exp: 4_000_000_000 }), signature].join('.')}~${said}`;
      },
    ],
    [
      'a statement that was changed after signing',
      async () => {
        const [token = '', said = ''] = (await signAssertion(privateKey, content)).split('~');
        const says = JSON.parse(Buffer.from(said, 'base64url').toString()) as object;
        return `${token}~${base64url({ ...says, roles: ['admin'] })}`;
      },
    ],
    ['a signature without a statement', async () => (await signAssertion(privateKey, content)).split('~')[0]],
    [
      'a statement of another signature',
      async () =>
        (await signAssertion(generateKeyPairSync('ed25519').privateKey, content)).replace(
          /^[^~]*/,
          (await signAssertion(privateKey, { ...content, actor: { ...actor, id: 'eve' } })).split('~')[0] ?? '',
        ),
    ],
    ['more than two parts', async () => `${await signAssertion(privateKey, content)}~`],
    [
      'a statement that is no JSON',
      async () => {
        const said = Buffer.from('{').toString('base64url');
        return (await forge('EdDSA', privateKey, { claims: { says: [hash('sha256', said, 'base64url')] } })).replace(
          /~.*/,
          `~${said}`,
        );
      },
    ],
    [
      'one that promises itself a long life',
      () => forge('EdDSA', privateKey, { claims: { iat: 1, exp: 4_000_000_000 } }),
    ],
    ['one without a time', () => forge('EdDSA', privateKey, { claims: { iat: undefined } })],
    ['a kind of actor that does not exist', () => forge('EdDSA', privateKey, { says: { kind: 'root' } })],
    ['a workspace that would be a path', () => forge('EdDSA', privateKey, { says: { ws: '../other' } })],
  ])('refuses %s', async (_, make) => {
    await expect(verifyAssertion(await make())).rejects.toThrow(Unauthenticated);
  });

  it('that is forged in the tests is right where nothing is changed', async () => {
    expect(await verifyAssertion(await forge('EdDSA', privateKey))).toMatchObject({ actor });
  });

  it('is signed and verified with others of its moment, and says of each command its own', async () => {
    const signer = new AssertionSigner(privateKey, 'gateway');
    const people = Array.from({ length: 70 }, (_, index) => ({
      ...content,
      actor: { ...actor, id: `person-${index}` },
      commandId: commandId.replace(/.{3}$/, String(index).padStart(3, '0')),
    }));
    const assertions = await Promise.all(people.map((person) => signer.sign(person)));
    expect(new Set(assertions.map((assertion) => assertion.split('~')[0])).size).toBe(3);
    let asked = 0;
    const verifier = new AssertionVerifier((issuer) => {
      asked += 1;
      return keyOf(issuer);
    });
    for (const [index, person] of people.entries())
      expect(await verifier.verify(assertions[index], person)).toMatchObject({ actor: { id: `person-${index}` } });
    expect(asked).toBe(3);
    await expect(verifier.verify(assertions[0], people[1] ?? content)).rejects.toThrow(Unauthenticated);
  });

  it('refuses one that is older than 10 s, also if its signature is remembered', async () => {
    vi.useFakeTimers({ now: Date.parse('2026-06-01T12:00:00Z'), toFake: ['Date'] });
    const assertion = await signAssertion(privateKey, content);
    const verifier = new AssertionVerifier(keyOf);
    vi.setSystemTime(Date.parse('2026-06-01T12:00:09Z'));
    expect(await verifier.verify(assertion, content)).toMatchObject({ actor });
    vi.setSystemTime(Date.parse('2026-06-01T12:00:11Z'));
    for (const late of [verifier, new AssertionVerifier(keyOf)])
      await expect(late.verify(assertion, content)).rejects.toThrow(Unauthenticated);
  });
});
