import type { KeyObject } from 'node:crypto';
import { userInfo } from 'node:os';
import type { Actor } from '@kontor/event-sourcing';
import { decodeProtectedHeader, jwtVerify, type ProtectedHeaderParameters, SignJWT } from 'jose';
import { z } from 'zod';
import { Unauthenticated } from './assertion.js';
import { loadPublicKey } from './keys.js';

/** Who asks, in which workspace, and until when. Made once per request or socket, from a verified token or by open mode. */
export interface Principal {
  readonly actor: Actor;
  readonly workspace: string;
  /** Where it may be instead, {@link workspace} among them; undefined in open mode, where that is everywhere. */
  readonly workspaces: readonly string[] | undefined;
  /** Milliseconds since 1970; undefined in open mode, which has no sign-in to expire. */
  readonly expiresAtMs: number | undefined;
}

/** May read everything and send nothing. */
const AUDITOR = 'auditor';

/** An auditor's token is no writer's token, whatever other roles it names. */
export const mayCommand = ({ actor }: Principal): boolean => !actor.roles.includes(AUDITOR);

/** Whether a request of this principal may choose the workspace. */
export const mayEnter = ({ workspaces }: Principal, workspace: string): boolean =>
  workspaces === undefined || workspaces.includes(workspace);

/** The workspace that every installation has. In open mode everybody is in it who chooses no other. */
export const DEFAULT_WORKSPACE = 'default';

/** The key pair of `kontor token`: it signs for people. */
export const TOKEN_ISSUER = 'token';

const workspace = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/);

const claims = z.object({
  sub: z.string().min(1).max(200),
  kind: z.enum(['person', 'service']),
  roles: z.array(z.string().min(1).max(100)).max(50),
  ws: workspace,
  /** Further ones, for requests that choose. */
  more_ws: z.array(workspace).max(50).default([]),
  iat: z.int(),
  exp: z.int(),
});

/** Clocks of one installation differ by less. */
const CLOCK_TOLERANCE_S = 5;

/** An EdDSA signature costs about a tenth of a millisecond to check, a client sends the same token for an hour. */
const MAX_REMEMBERED = 1_000;

/** Whom a token speaks for, and how long. */
export interface TokenSubject {
  readonly actor: Actor;
  readonly workspace: string;
  /** Further ones, which a request may choose. */
  readonly moreWorkspaces?: readonly string[] | undefined;
  readonly ttlMs: number;
}

/**
 * A JSON Web Token for `Authorization: Bearer` and MLFLOW_TRACKING_TOKEN.
 *
 * @param key Ed25519, of the issuer: {@link TOKEN_ISSUER} for people, a service's name for the service itself.
 * @source RFC 7519 (claims), RFC 8037 section 3.1 (EdDSA)
 */
export const signToken = (
  key: KeyObject,
  issuer: string,
  { actor, workspace, moreWorkspaces, ttlMs }: TokenSubject,
  nowMs: number,
): Promise<string> => {
  const issuedAtS = Math.floor(nowMs / 1000);
  return new SignJWT({ kind: actor.kind, roles: [...actor.roles], ws: workspace, more_ws: moreWorkspaces })
    .setProtectedHeader({ alg: 'EdDSA', typ: 'JWT', kid: issuer })
    .setSubject(actor.id)
    .setIssuedAt(issuedAtS)
    .setExpirationTime(issuedAtS + Math.floor(ttlMs / 1000))
    .sign(key);
};

export interface AuthenticatorOptions {
  readonly mode: 'open' | 'token';
  /** Holds `<issuer>.pub.pem`, the public half of the key that an issuer signs with. */
  readonly keysDir: string;
  /** Whose tokens open this door, {@link TOKEN_ISSUER} among them. */
  readonly issuers: readonly string[];
}

/** Turns the `Authorization` header of a request, or the same text sent by a socket, into a principal. */
export class Authenticator {
  readonly #keys = new Map<string, Promise<KeyObject>>();
  /** By header, oldest first. */
  readonly #remembered = new Map<string, Principal>();

  constructor(private readonly options: AuthenticatorOptions) {}

  /**
   * @param authorization `Bearer <token>`, or `Basic` with the token as password (MLflow clients, browsers); undefined for none.
   * @throws Unauthenticated. A token that is given is always verified, also in open mode.
   */
  async authenticate(authorization: string | undefined): Promise<Principal> {
    if (authorization === undefined) {
      if (this.options.mode === 'open') return localPrincipal;
      throw new Unauthenticated('a token is needed: send "Authorization: Bearer <token>"; `kontor token` makes one');
    }
    const known = this.#remembered.get(authorization);
    if (known?.expiresAtMs !== undefined && known.expiresAtMs > Date.now()) return known;
    const principal = await this.#verify(tokenOf(authorization));
    for (const oldest of this.#remembered.keys()) {
      if (this.#remembered.size < MAX_REMEMBERED) break;
      this.#remembered.delete(oldest);
    }
    this.#remembered.set(authorization, principal);
    return principal;
  }

  async #verify(token: string): Promise<Principal> {
    let payload: unknown;
    try {
      const options = { algorithms: ['EdDSA'], requiredClaims: ['exp', 'iat'], clockTolerance: CLOCK_TOLERANCE_S };
      payload = (await jwtVerify(token, (header: ProtectedHeaderParameters) => this.#keyOf(header), options)).payload;
    } catch (error) {
      if (error instanceof Unauthenticated) throw error;
      throw new Unauthenticated('the token is expired, malformed or not signed by this installation', { cause: error });
    }
    const parsed = claims.safeParse(payload);
    if (!parsed.success)
      throw new Unauthenticated('the token lacks a claim of this installation', { cause: parsed.error });
    const { sub, kind, roles, ws, more_ws, exp } = parsed.data;
    // People and their tools have the key that signs tokens; a service proves its name with its own.
    if (sub.startsWith('service:') && sub !== `service:${decodeProtectedHeader(token).kid ?? TOKEN_ISSUER}`)
      throw new Unauthenticated(`the issuer of the token may not speak for ${sub}`);
    const workspaces = [ws, ...more_ws];
    return { actor: { id: sub, kind, roles }, workspace: ws, workspaces, expiresAtMs: exp * 1000 };
  }

  /** Read at the first token: open mode works without any key. */
  async #keyOf({ kid = TOKEN_ISSUER }: ProtectedHeaderParameters): Promise<KeyObject> {
    if (!this.options.issuers.includes(kid)) throw new Unauthenticated('the issuer of the token is not trusted here');
    const key = this.#keys.get(kid) ?? loadPublicKey(this.options.keysDir, kid);
    this.#keys.set(kid, key);
    try {
      return await key;
    } catch (error) {
      this.#keys.delete(kid);
      throw new Unauthenticated('this installation has made no token yet: `kontor token` does', { cause: error });
    }
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

const userName = (): string => {
  try {
    return userInfo().username;
  } catch {
    return `uid-${String(process.getuid?.())}`; // a container may run under an id that has no name
  }
};

/** Who acts in open mode, and at the command line. */
export const LOCAL_ACTOR_ID = `local:${userName()}`;

/** No role: deciders let the local user govern and operate by its kind, and never count it as a second person. */
const localPrincipal: Principal = {
  actor: { id: LOCAL_ACTOR_ID, kind: 'local', roles: [] },
  workspace: DEFAULT_WORKSPACE,
  workspaces: undefined,
  expiresAtMs: undefined,
};
