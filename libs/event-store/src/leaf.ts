import { hash } from 'node:crypto';
import type { RawEvent } from './rows.js';

const sha256Hex = (text: string): string => hash('sha256', text, 'hex');

/**
 * The 13 lines that an event's leaf covers, each ended by a newline.
 *
 * What is not in the entry is not protected: correlation, causation and time of occurrence are covered through `meta`.
 *
 * @param origin the origin of the epoch in which the event was appended.
 */
export const entryText = (origin: string, event: Omit<RawEvent, 'leaf'>): string =>
  [
    'kontor/event/1',
    origin,
    event.position,
    event.eventId,
    event.streamId,
    event.version,
    `${event.type}@${event.schemaVersion}`,
    event.recordedAt,
    event.workspace,
    event.actor,
    event.commandId,
    sha256Hex(event.data),
    sha256Hex(event.meta),
    '',
  ].join('\n');

/**
 * SHA-256(0x00 || entry), 32 bytes: what es.append stores.
 *
 * @source RFC 6962, section 2.1.
 */
export const leafHash = (entry: string): Buffer =>
  hash('sha256', Buffer.concat([Buffer.from([0]), Buffer.from(entry)]), 'buffer');
