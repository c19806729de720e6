import { hash } from 'node:crypto';

/** SHA-256: 32 bytes. */
export type Hash = Uint8Array;

export const HASH_BYTES = 32;

// The prefixes keep a leaf from being taken for a node, and so a proof of one from proving the other.
const LEAF_PREFIX = 0;
const NODE_PREFIX = 1;

/**
 * SHA-256(0x00 || entry).
 *
 * @source RFC 6962, section 2.1.
 */
export const leafHash = (entry: Uint8Array): Hash => {
  const prefixed = Buffer.allocUnsafe(1 + entry.length);
  prefixed[0] = LEAF_PREFIX;
  prefixed.set(entry, 1);
  return hash('sha256', prefixed, 'buffer');
};

/**
 * SHA-256(0x01 || left || right).
 *
 * @source RFC 6962, section 2.1.
 */
export const nodeHash = (left: Hash, right: Hash): Hash => {
  const pair = Buffer.allocUnsafe(1 + 2 * HASH_BYTES);
  pair[0] = NODE_PREFIX;
  pair.set(left, 1);
  pair.set(right, 1 + HASH_BYTES);
  return hash('sha256', pair, 'buffer');
};

/** The root of the tree without leaves: SHA-256 of nothing. @source RFC 6962, section 2.1 */
export const EMPTY_ROOT: Hash = hash('sha256', Buffer.alloc(0), 'buffer');

export const equalHashes = (a: Hash, b: Hash): boolean => Buffer.compare(a, b) === 0;

/** Standard base64, 44 characters. */
export const toBase64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

/**
 * Reads standard base64 with padding, as written by {@link toBase64} and nothing else: another spelling of the same
 * bytes would let two texts pass for one.
 *
 * @returns undefined if it is none, or not of `length` bytes if that is given.
 */
export const fromBase64 = (text: string, length?: number): Buffer | undefined => {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text) return undefined;
  return length === undefined || bytes.length === length ? bytes : undefined;
};

/**
 * SHA-256 of the UTF-8 bytes of a text.
 *
 * @returns 64 lower-case hex digits.
 * @source FIPS 180-4, section 6.2.
 */
export const sha256Hex = (text: string): string => hash('sha256', text, 'hex');
