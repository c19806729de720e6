import { join } from 'node:path';
import { loadPrivateKey, signToken, TOKEN_ISSUER } from '@kontor/service/process';
import { usableKey } from './usable-key.js';

/** Whom a token speaks for, and how long. */
export interface PersonToken {
  readonly actor: string;
  readonly roles: readonly string[];
  readonly workspace: string;
  /** Further ones, which a request may choose. */
  readonly moreWorkspaces?: readonly string[];
  readonly ttlMs: number;
}

/** A token of a person, signed with the installation's key. @throws CommandFailed if that does not exist yet or cannot be read */
export const signPersonToken = async (keysDir: string, person: PersonToken, nowMs: number): Promise<string> => {
  const key = await usableKey(join(keysDir, `${TOKEN_ISSUER}.pem`), loadPrivateKey(keysDir, TOKEN_ISSUER));
  const { actor: id, roles, ...place } = person;
  return signToken(key, TOKEN_ISSUER, { actor: { id, kind: 'person', roles }, ...place }, nowMs);
};
