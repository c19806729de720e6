import type { AppendRequest, ExpectedVersion } from '@kontor/event-sourcing';
import { TooLarge } from './errors.js';

/** NATS carries 1 MiB a message; a quarter of it leaves room for headers and keeps one event from filling a batch. */
export const MAX_EVENT_BYTES = 256 * 1024;
/** One call of es.append holds the head row, so it must stay short. */
export const MAX_BATCH_BYTES = 1024 * 1024;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

interface PreparedEvent {
  readonly id: string;
  readonly type: string;
  readonly schemaVersion: number;
  readonly occurredAt: string | null;
  readonly data: string;
  readonly meta: string;
}

/** A request as SQL takes it: checked, with the exact text of every event. */
export interface PreparedCommand {
  readonly id: string;
  readonly requestHash: Buffer;
  readonly actor: string;
  readonly correlationId: string | null;
  readonly causationId: string | null;
  readonly writes: readonly {
    readonly stream: string;
    readonly expected: bigint;
    readonly events: readonly PreparedEvent[];
  }[];
  readonly guards: readonly { readonly stream: string; readonly expected: bigint }[];
  readonly claims: NonNullable<AppendRequest['claims']>;
  /** Bytes of all data and meta. */
  readonly sizeBytes: number;
}

const expectedNumber = (expected: ExpectedVersion): bigint =>
  expected === 'none' ? 0n : expected === 'any' ? -1n : expected;

const uuidOrNull = (value: string | undefined, field: string): string | null => {
  if (value === undefined) return null;
  if (!UUID.test(value)) throw new Error(`${field} must be a UUID in lower case, got ${JSON.stringify(value)}`);
  return value;
};

/** The key under which a claim is unique in a batch. */
export const claimKey = ({ stream, kind, key }: { stream: string; kind: string; key: string }): string =>
  `${stream.split('/', 2).join('/')}\n${kind}\n${key}`;

/**
 * Checks what the database cannot, and turns data and meta into the text that will be stored and hashed.
 *
 * @throws TooLarge if one event's data or the whole command is too large.
 * @throws Error if the request breaks the contract: that is a bug of the caller.
 */
export const prepareCommand = (request: AppendRequest): PreparedCommand => {
  const { writes, guards = [], claims = [] } = request;
  if (writes.length === 0 || writes.some(({ events }) => events.length === 0)) {
    throw new Error('an append needs at least one write, and each write at least one event');
  }
  if (new Set(writes.map(({ stream }) => stream)).size < writes.length) {
    throw new Error('a command writes a stream at most once');
  }
  if (new Set(claims.map(claimKey)).size < claims.length) throw new Error('a command names a claim at most once');

  let sizeBytes = 0;
  const prepared = writes.map(({ stream, expected, events }) => ({
    stream,
    expected: expectedNumber(expected),
    events: events.map(({ eventId, type, schemaVersion, data, meta }) => {
      if (!UUID.test(eventId))
        throw new Error(`an event id must be a UUID in lower case, got ${JSON.stringify(eventId)}`);
      const text = JSON.stringify(data);
      const metaText = JSON.stringify(meta);
      const dataBytes = Buffer.byteLength(text);
      if (dataBytes > MAX_EVENT_BYTES) throw new TooLarge('event', dataBytes, MAX_EVENT_BYTES);
      sizeBytes += dataBytes + Buffer.byteLength(metaText);
      const occurredAt = meta.occurredAt ?? null;
      return { id: eventId, type, schemaVersion, occurredAt, data: text, meta: metaText };
    }),
  }));
  if (sizeBytes > MAX_BATCH_BYTES) throw new TooLarge('command', sizeBytes, MAX_BATCH_BYTES);

  const meta = writes[0]?.events[0]?.meta;
  return {
    id: request.commandId,
    requestHash: Buffer.from(request.requestHash),
    actor: request.actor,
    correlationId: uuidOrNull(meta?.correlationId, 'meta.correlationId'),
    causationId: uuidOrNull(meta?.causationId, 'meta.causationId'),
    writes: prepared,
    guards: guards.map(({ stream, expected }) => ({ stream, expected: expectedNumber(expected) })),
    claims,
    sizeBytes,
  };
};
