import { createHash } from 'node:crypto';
import { parsePosition, type Position } from '@kontor/event-sourcing';
import { invalid } from './errors.js';

/** Where a listing goes on: the position that all its pages read, and how many rows were sent. */
export interface PageToken {
  readonly position: Position;
  readonly offset: number;
}

/** What a token belongs to: another filter or order must not use it. */
const listingHash = (listing: unknown): string =>
  createHash('sha256').update(JSON.stringify(listing)).digest('base64url').slice(0, 16);

/** @param listing the request without its page fields. */
export const writePageToken = (listing: unknown, { position, offset }: PageToken): string =>
  Buffer.from(JSON.stringify({ position: String(position), offset, listing: listingHash(listing) })).toString('base64');

/** Bytes as Python writes them. */
const pythonBytes = (bytes: Buffer): string => {
  const text = bytes.toString('latin1');
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escapes: Readonly<Record<string, string>> = {
    '\n': '\\n',
    '\r': '\\r',
    '\t': '\\t',
    '\\': '\\\\',
    [quote]: `\\${quote}`,
  };
  const shown = text.replace(
    /[^\x20-\x7e]|[\\'"]/g,
    (unit) =>
      escapes[unit] ?? (/[\x20-\x7e]/.test(unit) ? unit : `\\x${unit.charCodeAt(0).toString(16).padStart(2, '0')}`),
  );
  return `b${quote}${shown}${quote}`;
};

/**
 * Reads a token that {@link writePageToken} made for the same listing. All pages of a listing read one position, so an
 * offset repeats and skips nothing.
 *
 * @returns undefined for no token.
 * @throws MlflowError in MLflow's words.
 */
export const readPageToken = (listing: unknown, token: string | undefined): PageToken | undefined => {
  if (token === undefined || token === '') return undefined;
  // As Python decodes: other characters are skipped, and what is left must be whole.
  const [characters = ''] = /^[A-Za-z0-9+/]*/.exec(token.replace(/[^A-Za-z0-9+/=]/g, '')) ?? [];
  const missing = -characters.length & 3;
  if (missing === 3 || !token.includes('='.repeat(missing)))
    throw invalid('Invalid page token, could not base64-decode');
  const bytes = Buffer.from(characters, 'base64');
  const decoded = bytes.toString();
  const damaged = () => invalid(`Invalid page token, decoded value=${pythonBytes(bytes)}`);
  let value: unknown;
  try {
    value = JSON.parse(decoded);
  } catch (error) {
    if (error instanceof SyntaxError) throw damaged();
    throw error;
  }
  if (typeof value !== 'object' || value === null) throw damaged();
  if (!('offset' in value)) throw invalid(`Invalid page token, parsed value=${decoded}`);
  const { position, offset, listing: hash } = value as Readonly<Record<string, unknown>>;
  const at = typeof position === 'string' ? parsePosition(position) : undefined;
  if (at === undefined || typeof offset !== 'number' || !Number.isSafeInteger(offset) || offset < 0) throw damaged();
  if (hash !== listingHash(listing))
    throw invalid('Invalid page token, it belongs to a search with another filter or order');
  return { position: at, offset };
};
