import { claimKey, type PreparedCommand, prepareCommand } from './append-request.js';
import { outsideWindow } from './command-window.js';
import type { RecordedEvent } from './event.js';
import type { Accepted, AppendRequest, AppendResult, EventStore } from './event-store.js';
import type { Position } from './position.js';
import type { StreamId } from './stream-id.js';
import { readData, type Upcasters } from './upcast.js';

interface InMemoryOptions {
  /** RFC 3339 with microseconds; called once per append. */
  readonly now: () => string;
  readonly upcasters?: Upcasters;
}

/** As `prepareCommand` writes it. */
const ANY = -1n;

/** Nothing is ever dropped here, so only the general window of command ids holds. */
const OLDEST_KEPT_MS = 0;

/** The event store for specs and the simulation. Passes the same contract as PostgreSQL; holds nothing durably. */
export class InMemoryEventStore implements EventStore {
  readonly #events: RecordedEvent[] = [];
  readonly #commands = new Map<string, Accepted & { readonly requestHash: Uint8Array }>();
  readonly #claims = new Map<string, StreamId>();
  readonly #versions = new Map<StreamId, bigint>();

  constructor(private readonly options: InMemoryOptions) {}

  async append(request: AppendRequest): Promise<AppendResult> {
    const { chain } = request;
    let isAppended = false;
    try {
      const command = prepareCommand(request);
      if (chain?.isBroken) return { outcome: 'broken' };
      const result = this.#append(command);
      isAppended = result.outcome === 'appended';
      return result;
    } finally {
      if (!isAppended) chain?.break();
    }
  }

  #append(command: PreparedCommand): AppendResult {
    const recordedAt = this.options.now();
    const forgotten = outsideWindow(command.id, OLDEST_KEPT_MS, Date.parse(recordedAt));
    if (forgotten) throw forgotten;
    const known = this.#commands.get(command.id);
    if (known) {
      if (!equalBytes(known.requestHash, command.requestHash)) return { outcome: 'key_reused' };
      const { requestHash: _, ...accepted } = known;
      return { outcome: 'replayed', ...accepted };
    }
    const refused = this.#refusal(command);
    if (refused) return { outcome: refused, versions: command.writes.map(({ stream }) => this.#version(stream)) };

    const firstPosition = BigInt(this.#events.length) + 1n;
    for (const { stream, events } of command.writes) {
      const [workspace = ''] = stream.split('/');
      for (const { id: eventId, type, schemaVersion, data, meta } of events) {
        const version = this.#version(stream) + 1n;
        this.#versions.set(stream, version);
        this.#events.push({
          position: BigInt(this.#events.length) + 1n,
          eventId,
          streamId: stream,
          version,
          type,
          schemaVersion,
          workspace,
          actor: command.actor,
          commandId: command.id,
          recordedAt,
          data: JSON.parse(data) as unknown,
          meta: JSON.parse(meta) as RecordedEvent['meta'],
        });
      }
    }
    for (const claim of command.claims) {
      const key = claimKey(claim);
      if (claim.take) this.#claims.set(key, claim.stream);
      else if (this.#claims.get(key) === claim.stream) this.#claims.delete(key);
    }
    const accepted: Accepted = {
      firstPosition,
      lastPosition: BigInt(this.#events.length),
      versions: command.writes.map(({ stream }) => this.#version(stream)),
      recordedAt,
    };
    this.#commands.set(command.id, { ...accepted, requestHash: command.requestHash.slice() });
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

  #refusal({ writes, guards, claims }: PreparedCommand): 'conflict' | 'guard' | 'claimed' | undefined {
    const fails = ({ stream, expected }: { stream: StreamId; expected: bigint }) =>
      expected !== ANY && expected !== this.#version(stream);
    const isForeign = (claim: PreparedCommand['claims'][number]) => {
      const owner = this.#claims.get(claimKey(claim));
      return claim.take && owner !== undefined && owner !== claim.stream;
    };
    // Where several hold, the alphabetically first is named, as PostgreSQL does.
    if (claims.some(isForeign)) return 'claimed';
    if (writes.some(fails)) return 'conflict';
    return guards.some(fails) ? 'guard' : undefined;
  }

  #lift(event: RecordedEvent): RecordedEvent {
    const { upcasters } = this.options;
    return upcasters ? { ...event, data: readData(upcasters, event, event.data) } : event;
  }
}

const equalBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, i) => byte === b[i]);
