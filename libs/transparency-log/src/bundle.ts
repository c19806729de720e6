import { z } from 'zod';
import type { LogEntry } from './entry.js';
import { fromBase64, HASH_BYTES, toBase64 } from './hash.js';
import { Refused } from './note.js';
import { type Tile, tilePath } from './tile.js';

/*
 * A bundle is what an auditor takes home: JSON, one object a line. The first is the header. Of the whole log, a line with
 * the tile of leaf hashes comes before each 256 events; of some streams, each event carries a proof of its own.
 */

const FORMAT = 'kontor/bundle/1';

const header = z.strictObject({
  format: z.literal(FORMAT),
  /** `log`: every event up to the checkpoint; `streams`: those of some streams. */
  scope: z.enum(['log', 'streams']),
  /** The signed note. */
  checkpoint: z.string(),
});
const decimal = z.string().regex(/^[1-9]\d{0,15}$/);
const event = z.strictObject({
  position: decimal,
  eventId: z.string(),
  streamId: z.string(),
  version: decimal,
  type: z.string(),
  schemaVersion: z.int(),
  recordedAt: z.string(),
  workspace: z.string(),
  actor: z.string(),
  commandId: z.string(),
  data: z.string(),
  meta: z.string(),
  /** A C2SP tlog-proof, with the checkpoint of the header. */
  proof: z.string().optional(),
});
const tile = z.strictObject({ tile: z.string(), hashes: z.string() });

export type BundleHeader = Omit<z.output<typeof header>, 'format'>;
export type BundleEvent = z.output<typeof event>;

/** A line of a bundle after the first. */
export type BundleLine =
  | { readonly kind: 'event'; readonly event: BundleEvent }
  | { readonly kind: 'tile'; readonly path: string; readonly content: Uint8Array };

export const formatHeader = (content: BundleHeader): string => JSON.stringify({ format: FORMAT, ...content });

export const formatTile = (place: Tile, content: Uint8Array): string =>
  JSON.stringify({ tile: tilePath(place), hashes: toBase64(content) });

export const formatEvent = (entry: LogEntry, proof?: string): string =>
  JSON.stringify({
    position: String(entry.position),
    eventId: entry.eventId,
    streamId: entry.streamId,
    version: String(entry.version),
    type: entry.type,
    schemaVersion: entry.schemaVersion,
    recordedAt: entry.recordedAt,
    workspace: entry.workspace,
    actor: entry.actor,
    commandId: entry.commandId,
    data: entry.data,
    meta: entry.meta,
    proof,
  });

const parseLine = (line: string): unknown => {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw new Refused(`not JSON: ${line.slice(0, 80)}`, { cause: error });
  }
};

const check = <T>(schema: z.ZodType<T>, value: unknown): T => {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Refused(`${issue?.path.join('.') || 'the line'}: ${issue?.message ?? 'is wrong'}`);
};

/** @throws Refused if the line is no header of a bundle of this format */
export const parseHeader = (line: string): BundleHeader => check(header, parseLine(line));

/** @throws Refused if the line is neither an event nor a tile */
export const parseBundleLine = (line: string): BundleLine => {
  const value = parseLine(line);
  if (typeof value === 'object' && value !== null && 'tile' in value) {
    const { tile: path, hashes } = check(tile, value);
    const content = fromBase64(hashes);
    if (!content || content.length === 0 || content.length % HASH_BYTES !== 0) {
      throw new Refused(`${path}: hashes of ${HASH_BYTES} bytes in base64 are needed`);
    }
    return { kind: 'tile', path, content };
  }
  return { kind: 'event', event: check(event, value) };
};
