import {
  type AnyDecider,
  AppendChain,
  type DomainEvent,
  encryptedTextsIn,
  type EventStore,
  type Position,
  type RecordedEvent,
  type StreamId,
} from '@kontor/event-sourcing';
import { isTransient, type PersonalData, StoreUnavailable } from '@kontor/event-store';

/** What the dispatcher asks of {@link PersonalData}. */
export interface Personal extends Pick<PersonalData, 'blind' | 'encrypt' | 'open'> {
  onForget: ((keys?: ReadonlySet<string>) => void) | undefined;
}

/** A folded stream, and where it stands. */
export interface StreamState {
  readonly state: unknown;
  /** 0 for a stream without events. */
  readonly version: bigint;
  /** Of its last event; 0 for a stream without events. */
  readonly position: Position;
  /** Ids of the keys of the personal data that it was folded from. */
  readonly keys: ReadonlySet<string>;
  /** How often personal data had been forgotten when the fold began. */
  readonly era: number;
}

/** What a stream will be when the appends of a chain have succeeded. */
interface Ahead {
  readonly seen: StreamState;
  readonly chain: AppendChain;
  /** Whether they write another stream as well, of which the chain is. */
  readonly isBeside: boolean;
  /** Resolves when none of its appends is under way any more. */
  readonly settled: Promise<void>;
}

type Fold = Pick<AnyDecider, 'initialState' | 'evolve'>;

/** States of about this many streams are some tens of megabytes. */
const MAX_STATES = 10_000;

const NO_KEYS: ReadonlySet<string> = new Set();

/** The same set if nothing is new: a run of many events is mostly one person's. */
export const withKeys = (keys: ReadonlySet<string>, more: readonly string[]): ReadonlySet<string> =>
  more.every((key) => keys.has(key)) ? keys : new Set([...keys, ...more]);

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

  /** Drops the states that hold personal data under these keys, or under any: what is erased must not live on here. */
  forgetPersonal(forgotten?: ReadonlySet<string>): void {
    const isForgotten = ({ keys }: StreamState): boolean =>
      forgotten ? [...keys].some((key) => forgotten.has(key)) : keys.size > 0;
    this.#era += 1;
    for (const [stream, state] of this.#states) if (isForgotten(state)) this.#states.delete(stream);
    for (const { seen, chain } of this.#ahead.values()) if (isForgotten(seen)) chain.break();
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
   * Not if personal data of the state may have been forgotten meanwhile: those decide on the kept one.
   *
   * @param append never the last word: whoever awaits it keeps the state or breaks the chain.
   * @param isBeside whether the chain is of another stream that is written as well.
   */
  lead(
    stream: StreamId,
    { seen, chain, append, isBeside }: Omit<Ahead, 'settled'> & { readonly append: Promise<unknown> },
  ): void {
    if (this.#isOutdated(seen)) return;
    const before = this.#ahead.get(stream)?.settled;
    // Without their results: each would keep those of all before it, for as long as the stream is never idle.
    const settled = Promise.allSettled([before, append]).then(() => undefined);
    const ahead = { seen, chain, isBeside, settled };
    this.#ahead.set(stream, ahead);
    void settled.then(() => {
      if (this.#ahead.get(stream) === ahead) this.#ahead.delete(stream);
    });
  }

  /** As {@link expected}, for who joins a chain of another stream: what is under way in any other chain is waited for. */
  async expectedBeside(stream: StreamId, decider: Fold, chain: AppendChain | undefined): Promise<StreamState> {
    const ahead = this.#ahead.get(stream);
    if (ahead && ahead.chain === chain && !chain.isBroken) return ahead.seen;
    await ahead?.settled;
    return this.#kept(stream, decider);
  }

  /** Whether what is under way is in the chain of another stream. Only what writes that one, too, may join it. */
  isBeside(stream: StreamId): boolean {
    return this.#ahead.get(stream)?.isBeside === true;
  }

  /** Waits until no append of this process to the stream is under way. */
  async settled(stream: StreamId): Promise<void> {
    await this.#ahead.get(stream)?.settled;
  }

  /** Whether some personal data was forgotten since a state that holds some was folded. */
  #isOutdated({ keys, era }: StreamState): boolean {
    return keys.size > 0 && era !== this.#era;
  }

  #kept(stream: StreamId, { initialState }: Fold): StreamState {
    const kept = this.#states.get(stream);
    // What is still kept was folded from nothing that was forgotten until now.
    if (kept) return { ...kept, era: this.#era };
    return { state: initialState as unknown, version: 0n, position: 0n, keys: NO_KEYS, era: this.#era };
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
    let { state, version, position, keys } = this.#kept(stream, decider);
    const era = this.#era;
    for await (const { type, data, meta, workspace, ...event } of this.#eventsAfter(stream, version)) {
      const opened = meta.encrypted ? await this.personal.open(workspace, data) : data;
      if (meta.encrypted)
        keys = withKeys(
          keys,
          encryptedTextsIn(data).map(({ k }) => k),
        );
      // The log holds what this context's schemas allowed.
      state = decider.evolve(state, { type, data: opened } as DomainEvent);
      ({ version, position } = event);
    }
    const read = { state, version, position, keys, era };
    this.keep(stream, read);
    return read;
  }

  /** Keeps a state, unless a newer one is kept or it holds personal data of which some was forgotten since it was folded. */
  keep(stream: StreamId, state: StreamState): void {
    if ((this.#states.get(stream)?.version ?? 0n) > state.version) return;
    // An older one stays then, so that only what is new is folded again.
    if (this.#isOutdated(state)) return;
    this.#states.delete(stream);
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
