import {
  type AnyDecider,
  AppendChain,
  type DomainEvent,
  type EventStore,
  type Position,
  type RecordedEvent,
  type StreamId,
} from '@kontor/event-sourcing';
import { isTransient, type PersonalData, StoreUnavailable } from '@kontor/event-store';

/** What the dispatcher asks of {@link PersonalData}. */
export interface Personal extends Pick<PersonalData, 'blind' | 'encrypt' | 'open'> {
  onForget: (() => void) | undefined;
}

/** A folded stream, and where it stands. */
export interface StreamState {
  readonly state: unknown;
  /** 0 for a stream without events. */
  readonly version: bigint;
  /** Of its last event; 0 for a stream without events. */
  readonly position: Position;
  /** Whether it was folded from personal data. */
  readonly isPersonal: boolean;
  /** How often personal data had been forgotten when the fold began. */
  readonly era: number;
}

/** What a stream will be when the appends of a chain have succeeded. */
interface Ahead {
  readonly seen: StreamState;
  readonly chain: AppendChain;
  /** Resolves when none of its appends is under way any more. */
  readonly settled: Promise<void>;
}

type Fold = Pick<AnyDecider, 'initialState' | 'evolve'>;

/** States of about this many streams are some tens of megabytes. */
const MAX_STATES = 10_000;

/** What a failed read means for the caller: try again, or a bug. */
export const unavailable = (error: unknown): unknown =>
  isTransient(error) ? new StoreUnavailable('PostgreSQL does not answer; send the same command again', error) : error;

/** Folded streams, the most recently used ones kept, so that a command on a long stream folds only what is new. */
export class StreamStates {
  readonly #states = new Map<StreamId, StreamState>();
  readonly #ahead = new Map<StreamId, Ahead>();
  #era = 0;

  constructor(
    private readonly store: EventStore,
    private readonly personal: Pick<Personal, 'open'>,
  ) {}

  /** Drops the states that hold personal data: what is erased must not live on here. */
  forgetPersonal(): void {
    this.#era += 1;
    for (const [stream, { isPersonal }] of this.#states) if (isPersonal) this.#states.delete(stream);
    for (const { seen, chain } of this.#ahead.values()) if (seen.isPersonal) chain.break();
  }

  /**
   * The state as it will be when the appends under way have succeeded, and their chain; else as it is kept. Without a look at
   * the log: another process may have gone on since.
   */
  expected(stream: StreamId, decider: Fold): { readonly seen: StreamState; readonly chain: AppendChain } {
    const ahead = this.#ahead.get(stream);
    return ahead && !ahead.chain.isBroken ? ahead : { seen: this.#kept(stream, decider), chain: new AppendChain() };
  }

  /**
   * Notes what an append that is under way makes of a stream, for those who decide before it is there.
   *
   * @param append never the last word: whoever awaits it keeps the state or breaks the chain.
   */
  lead(stream: StreamId, seen: StreamState, chain: AppendChain, append: Promise<unknown>): void {
    const before = this.#ahead.get(stream)?.settled;
    // Without their results: each would keep those of all before it, for as long as the stream is never idle.
    const settled = Promise.allSettled([before, append]).then(() => undefined);
    const ahead = { seen, chain, settled };
    this.#ahead.set(stream, ahead);
    void settled.then(() => {
      if (this.#ahead.get(stream) === ahead) this.#ahead.delete(stream);
    });
  }

  /** Waits until no append of this process to the stream is under way. */
  async settled(stream: StreamId): Promise<void> {
    await this.#ahead.get(stream)?.settled;
  }

  #kept(stream: StreamId, { initialState }: Fold): StreamState {
    const kept = this.#states.get(stream);
    if (kept) return kept;
    return { state: initialState as unknown, version: 0n, position: 0n, isPersonal: false, era: this.#era };
  }

  /**
   * The present state of a stream that this context does not decide on, or that another command rests on.
   *
   * @param fold always the same one for a stream: its state is kept.
   */
  async readAny<State>(
    stream: StreamId,
    fold: { readonly initialState: State; readonly evolve: (state: State, event: never) => State },
  ): Promise<{ readonly state: State; readonly version: bigint }> {
    const { state, version } = await this.read(stream, fold as unknown as Fold);
    return { state: state as State, version };
  }

  /** The present state: the kept one and every event after it. */
  async read(stream: StreamId, decider: Fold): Promise<StreamState> {
    let { state, version, position, isPersonal } = this.#kept(stream, decider);
    const era = this.#era;
    for await (const { type, data, meta, workspace, ...event } of this.#eventsAfter(stream, version)) {
      const opened = meta.encrypted ? await this.personal.open(workspace, data) : data;
      isPersonal ||= meta.encrypted !== undefined;
      // The log holds what this context's schemas allowed.
      state = decider.evolve(state, { type, data: opened } as DomainEvent);
      ({ version, position } = event);
    }
    const read = { state, version, position, isPersonal, era };
    this.keep(stream, read);
    return read;
  }

  /** Keeps a state, unless a newer one is kept or it holds personal data of which some was forgotten since it was folded. */
  keep(stream: StreamId, state: StreamState): void {
    if ((this.#states.get(stream)?.version ?? 0n) > state.version) return;
    this.#states.delete(stream);
    if (state.isPersonal && state.era !== this.#era) return;
    this.#states.set(stream, state);
    if (this.#states.size <= MAX_STATES) return;
    const [oldest] = this.#states.keys();
    if (oldest !== undefined) this.#states.delete(oldest);
  }

  // Around the read alone: what evolve throws is a bug and no outage.
  async *#eventsAfter(stream: StreamId, version: bigint): AsyncIterable<RecordedEvent> {
    try {
      yield* this.store.readStream(stream, version);
    } catch (error) {
      throw unavailable(error);
    }
  }
}
