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

/**
 * Reads a token that {@link writePageToken} made for the same listing. All pages of a listing read one position, so an
 * offset repeats and skips nothing.
 *
 * @returns undefined for no token.
 * @throws MlflowError in MLflow's words.
 */
export const readPageToken = (listing: unknown, token: string | undefined): PageToken | undefined => {
  if (token === undefined || token === '') return undefined;
  if (token.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(token))
    throw invalid('Invalid page token, could not base64-decode');
  const decoded = Buffer.from(token, 'base64').toString();
  const damaged = () => invalid(`Invalid page token, decoded value=b'${decoded.replace(/[^\x20-\x7e]/g, '?')}'`);
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
