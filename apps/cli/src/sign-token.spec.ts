import { generateKeyPairSync, verify } from 'node:crypto';
import { expect, it } from 'vitest';
import { signClaims } from './sign-token.js';

it('signs exactly the claims of the person, so that the public key verifies them', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const subject = { actor: 'ada', roles: ['owner'], workspace: 'default', ttlMs: 3_600_000 };
  const [header = '', claims = '', signature = ''] = signClaims(privateKey, subject, 1_700_000_000_999).split('.');
  const decode = (part: string): unknown => JSON.parse(Buffer.from(part, 'base64url').toString());
  expect(decode(header)).toEqual({ alg: 'EdDSA', typ: 'JWT' });
  const times = { iat: 1_700_000_000, exp: 1_700_003_600 };
  expect(decode(claims)).toEqual({ sub: 'ada', kind: 'person', roles: ['owner'], ws: 'default', ...times });
  const signed = Buffer.from(`${header}.${claims}`);
  expect(verify(null, signed, publicKey, Buffer.from(signature, 'base64url'))).toBe(true);
  expect(verify(null, Buffer.from(`${header}.${claims}x`), publicKey, Buffer.from(signature, 'base64url'))).toBe(false);
});
