import { type RecordedEvent, upcast, type Upcasters } from '@kontor/event-sourcing';
import { headers, type MsgHdrs } from '@nats-io/transport-node';
import { BadMessage } from './errors.js';

/** An event as it is stored: `data` and `meta` are exact JSON text. */
export interface StoredEvent extends Omit<RecordedEvent, 'data' | 'meta'> {
  readonly data: string;
  readonly meta: string;
}

/**
 * An event as a CloudEvents 1.0 message in binary mode: attributes as `ce-` headers, percent-encoded; payload = the
 * stored `data` text, untouched, so that big integers survive.
 *
 * @source CloudEvents 1.0, NATS protocol binding, section 3.1; written by hand because the SDK rounds integers.
 */
export const toMessage = (event: StoredEvent, source: string): { headers: MsgHdrs; data: Uint8Array } => {
  const head = headers();
  const set = (name: string, value: string): void => head.set(`ce-${name}`, encodeURIComponent(value));
  set('specversion', '1.0');
  set('id', event.eventId);
  set('source', source);
  set('type', event.type);
  set('subject', event.streamId);
  set('time', event.recordedAt);
  set('dataschema', `${event.type}@${event.schemaVersion}`);
  set('partitionkey', event.streamId);
  set('workspace', event.workspace);
  set('pos', `${event.position}`);
  set('streamversion', `${event.version}`);
  set('actor', event.actor);
  set('commandid', event.commandId);
  set('meta', event.meta);
  const { traceparent } = JSON.parse(event.meta) as { traceparent?: string };
  if (traceparent !== undefined) head.set('traceparent', traceparent);
  return { headers: head, data: new TextEncoder().encode(event.data) };
};

/** The inverse of {@link toMessage}. @throws BadMessage if a header is missing. */
export const fromMessage = (message: { headers?: MsgHdrs | undefined; data: Uint8Array }): StoredEvent => {
  const get = (name: string): string => {
    const value = message.headers?.get(`ce-${name}`);
    if (!value) throw new BadMessage(`an event without header ce-${name}; expected CloudEvents 1.0 in binary mode`);
    return decodeURIComponent(value);
  };
  const dataschema = get('dataschema');
  return {
    eventId: get('id'),
    type: get('type'),
    streamId: get('subject'),
    recordedAt: get('time'),
    schemaVersion: Number(dataschema.slice(dataschema.lastIndexOf('@') + 1)),
    workspace: get('workspace'),
    position: BigInt(get('pos')),
    version: BigInt(get('streamversion')),
    actor: get('actor'),
    commandId: get('commandid'),
    meta: get('meta'),
    data: new TextDecoder().decode(message.data),
  };
};

/**
 * Parses a stored event and lifts its data. Here integers above 2^53 are rounded, as by every `JSON.parse`; who needs
 * them exactly reads the text of {@link StoredEvent}. Positions and versions are no part of it and stay exact.
 *
 * @throws Error if a newer program wrote it.
 */
export const toRecorded = (stored: StoredEvent, upcasters: Upcasters): RecordedEvent => ({
  ...stored,
  data: upcast(upcasters, stored.type, stored.schemaVersion, JSON.parse(stored.data)),
  meta: JSON.parse(stored.meta) as RecordedEvent['meta'],
});
