import { hash } from 'node:crypto';

/** What a derived id follows from. The same cause, process and step always give the same id. */
export interface Cause {
  readonly process: string;
  readonly step: number;
  readonly eventId: string;
  /** Of the causing event, RFC 3339; its milliseconds become the id's time. */
  readonly recordedAt: string;
}

/**
 * The id of a command that follows from an event: UUIDv7 layout with the event's time, the rest from SHA-256.
 *
 * @source RFC 9562, section 5.7 (layout). A UUIDv5 would have no time and fall out of the window of command ids.
 */
export const derivedId = ({ process, step, eventId, recordedAt }: Cause): string => {
  const bytes = hash('sha256', `${process}\n${step}\n${eventId}`, 'buffer').subarray(0, 16);
  bytes.writeUIntBE(Date.parse(recordedAt), 0, 6);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x70, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
};
