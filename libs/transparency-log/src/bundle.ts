import { z } from 'zod';
import type { LogEntry } from './entry.js';
import { fromBase64, HASH_BYTES, toBase64 } from './hash.js';
import { Refused } from './note.js';
import { type Tile, tilePath } from './tile.js';

/*
 * A bundle is what an auditor takes home: JSON, one object a line. The first is the header.
 *
 * - `log`: every event up to the checkpoint; before each 256 events the tile of their leaf hashes.
 * - `range`: every event of some positions, in the same order; before them the tiles above, up to the root.
 * - `streams`: the events of some streams, each with a proof of its own.
 * - `checkpoint`: no events.
 *
 * All but `log` may hold the tiles that show which earlier checkpoints the log begins with.
 */

const FORMAT = 'kontor/bundle/1';

const position = z.int().min(1);
const header = z.strictObject({
  format: z.literal(FORMAT),
  scope: z.enum(['log', 'range', 'streams', 'checkpoint']),
  /** The signed note. */
  checkpoint: z.string(),
  /** First and last position of a range. */
  range: z.tuple([position, position]).optional(),
  /** What the streams were chosen by, for a person: nothing proves it. */
  about: z.string().optional(),
  /** Absent for a log that was never restored: then the checkpoint's origin is that of every event. */
  epochs: z
    .array(z.strictObject({ origin: z.string(), firstPosition: position, link: z.string().optional() }))
    .min(1)
    .optional(),
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
  | { readonly kind: 'tile'; readonly path: string; readonly content: Buffer };

/** The first line of a bundle. */
export const formatHeader = (content: BundleHeader): string => JSON.stringify({ format: FORMAT, ...content });

/** The line of a tile. */
export const formatTile = (place: Tile, content: Uint8Array): string =>
  JSON.stringify({ tile: tilePath(place), hashes: toBase64(content) });

/** The line of an event. @param proof a C2SP tlog-proof; needed where no tile of the bundle covers the event */
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
    throw new Refused(`not JSON: ${line.slice(0, 80).replace(/\p{C}|\uFFFD/gu, '·')}`, { cause: error });
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

const FIELD_COUNT = Object.keys(event.shape).length;
const DECIMAL = /^[1-9]\d{0,15}$/;

/** What the schema of an event says, six times as fast; only a line that fails is held against the schema, for its words. */
const isEvent = (value: unknown): value is BundleEvent => {
  if (typeof value !== 'object' || value === null) return false;
  const one = value as Partial<Record<keyof BundleEvent, unknown>>;
  let fields = one.proof === undefined ? 1 : 0;
  for (const _ in value) fields++;
  return (
    fields === FIELD_COUNT &&
    typeof one.position === 'string' &&
    DECIMAL.test(one.position) &&
    typeof one.eventId === 'string' &&
    typeof one.streamId === 'string' &&
    typeof one.version === 'string' &&
    DECIMAL.test(one.version) &&
    typeof one.type === 'string' &&
    Number.isSafeInteger(one.schemaVersion) &&
    typeof one.recordedAt === 'string' &&
    typeof one.workspace === 'string' &&
    typeof one.actor === 'string' &&
    typeof one.commandId === 'string' &&
    typeof one.data === 'string' &&
    typeof one.meta === 'string' &&
    (one.proof === undefined || typeof one.proof === 'string')
  );
};

/** @throws Refused if the line is neither an event nor a tile */
export const parseBundleLine = (line: string): BundleLine => {
  const value = parseLine(line);
  if (isEvent(value)) return { kind: 'event', event: value };
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
