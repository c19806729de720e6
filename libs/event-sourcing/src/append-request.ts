import { z } from 'zod';
import { TooLarge } from './errors.js';
import type { AppendRequest, ExpectedVersion } from './event-store.js';
import { requireStreamId } from './stream-id.js';

/** NATS carries 1 MiB a message; a quarter of it leaves room for headers and keeps one event from filling a batch. */
export const MAX_EVENT_BYTES = 256 * 1024;
/** A command is written in one go, and while it is, all others wait. */
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

/** Versions and positions are 64 bits wide, with a sign. */
const MAX_VERSION = 2n ** 63n - 1n;
/** Schema versions are 16 bits wide, with a sign. */
const MAX_SCHEMA_VERSION = 2 ** 15 - 1;
const rfc3339 = z.iso.datetime({ offset: true });

/** A request as a store takes it: checked, with the exact text of every event. */
export interface PreparedCommand {
  readonly id: string;
  readonly requestHash: Uint8Array;
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

/** -1 stands for any version. */
const expectedNumber = (expected: ExpectedVersion): bigint => {
  if (expected === 'none') return 0n;
  if (expected === 'any') return -1n;
  if (expected < 0n || expected > MAX_VERSION)
    throw new Error(`an expected version must be from 0 to ${MAX_VERSION}, got ${expected}`);
  return expected;
};

/** Text that the leaf hash takes apart by its lines and that PostgreSQL can hold. */
const requireLine = (field: string, value: string): void => {
  if (/[\n\0]/.test(value) || !value.isWellFormed())
    throw new Error(`${field} must be one line of Unicode without NUL, got ${JSON.stringify(value)}`);
};

const uuidOrNull = (value: string | undefined, field: string): string | null => {
  if (value === undefined) return null;
  if (!UUID.test(value)) throw new Error(`${field} must be a UUID in lower case, got ${JSON.stringify(value)}`);
  return value;
};

/** JSON.stringify answers undefined, against its type, for what JSON cannot hold. */
const jsonOf = (value: unknown): string => {
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) throw new Error(`data of an event must be JSON, got ${typeof value}`);
  return text;
};

/** The key under which a claim is unique: a kind of name belongs to a context of a workspace. */
export const claimKey = ({ stream, kind, key }: { stream: string; kind: string; key: string }): string =>
  `${stream.split('/', 2).join('/')}\n${kind}\n${key}`;

/**
 * Checks a request, and turns data and meta into the text that will be stored and hashed. Every store begins with it, so that
 * all refuse the same in the same words.
 *
 * @throws TooLarge if one event's data or the whole command is too large.
 * @throws Error if the request breaks the contract: that is a bug of the caller.
 */
export const prepareCommand = (request: AppendRequest): PreparedCommand => {
  const { writes, guards = [], claims = [], actor, chain } = request;
  if (writes.length === 0 || writes.some(({ events }) => events.length === 0)) {
    throw new Error('an append needs at least one write, and each write at least one event');
  }
  if (new Set(writes.map(({ stream }) => stream)).size < writes.length) {
    throw new Error('a command writes a stream at most once');
  }
  if (chain && writes.some(({ expected }) => typeof expected !== 'bigint' || expected === 0n))
    throw new Error('an append of a chain writes each stream at a version that it has or will have');
  if (new Set(claims.map(claimKey)).size < claims.length) throw new Error('a command names a claim at most once');
  requireLine('the actor', actor);
  for (const { stream } of [...writes, ...guards, ...claims]) requireStreamId(stream);
  for (const { kind, key } of claims) requireLine('a claim', `${kind}/${key}`);

  let sizeBytes = 0;
  const eventIds = new Set<string>();
  const prepared = writes.map(({ stream, expected, events }) => ({
    stream,
    expected: expectedNumber(expected),
    events: events.map(({ eventId, type, schemaVersion, data, meta }) => {
      if (!UUID.test(eventId))
        throw new Error(`an event id must be a UUID in lower case, got ${JSON.stringify(eventId)}`);
      if (eventIds.size === eventIds.add(eventId).size) throw new Error(`a command names event ${eventId} twice`);
      requireLine('an event type', type);
      if (!Number.isInteger(schemaVersion) || schemaVersion < 1 || schemaVersion > MAX_SCHEMA_VERSION)
        throw new Error(`a schema version must be from 1 to ${MAX_SCHEMA_VERSION}, got ${schemaVersion}`);
      const { occurredAt = null } = meta;
      if (occurredAt !== null && !rfc3339.safeParse(occurredAt).success)
        throw new Error(`meta.occurredAt must be a time of RFC 3339, got ${JSON.stringify(occurredAt)}`);
      const text = jsonOf(data);
      const metaText = jsonOf(meta);
      const dataBytes = Buffer.byteLength(text);
      if (dataBytes > MAX_EVENT_BYTES) throw new TooLarge('event', dataBytes, MAX_EVENT_BYTES);
      sizeBytes += dataBytes + Buffer.byteLength(metaText);
      return { id: eventId, type, schemaVersion, occurredAt, data: text, meta: metaText };
    }),
  }));
  if (sizeBytes > MAX_BATCH_BYTES) throw new TooLarge('command', sizeBytes, MAX_BATCH_BYTES);

  const meta = writes[0]?.events[0]?.meta;
  return {
    id: request.commandId,
    requestHash: request.requestHash,
    actor,
    correlationId: uuidOrNull(meta?.correlationId, 'meta.correlationId'),
    causationId: uuidOrNull(meta?.causationId, 'meta.causationId'),
    writes: prepared,
    guards: guards.map(({ stream, expected }) => ({ stream, expected: expectedNumber(expected) })),
    claims,
    sizeBytes,
  };
};
