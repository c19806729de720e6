import { hash, type KeyObject } from 'node:crypto';
import type { Actor } from '@kontor/event-sourcing';
import { decodeJwt, errors, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';

/** One request with one retry; a copied assertion is soon worth nothing. */
const LIFETIME_S = 10;

/** Commands of one signature. The assertion of each carries the digests of all, 60 bytes for each of them. */
const MAX_COMMANDS = 32;

/** Signatures that are remembered: the commands of one arrive within milliseconds. */
const MAX_REMEMBERED = 64;

const SEPARATOR = '~';

/** What a signature covers: who signs, when, and the digests of what it says, one statement for each command. */
const signedClaims = z.object({ iss: z.string(), iat: z.number(), exp: z.number(), says: z.array(z.string()) });

/** What is said of one command. */
const statement = z.object({
  sub: z.string().min(1).max(200),
  kind: z.enum(['person', 'service', 'local']),
  roles: z.array(z.string()),
  ws: z.string().regex(/^[a-z0-9][a-z0-9_-]*$/),
  cid: z.string(),
  dig: z.string(),
});

/** The assertion does not prove who sent this command. */
export class Unauthenticated extends Error {
  override readonly name = 'Unauthenticated';
}

const digestOf = (content: Uint8Array | string): string => hash('sha256', content, 'base64url');

export interface AssertionContent {
  readonly actor: Actor;
  readonly workspace: string;
  readonly commandId: string;
  readonly payload: Uint8Array;
}

const statementOf = ({ actor, workspace, commandId, payload }: AssertionContent): string => {
  const { id: sub, kind, roles } = actor;
  const said = { sub, kind, roles, ws: workspace, cid: commandId, dig: digestOf(payload) };
  return Buffer.from(JSON.stringify(said)).toString('base64url');
};

/**
 * Says of each command who sends this very payload: `<JWS>~<statement>`. The compact JWS (EdDSA, valid for 10 s) holds the
 * digests of the statements of all of them, so that many commands cost one signature.
 *
 * @source RFC 9901 (SD-JWT): digests that are signed, and disclosures behind them.
 */
export const signAssertions = async (
  key: KeyObject,
  issuer: string,
  contents: readonly AssertionContent[],
): Promise<readonly string[]> => {
  const statements = contents.map(statementOf);
  const signed = await new SignJWT({ says: statements.map(digestOf) })
    .setProtectedHeader({ alg: 'EdDSA' })
    .setIssuer(issuer)
    .setIssuedAt()
    .setExpirationTime(`${LIFETIME_S}s`)
    .sign(key);
  return statements.map((said) => `${signed}${SEPARATOR}${said}`);
};

/** {@link signAssertions} of one command. */
export const signAssertion = async (
  key: KeyObject,
  { issuer, ...content }: AssertionContent & { readonly issuer: string },
): Promise<string> => {
  const [assertion = ''] = await signAssertions(key, issuer, [content]);
  return assertion;
};

interface Waiting {
  readonly content: AssertionContent;
  readonly resolve: (assertion: string) => void;
  readonly reject: (error: unknown) => void;
}

/** Signs what is asked in one turn of the event loop at once: under load a command costs a part of a signature. */
export class AssertionSigner {
  #waiting: Waiting[] = [];

  constructor(
    private readonly key: KeyObject,
    private readonly issuer: string,
  ) {}

  /** As {@link signAssertion}. */
  sign(content: AssertionContent): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ content, resolve, reject });
      if (this.#waiting.length === 1) setImmediate(() => void this.#signAll());
    });
  }

  /** Never rejects: who waits gets the error. */
  async #signAll(): Promise<void> {
    const all = this.#waiting;
    this.#waiting = [];
    for (let start = 0; start < all.length; start += MAX_COMMANDS) {
      const some = all.slice(start, start + MAX_COMMANDS);
      try {
        const contents = some.map(({ content }) => content);
        const assertions = await signAssertions(this.key, this.issuer, contents);
        some.forEach(({ resolve }, index) => resolve(assertions[index] ?? ''));
      } catch (error) {
        for (const { reject } of some) reject(error);
      }
    }
  }
}

type Signed = z.output<typeof signedClaims>;

/** Reads assertions; a signature over many commands is verified once. */
export class AssertionVerifier {
  readonly #remembered = new Map<string, Promise<Signed>>();

  /** @param keyOf public key of an issuer; undefined for one that is not trusted. */
  constructor(private readonly keyOf: (issuer: string) => Promise<KeyObject | undefined>) {}

  /**
   * Who sent the payload, by an assertion for exactly this command id and these bytes.
   *
   * @throws Unauthenticated with the reason.
   */
  async verify(
    assertion: string | undefined,
    { commandId, payload }: Pick<AssertionContent, 'commandId' | 'payload'>,
  ): Promise<{ readonly issuer: string; readonly actor: Actor; readonly workspace: string }> {
    if (assertion === undefined) throw new Unauthenticated('the assertion is missing');
    const [token = '', said = '', ...more] = assertion.split(SEPARATOR);
    if (more.length > 0) throw new Unauthenticated('the assertion has more than two parts');
    const { iss, says } = await this.#signed(token);
    if (!says.includes(digestOf(said))) throw new Unauthenticated('the statement was not signed');
    const content = statement.safeParse(parse(said));
    if (!content.success) throw new Unauthenticated('the statement is malformed', { cause: content.error });
    const { sub, kind, roles, ws, cid, dig } = content.data;
    if (cid !== commandId) throw new Unauthenticated('the assertion belongs to another command');
    if (dig !== digestOf(payload)) throw new Unauthenticated('the payload is not the asserted one');
    return { issuer: iss, actor: { id: sub, kind, roles }, workspace: ws };
  }

  async #signed(token: string): Promise<Signed> {
    const known = this.#remembered.get(token);
    const verifying = known ?? this.#verifySignature(token);
    if (!known) this.#remember(token, verifying);
    const signed = await verifying;
    const nowS = Math.floor(Date.now() / 1_000);
    if (nowS >= signed.exp || nowS - signed.iat > LIFETIME_S) throw new Unauthenticated('the assertion is expired');
    return signed;
  }

  #remember(token: string, verifying: Promise<Signed>): void {
    this.#remembered.set(token, verifying);
    verifying.catch(() => this.#remembered.delete(token));
    if (this.#remembered.size <= MAX_REMEMBERED) return;
    const [oldest] = this.#remembered.keys();
    if (oldest !== undefined) this.#remembered.delete(oldest);
  }

  async #verifySignature(token: string): Promise<Signed> {
    try {
      const key = await this.keyOf(decodeJwt(token).iss ?? '');
      if (key === undefined) throw new Unauthenticated('the issuer of the assertion is not trusted');
      const { payload } = await jwtVerify(token, key, { algorithms: ['EdDSA'], maxTokenAge: LIFETIME_S });
      return signedClaims.parse(payload);
    } catch (error) {
      if (!(error instanceof errors.JOSEError) && !(error instanceof z.ZodError)) throw error;
      const message = 'the assertion is expired, malformed or not signed by a trusted issuer';
      throw new Unauthenticated(message, { cause: error });
    }
  }
}

/** @returns undefined for what is no JSON: the schema then refuses it. */
const parse = (said: string): unknown => {
  try {
    return JSON.parse(Buffer.from(said, 'base64url').toString());
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
};
