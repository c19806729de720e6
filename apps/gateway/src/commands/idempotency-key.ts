import type { IncomingHttpHeaders } from 'node:http';
import { outsideWindow } from '@kontor/event-sourcing';

const HEADER = 'Idempotency-Key';

/** A key that the log would not remember: 400 at every door. The message says which it takes. */
export class IdempotencyKeyInvalid extends Error {
  override readonly name = 'IdempotencyKeyInvalid';
}

/** What every door says, with 409 and {@link KEY_USED}, of a key that was sent with another request before. */
export const KEY_USED_MESSAGE = `The ${HEADER} was used for another request.`;
/** The services' code for it. */
export const KEY_USED = 'IDEMPOTENCY_MISMATCH';

/**
 * The id that a client chose for its write: the id of its first command. Undefined without the header.
 *
 * @source IETF draft-ietf-httpapi-idempotency-key-header, for the name of the header
 * @throws IdempotencyKeyInvalid
 */
export const idempotencyKey = (headers: IncomingHttpHeaders): string | undefined => {
  const header = headers[HEADER.toLowerCase()];
  if (header === undefined) return undefined;
  const key = String(header).toLowerCase();
  const refusal = outsideWindow(key, 0, Date.now());
  if (refusal === undefined) return key;
  const { oldest, newest } = refusal;
  const allowed = `a UUIDv7 made between ${oldest.toISOString()} and ${newest.toISOString()}`;
  throw new IdempotencyKeyInvalid(`${HEADER}: must be ${allowed}, got ${JSON.stringify(key.slice(0, 100))}`);
};
