import type { Msg } from '@nats-io/transport-node';
import { BadMessage } from './errors.js';

/** An event of the log: the attributes of its CloudEvent, and its data. */
export interface SubscribedEvent {
  /** Place in the log: 1, 2, 3 … without a gap. Keep it to go on from. */
  readonly position: bigint;
  readonly id: string;
  /** Name of the log. */
  readonly source: string;
  readonly type: string;
  /** The stream: `<workspace>/<context>/<aggregate>/<id>`. */
  readonly subject: string;
  /** 1, 2, 3 … within the stream. */
  readonly streamVersion: bigint;
  readonly workspace: string;
  /** Opaque id of who did it. */
  readonly actor: string;
  /** When it was recorded: RFC 3339 in UTC with microseconds. */
  readonly time: string;
  /** `urn:kontor:event:<context>:<type>:<version>`: the schema is `docs/events/<context>/<type>.<version>.json`. */
  readonly dataschema: string;
  /** The data parsed. `JSON.parse` rounds integers above 2^53: who needs them reads `text`. */
  readonly data: unknown;
  /** The data as it is stored, byte by byte. */
  readonly text: string;
}

/**
 * Reads an event out of a message.
 *
 * @throws BadMessage that names the header that is missing or wrong.
 * @source CloudEvents 1.0.3, NATS protocol binding, section 3.1 (binary mode).
 */
export const toEvent = (message: Pick<Msg, 'headers' | 'data'>): SubscribedEvent => {
  const get = (name: string): string => {
    const value = message.headers?.get(`ce-${name}`);
    if (!value) throw new BadMessage(`a message without header ce-${name}; expected CloudEvents 1.0 in binary mode`);
    try {
      return decodeURIComponent(value);
    } catch (cause) {
      throw new BadMessage(`header ce-${name} is not percent-encoded UTF-8: ${value}`, { cause });
    }
  };
  const integer = (name: string): bigint => {
    const value = get(name);
    if (!/^\d+$/.test(value)) throw new BadMessage(`header ce-${name} is not a whole number: ${value}`);
    return BigInt(value);
  };
  const text = new TextDecoder().decode(message.data);
  return {
    position: integer('pos'),
    id: get('id'),
    source: get('source'),
    type: get('type'),
    subject: get('subject'),
    streamVersion: integer('streamversion'),
    workspace: get('workspace'),
    actor: get('actor'),
    time: get('time'),
    dataschema: get('dataschema'),
    text,
    get data() {
      return JSON.parse(text) as unknown;
    },
  };
};
