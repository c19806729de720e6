import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { importSPKI, jwtVerify, type CryptoKey } from 'jose';
import { z } from 'zod';
import type { Principal } from './principal.js';

/** Says which part of a sign-in is wrong, without saying anything about the token's content. Becomes 401. */
export class Unauthenticated extends Error {
  readonly code = 'UNAUTHENTICATED';
}

const claims = z.object({
  sub: z.string().min(1).max(200),
  kind: z.enum(['person', 'service']),
  roles: z.array(z.string().min(1).max(100)).max(50),
  ws: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/),
  iat: z.int(),
  exp: z.int(),
});

/** Clocks of one installation differ by less. */
const CLOCK_TOLERANCE_S = 5;
/** In open mode everybody is this user's workspace. */
export const DEFAULT_WORKSPACE = 'default';

export interface AuthenticatorOptions {
  readonly mode: 'open' | 'token';
  /** Holds `token.pub.pem`, the public half of the key that `kontor token` signs with. */
  readonly keysDir: string;
}

/** Turns the `Authorization` header of a request, or the same text sent by a socket, into a principal. */
export class Authenticator {
  #key: Promise<CryptoKey> | undefined;

  constructor(private readonly options: AuthenticatorOptions) {}

  /**
   * @param authorization `Bearer <token>`, or `Basic` with the token as password (MLflow clients); undefined for none.
   * @throws Unauthenticated. A token that is given is always verified, also in open mode.
   */
  async authenticate(authorization: string | undefined): Promise<Principal> {
    if (authorization === undefined) {
      if (this.options.mode === 'open') return localPrincipal();
      throw new Unauthenticated('a token is needed: send "Authorization: Bearer <token>"; `kontor token` makes one');
    }
    return this.#verify(tokenOf(authorization));
  }

  async #verify(token: string): Promise<Principal> {
    // Read at the first token: `kontor token` makes the key pair, and open mode works without one.
    this.#key ??= readFile(join(this.options.keysDir, 'token.pub.pem'), 'utf8').then((pem) => importSPKI(pem, 'EdDSA'));
    let key: CryptoKey;
    try {
      key = await this.#key;
    } catch (error) {
      this.#key = undefined;
      throw new Unauthenticated('this installation has made no token yet: `kontor token` does', { cause: error });
    }
    let payload: unknown;
    try {
      const options = { algorithms: ['EdDSA'], requiredClaims: ['exp', 'iat'], clockTolerance: CLOCK_TOLERANCE_S };
      payload = (await jwtVerify(token, key, options)).payload;
    } catch (error) {
      throw new Unauthenticated('the token is expired, malformed or not signed by this installation', { cause: error });
    }
    const parsed = claims.safeParse(payload);
    if (!parsed.success)
      throw new Unauthenticated('the token lacks a claim of this installation', { cause: parsed.error });
    const { sub, kind, roles, ws, exp } = parsed.data;
    return { actor: { id: sub, kind, roles }, workspace: ws, expiresAtMs: exp * 1000 };
  }
}

const tokenOf = (authorization: string): string => {
  const [scheme = '', value = ''] = authorization.split(' ', 2);
  if (/^bearer$/i.test(scheme) && value !== '') return value;
  if (/^basic$/i.test(scheme)) {
    const [, ...password] = Buffer.from(value, 'base64').toString().split(':');
    if (password.length > 0) return password.join(':');
  }
  throw new Unauthenticated('Authorization must be "Bearer <token>", or Basic with the token as password');
};

/** Roles of the local user: all that deciders ask for. It still does not count as a second person. */
const LOCAL_ROLES = ['admin', 'author', 'approver', 'reviewer', 'operator', 'owner', 'risk-manager'];

const localPrincipal = (): Principal => ({
  actor: { id: `local:${userInfo().username}`, kind: 'local', roles: LOCAL_ROLES },
  workspace: DEFAULT_WORKSPACE,
  expiresAtMs: undefined,
});
