import type { RecordedEvent } from './event.js';
import type { Accepted, AppendRequest, AppendResult, EventStore, ExpectedVersion } from './event-store.js';
import type { Position } from './position.js';
import { parseStreamId, type StreamId } from './stream-id.js';
import { upcast, type Upcasters } from './upcast.js';

interface InMemoryOptions {
  /** RFC 3339 with microseconds; called once per append. */
  readonly now: () => string;
  readonly upcasters?: Upcasters;
}

/** The event store for specs and the simulation. Passes the same contract as PostgreSQL; holds nothing durably. */
export class InMemoryEventStore implements EventStore {
  readonly #events: RecordedEvent[] = [];
  readonly #commands = new Map<string, Accepted & { readonly requestHash: Uint8Array }>();
  readonly #claims = new Map<string, StreamId>();
  readonly #versions = new Map<StreamId, bigint>();

  constructor(private readonly options: InMemoryOptions) {}

  async append(request: AppendRequest): Promise<AppendResult> {
    const known = this.#commands.get(request.commandId);
    if (known) {
      if (!equalBytes(known.requestHash, request.requestHash)) return { outcome: 'key_reused' };
      const { requestHash: _, ...accepted } = known;
      return { outcome: 'replayed', ...accepted };
    }
    const refused = this.#refusal(request);
    if (refused) return { outcome: refused, versions: request.writes.map(({ stream }) => this.#version(stream)) };

    const recordedAt = this.options.now();
    const firstPosition = BigInt(this.#events.length) + 1n;
    for (const { stream, events } of request.writes) {
      const { workspace } = parseStreamId(stream);
      for (const event of events) {
        const version = this.#version(stream) + 1n;
        this.#versions.set(stream, version);
        // A copy through JSON, as PostgreSQL would give it back: no shared objects, no undefined.
        const copy = JSON.parse(JSON.stringify({ data: event.data, meta: event.meta })) as Pick<
          RecordedEvent,
          'data' | 'meta'
        >;
        this.#events.push({
          position: BigInt(this.#events.length) + 1n,
          eventId: event.eventId,
          streamId: stream,
          version,
          type: event.type,
          schemaVersion: event.schemaVersion,
          workspace,
          actor: request.actor,
          commandId: request.commandId,
          recordedAt,
          ...copy,
        });
      }
    }
    for (const { stream, kind, key, take } of request.claims ?? []) {
      const claim = claimKey(stream, kind, key);
      if (take) this.#claims.set(claim, stream);
      else if (this.#claims.get(claim) === stream) this.#claims.delete(claim);
    }
    const accepted: Accepted = {
      firstPosition,
      lastPosition: BigInt(this.#events.length),
      versions: request.writes.map(({ stream }) => this.#version(stream)),
      recordedAt,
    };
    this.#commands.set(request.commandId, { ...accepted, requestHash: request.requestHash });
    return { outcome: 'appended', ...accepted };
  }

  async findCommand(commandId: string): Promise<(Accepted & { readonly requestHash: Uint8Array }) | undefined> {
    return this.#commands.get(commandId);
  }

  async *readStream(stream: StreamId, afterVersion = 0n): AsyncIterable<RecordedEvent> {
    for (const event of this.#events) {
      if (event.streamId === stream && event.version > afterVersion) yield this.#lift(event);
    }
  }

  async *readAll(
    after: Position,
    options: { readonly upTo?: Position; readonly types?: readonly string[] } = {},
  ): AsyncIterable<RecordedEvent> {
    const end = options.upTo ?? BigInt(this.#events.length);
    for (const event of this.#events.slice(Number(after), Number(end))) {
      if (!options.types || options.types.includes(event.type)) yield this.#lift(event);
    }
  }

  async head(): Promise<Position> {
    return BigInt(this.#events.length);
  }

  #version(stream: StreamId): bigint {
    return this.#versions.get(stream) ?? 0n;
  }

  #refusal({ writes, guards = [], claims = [] }: AppendRequest): 'conflict' | 'guard' | 'claimed' | undefined {
    const fails = (stream: StreamId, expected: ExpectedVersion) =>
      expected !== 'any' && (expected === 'none' ? 0n : expected) !== this.#version(stream);
    // Where several hold, the alphabetically first is named, as the SQL function does (`min`).
    const foreign = claims.some(({ stream, kind, key, take }) => {
      const owner = this.#claims.get(claimKey(stream, kind, key));
      return take && owner !== undefined && owner !== stream;
    });
    if (foreign) return 'claimed';
    if (writes.some(({ stream, expected }) => fails(stream, expected))) return 'conflict';
    return guards.some(({ stream, expected }) => fails(stream, expected)) ? 'guard' : undefined;
  }

  #lift(event: RecordedEvent): RecordedEvent {
    const { upcasters } = this.options;
    return upcasters ? { ...event, data: upcast(upcasters, event.type, event.schemaVersion, event.data) } : event;
  }
}

/** A kind of name belongs to a context of a workspace. */
const claimKey = (stream: StreamId, kind: string, key: string): string => {
  const { workspace, context } = parseStreamId(stream);
  return `${workspace}\n${context}\n${kind}\n${key}`;
};

const equalBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, i) => byte === b[i]);
