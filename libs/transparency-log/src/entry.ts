import { hash } from 'node:crypto';
import { type Hash, HASH_BYTES, sha256Hex } from './hash.js';

/** One event as the log holds it: `data` and `meta` are the exact stored text. Positions and versions in decimal. */
export interface LogEntry {
  readonly position: bigint | string;
  readonly eventId: string;
  readonly streamId: string;
  readonly version: bigint | string;
  readonly type: string;
  readonly schemaVersion: number;
  /** RFC 3339 in UTC with six digits of microseconds. */
  readonly recordedAt: string;
  readonly workspace: string;
  readonly actor: string;
  readonly commandId: string;
  readonly data: string;
  readonly meta: string;
}

/**
 * The 13 lines that an event's leaf covers, each ended by a newline. Anyone can make them with a shell script.
 *
 * What is not in the entry is not protected: correlation, causation and time of occurrence are covered through `meta`.
 *
 * @param origin the origin of the epoch in which the event was appended.
 */
export const entryText = (origin: string, entry: LogEntry): string =>
  `kontor/event/1\n${origin}\n${entry.position}\n${entry.eventId}\n${entry.streamId}\n${entry.version}\n` +
  `${entry.type}@${entry.schemaVersion}\n${entry.recordedAt}\n${entry.workspace}\n${entry.actor}\n` +
  `${entry.commandId}\n${sha256Hex(entry.data)}\n${sha256Hex(entry.meta)}\n`;

/** As text: U+0000 is the byte 0x00 that RFC 6962 puts before a leaf, and a string needs no copy before it is hashed. */
const leafText = (origin: string, entry: LogEntry): string => `\0${entryText(origin, entry)}`;

/** The leaf hash of an event: what the log stores beside it, and what its tree is made of. */
export const eventLeaf = (origin: string, entry: LogEntry): Hash => hash('sha256', leafText(origin, entry), 'buffer');

/** Whether the hash at a place of a tile is that of an event. Twice as fast as comparing with {@link eventLeaf}. */
export const isLeafOf = (origin: string, entry: LogEntry, tile: Buffer, place: number): boolean =>
  hash('sha256', leafText(origin, entry), 'binary') ===
  tile.toString('latin1', place * HASH_BYTES, (place + 1) * HASH_BYTES);
