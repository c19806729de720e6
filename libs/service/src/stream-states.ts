import {
  type AnyDecider,
  type DomainEvent,
  type EventStore,
  type Position,
  type RecordedEvent,
  type StreamId,
} from '@kontor/event-sourcing';
import { isTransient, StoreUnavailable } from '@kontor/event-store';

/** A folded stream, and where it stands. */
export interface StreamState {
  readonly state: unknown;
  /** 0 for a stream without events. */
  readonly version: bigint;
  /** Of its last event; 0 for a stream without events. */
  readonly position: Position;
}

/** States of about this many streams are some tens of megabytes. */
const MAX_STATES = 10_000;

/** What a failed read means for the caller: try again, or a bug. */
export const unavailable = (error: unknown): unknown =>
  isTransient(error) ? new StoreUnavailable('PostgreSQL does not answer; send the same command again', error) : error;

/** Folded streams, the most recently used ones kept, so that a command on a long stream folds only what is new. */
export class StreamStates {
  readonly #states = new Map<StreamId, StreamState>();

  constructor(private readonly store: EventStore) {}

  /** The present state: the kept one and every event after it. */
  async read(stream: StreamId, { initialState, evolve }: AnyDecider): Promise<StreamState> {
    let { state, version, position } = this.#states.get(stream) ?? {
      state: initialState as unknown,
      version: 0n,
      position: 0n,
    };
    for await (const event of this.#eventsAfter(stream, version)) {
      // The log holds what this context's schemas allowed.
      state = evolve(state, { type: event.type, data: event.data } as DomainEvent);
      ({ version, position } = event);
    }
    const read = { state, version, position };
    this.#keep(stream, read);
    return read;
  }

  // Around the read alone: what evolve throws is a bug and no outage.
  async *#eventsAfter(stream: StreamId, version: bigint): AsyncIterable<RecordedEvent> {
    try {
      yield* this.store.readStream(stream, version);
    } catch (error) {
      throw unavailable(error);
    }
  }

  #keep(stream: StreamId, read: StreamState): void {
    this.#states.delete(stream);
    this.#states.set(stream, read);
    if (this.#states.size <= MAX_STATES) return;
    const [oldest] = this.#states.keys();
    if (oldest !== undefined) this.#states.delete(oldest);
  }
}
