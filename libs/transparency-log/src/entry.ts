import { hash } from 'node:crypto';
import { type Hash, leafHash } from './hash.js';

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

const sha256Hex = (text: string): string => hash('sha256', text, 'hex');

/**
 * The 13 lines that an event's leaf covers, each ended by a newline. Anyone can make them with a shell script.
 *
 * What is not in the entry is not protected: correlation, causation and time of occurrence are covered through `meta`.
 *
 * @param origin the origin of the epoch in which the event was appended.
 */
export const entryText = (origin: string, entry: LogEntry): string =>
  [
    'kontor/event/1',
    origin,
    entry.position,
    entry.eventId,
    entry.streamId,
    entry.version,
    `${entry.type}@${entry.schemaVersion}`,
    entry.recordedAt,
    entry.workspace,
    entry.actor,
    entry.commandId,
    sha256Hex(entry.data),
    sha256Hex(entry.meta),
    '',
  ].join('\n');

/** The leaf hash of an event: what the log stores beside it, and what its tree is made of. */
export const eventLeaf = (origin: string, entry: LogEntry): Hash => leafHash(Buffer.from(entryText(origin, entry)));
