import { eventSchemaId, readData, type RecordedEvent, type Upcasters } from '@kontor/event-sourcing';
import { type MsgHdrs, MsgHdrsImpl } from '@nats-io/transport-node';
import { BadMessage } from './errors.js';

/** An event as it is stored: `data` and `meta` are exact JSON text. */
export interface StoredEvent extends Omit<RecordedEvent, 'data' | 'meta'> {
  readonly data: string;
  readonly meta: string;
}

const UTF8 = new TextEncoder();
const FROM_UTF8 = new TextDecoder();

/** All but the printable characters of ASCII without blank and percent sign. */
const TO_ENCODE = /[^!-$&-~]+/g;

/** For values that may hold such characters. Ids, numbers, times and workspaces cannot. */
const encode = (value: string): string => value.replace(TO_ENCODE, encodeURIComponent).replaceAll('"', '%22');

/**
 * An event as a CloudEvents 1.0 message in binary mode: attributes as `ce-` headers, percent-encoded where they must be;
 * payload = the stored `data` text, untouched, so that big integers survive.
 *
 * `dataschema` is `urn:kontor:event:<context>:<type>:<version>`: the schema `docs/events/<context>/<type>.<version>.json`.
 *
 * @source CloudEvents 1.0.3, NATS protocol binding, section 3.1 (1.0.2 knew no headers); written by hand because the SDK
 * rounds integers.
 */
export const toMessage = (event: StoredEvent, source: string): { headers: MsgHdrs; data: Uint8Array } => {
  const subject = encode(event.streamId);
  const context = event.streamId.split('/', 2)[1] ?? '';
  const { traceparent } = JSON.parse(event.meta) as { traceparent?: string };
  // Not `set` for each: it searches all headers twice and checks every character of the name, 7 us for these.
  const headers = MsgHdrsImpl.fromRecord({
    'ce-specversion': ['1.0'],
    'ce-id': [event.eventId],
    'ce-source': [encode(source)],
    'ce-type': [encode(event.type)],
    'ce-subject': [subject],
    'ce-time': [event.recordedAt],
    'ce-datacontenttype': ['application/json'],
    'ce-dataschema': [encode(eventSchemaId(context, event.type, event.schemaVersion))],
    'ce-partitionkey': [subject],
    'ce-workspace': [event.workspace],
    'ce-pos': [`${event.position}`],
    'ce-streamversion': [`${event.version}`],
    'ce-actor': [encode(event.actor)],
    'ce-commandid': [event.commandId],
    'ce-meta': [encode(event.meta)],
    ...(traceparent !== undefined && { traceparent: [encode(traceparent)] }),
  });
  return { headers, data: UTF8.encode(event.data) };
};

type EventAttributes = Omit<StoredEvent, 'data'>;

/** The inverse of {@link toMessage}. @throws BadMessage if a header is missing. */
export const fromMessage = (message: { headers?: MsgHdrs | undefined; data: Uint8Array }): StoredEvent => ({
  ...attributesOf(message),
  data: textOf(message),
});

/** The stored text of what an event says. */
export const textOf = (message: { data: Uint8Array }): string => FROM_UTF8.decode(message.data);

/** What the headers of a message of {@link toMessage} say. @throws BadMessage if one is missing. */
export const attributesOf = (message: { headers?: MsgHdrs | undefined }): EventAttributes => {
  // Read once: each `get` of the client goes through the names of all headers, and these are a dozen.
  const values = new Map(message.headers);
  const get = (name: string): string => {
    const value = values.get(`ce-${name}`)?.[0];
    if (!value) throw new BadMessage(`an event without header ce-${name}; expected CloudEvents 1.0 in binary mode`);
    return value.includes('%') ? decodeURIComponent(value) : value;
  };
  const dataschema = get('dataschema');
  return {
    eventId: get('id'),
    type: get('type'),
    streamId: get('subject'),
    recordedAt: get('time'),
    // Messages of 0.1 say `<type>@<version>`; JetStream keeps them for 30 days.
    schemaVersion: Number(/[@:](\d+)$/.exec(dataschema)?.[1]),
    workspace: get('workspace'),
    position: BigInt(get('pos')),
    version: BigInt(get('streamversion')),
    actor: get('actor'),
    commandId: get('commandid'),
    meta: get('meta'),
  };
};

/**
 * Parses a stored event and lifts its data. Here integers above 2^53 are rounded, as by every `JSON.parse`; who needs
 * them exactly reads the text of {@link StoredEvent}. Positions and versions are no part of it and stay exact.
 *
 * @throws Error if a newer program wrote it.
 */
export const toRecorded = (stored: StoredEvent, upcasters: Upcasters): RecordedEvent => {
  const event = { ...stored, meta: metaOf(stored) };
  return { ...event, data: readData(upcasters, event, JSON.parse(stored.data)) };
};

/** An event of which nobody wants to know what it says. */
export const withoutData = (attributes: EventAttributes): RecordedEvent => ({
  ...attributes,
  meta: metaOf(attributes),
  data: undefined,
});

const metaOf = ({ meta }: EventAttributes): RecordedEvent['meta'] => JSON.parse(meta) as RecordedEvent['meta'];
