import { hash, type KeyObject } from 'node:crypto';
import type { Actor } from '@kontor/event-sourcing';
import { decodeJwt, errors, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';

/** One request with one retry; a copied assertion is soon worth nothing. */
const LIFETIME_S = 10;

const claims = z.object({
  iss: z.string(),
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

const digestOf = (payload: Uint8Array): string => hash('sha256', payload, 'hex');

export interface AssertionContent {
  readonly issuer: string;
  readonly actor: Actor;
  readonly workspace: string;
  readonly commandId: string;
  readonly payload: Uint8Array;
}

/** A compact JWS (EdDSA) that says who sends this very payload; valid for 10 s. */
export const signAssertion = (
  key: KeyObject,
  { issuer, actor, workspace, commandId, payload }: AssertionContent,
): Promise<string> =>
  new SignJWT({ kind: actor.kind, roles: [...actor.roles], ws: workspace, cid: commandId, dig: digestOf(payload) })
    .setProtectedHeader({ alg: 'EdDSA' })
    .setIssuer(issuer)
    .setSubject(actor.id)
    .setIssuedAt()
    .setExpirationTime(`${LIFETIME_S}s`)
    .sign(key);

/**
 * Who sent the payload, by an assertion for exactly this command id and these bytes.
 *
 * @param keyOf public key of an issuer; undefined for one that is not trusted.
 * @throws Unauthenticated with the reason.
 */
export const verifyAssertion = async (
  assertion: string | undefined,
  { commandId, payload }: Pick<AssertionContent, 'commandId' | 'payload'>,
  keyOf: (issuer: string) => Promise<KeyObject | undefined>,
): Promise<{ readonly issuer: string; readonly actor: Actor; readonly workspace: string }> => {
  if (assertion === undefined) throw new Unauthenticated('the assertion is missing');
  try {
    const key = await keyOf(decodeJwt(assertion).iss ?? '');
    if (key === undefined) throw new Unauthenticated('the issuer of the assertion is not trusted');
    const verified = await jwtVerify(assertion, key, { algorithms: ['EdDSA'], maxTokenAge: LIFETIME_S });
    const content = claims.parse(verified.payload);
    if (content.cid !== commandId) throw new Unauthenticated('the assertion belongs to another command');
    if (content.dig !== digestOf(payload)) throw new Unauthenticated('the payload is not the asserted one');
    const actor = { id: content.sub, kind: content.kind, roles: content.roles };
    return { issuer: content.iss, actor, workspace: content.ws };
  } catch (error) {
    if (error instanceof errors.JOSEError || error instanceof z.ZodError) {
      throw new Unauthenticated('the assertion is expired, malformed or not signed by a trusted issuer', {
        cause: error,
      });
    }
    throw error;
  }
};
