import { createPrivateKey, type KeyObject, sign } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CommandFailed } from './usage-error.js';

/** Whom a token speaks for, and how long. */
export interface TokenSubject {
  readonly actor: string;
  readonly roles: readonly string[];
  readonly workspace: string;
  readonly ttlMs: number;
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/**
 * A JSON Web Token of a person, for `Authorization: Bearer` and MLFLOW_TRACKING_TOKEN.
 * @param key - Ed25519
 * @source RFC 7519 (claims), RFC 8037 section 3.1 (EdDSA)
 */
export const signClaims = (key: KeyObject, subject: TokenSubject, nowMs: number): string => {
  const iat = Math.floor(nowMs / 1000);
  const exp = iat + Math.floor(subject.ttlMs / 1000);
  const { actor, roles, workspace } = subject;
  const claims = { sub: actor, kind: 'person', roles, ws: workspace, iat, exp };
  const content = `${encode({ alg: 'EdDSA', typ: 'JWT' })}.${encode(claims)}`;
  return `${content}.${sign(null, Buffer.from(content), key).toString('base64url')}`;
};

/** `signClaims` with the installation's key, `<keysDir>/token.pem`. @throws CommandFailed if that does not exist yet */
export const signToken = async (keysDir: string, subject: TokenSubject, nowMs: number): Promise<string> => {
  const file = join(keysDir, 'token.pem');
  const pem = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') throw new CommandFailed(`${file} does not exist: the first "kontor up" makes it`);
    throw error;
  });
  return signClaims(createPrivateKey(pem), subject, nowMs);
};
