import type { AppendChain } from './append-chain.js';
import type { NewEvent, RecordedEvent } from './event.js';
import type { Position } from './position.js';
import type { StreamId } from './stream-id.js';

/** The version a stream must have: exactly n, `none` (it must not exist), or `any` (no check). */
export type ExpectedVersion = bigint | 'none' | 'any';

export interface Write {
  readonly stream: StreamId;
  readonly expected: ExpectedVersion;
  /** At least one. */
  readonly events: readonly NewEvent[];
}

/** Holds a fact of another stream still: the append is refused if that stream has moved. */
export interface Guard {
  readonly stream: StreamId;
  readonly expected: Exclude<ExpectedVersion, 'any'>;
}

/** Makes a name unique in a workspace: taken by one stream, or freed by it. */
export interface Claim {
  readonly stream: StreamId;
  readonly kind: string;
  readonly key: string;
  readonly take: boolean;
}

export interface AppendRequest {
  /** UUIDv7. Remembered once accepted, so that sending it again changes nothing. */
  readonly commandId: string;
  /** SHA-256 of the command as the client sent it: the same id with another content is refused. */
  readonly requestHash: Uint8Array;
  readonly actor: string;
  readonly writes: readonly Write[];
  readonly guards?: readonly Guard[];
  readonly claims?: readonly Claim[];
  /** Of an append that rests on earlier ones which the log has not confirmed yet. It writes streams that exist, at versions of them. */
  readonly chain?: AppendChain;
}

/** What an accepted command did. The same for every retry. */
export interface Accepted {
  readonly firstPosition: Position;
  readonly lastPosition: Position;
  /** The version of each written stream afterwards, in the order of the writes. */
  readonly versions: readonly bigint[];
  readonly recordedAt: string;
}

export type AppendResult =
  | (Accepted & { readonly outcome: 'appended' | 'replayed' })
  /** Nothing was written: an expected version, a guard or a claim did not hold. `versions` are the actual ones. */
  | { readonly outcome: 'conflict' | 'guard' | 'claimed'; readonly versions: readonly bigint[] }
  /** Nothing was written: an earlier append of its chain was not appended. */
  | { readonly outcome: 'broken' }
  /** Nothing was written: the command id was used for another content. */
  | { readonly outcome: 'key_reused' };

/**
 * The log.
 *
 * Guarantees: one command is all or nothing and contiguous; positions run 1, 2, 3 … without a gap; an accepted command
 * is durable; the same accepted command id gives the same answer. Readers see only committed events, in order.
 */
export interface EventStore {
  append(request: AppendRequest): Promise<AppendResult>;
  /** The answer that the command id got, with the hash of its content, or undefined if it was never accepted. */
  findCommand(commandId: string): Promise<(Accepted & { readonly requestHash: Uint8Array }) | undefined>;
  /** The events of one stream with a version above `afterVersion`, in order. */
  readStream(stream: StreamId, afterVersion?: bigint): AsyncIterable<RecordedEvent>;
  /** The events above `after`, up to and including `upTo` or else the head at the time of the call, in order. */
  readAll(
    after: Position,
    options?: { readonly upTo?: Position; readonly types?: readonly string[] },
  ): AsyncIterable<RecordedEvent>;
  /** The newest committed position. */
  head(): Promise<Position>;
}
