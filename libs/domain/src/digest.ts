import { sha256Hex } from '@kontor/transparency-log';

/**
 * The canonical JSON of plain data: no spaces, keys in the order of their UTF-16 code units.
 *
 * @source RFC 8785; numbers and strings are written as ECMAScript does.
 */
export const canonicalJson = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item)).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  members.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`).join(',')}}`;
};

/** `sha256:` and the SHA-256 of the canonical JSON. */
export const digestOf = (value: unknown): string => `sha256:${sha256Hex(canonicalJson(value))}`;

/**
 * An id that follows from a text: the same text, the same id.
 *
 * @source RFC 9562, section 5.8: UUID version 8, whose content is free.
 */
export const derivedUuid = (text: string): string => {
  const hex = sha256Hex(text);
  const variant = ((parseInt(hex.slice(16, 17), 16) & 0x3) | 0x8).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-');
};
