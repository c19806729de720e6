import { hash } from 'node:crypto';
import canonicalizeJson from 'canonicalize';

/** RFC 8785 canonical JSON text. @throws Error if the value is not JSON. */
export const canonicalize = (value: unknown): string => {
  const text = canonicalizeJson(value);
  if (text === undefined) throw new Error('not a JSON value');
  return text;
};

/**
 * SHA-256 of what the client asked for, 32 bytes. Not of the decided events: after a crash the service decides again and
 * may decide differently.
 */
export const requestHash = (request: {
  readonly workspace: string;
  readonly type: string;
  readonly data: unknown;
}): Uint8Array => {
  const { workspace, type, data } = request;
  return hash('sha256', canonicalize({ workspace, type, data }), 'buffer');
};
