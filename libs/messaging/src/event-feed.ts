import { setImmediate as nextTurn } from 'node:timers/promises';
import type { EventStore, Position, RecordedEvent, Upcasters } from '@kontor/event-sourcing';
import {
  type ConsumerMessages,
  DeliverPolicy,
  jetstream,
  JetStreamApiError,
  JetStreamError,
  type JsMsg,
} from '@nats-io/jetstream';
import {
  AuthorizationError,
  ConnectionError,
  type NatsConnection,
  NoRespondersError,
  PermissionViolationError,
  RequestError,
  TimeoutError,
} from '@nats-io/transport-node';
import { attributesOf, textOf, toRecorded, withoutData } from './envelope.js';
import { FeedRefused } from './errors.js';
import { EVENTS_STREAM } from './streams.js';

const MAX_BATCH = 500; // one transaction of a consumer; the page size of the log
const IDLE_MS = 1_000; // JetStream silent this long: look into the log, which alone knows whether there is more
const API_TIMEOUT_MS = 1_000; // NATS away is found out within one idle interval

export interface EventFeedOptions {
  readonly nc: NatsConnection;
  readonly base: bigint;
  readonly after: Position;
  /** Pages of the log: used at the start, after a gap, and while NATS is away or silent. */
  readonly readAll: EventStore['readAll'];
  readonly upcasters: Upcasters;
  /** Types of which the reader wants to know what they say; default: all. The data of others may be undefined, so nothing is parsed. */
  readonly types?: readonly string[];
  readonly signal: AbortSignal;
}

/**
 * The log from a position on, without end: ordered batches of 1 to 500 events, without gap or repeat; an empty one after each
 * silent second, for who has something to do then.
 *
 * JetStream gives speed, the log gives truth: whatever JetStream does, positions grow by one. A JetStream iterator that
 * stops or falls silent is doubted within 1 s and replaced.
 *
 * @throws FeedRefused if this user may not read the stream; the client's error if the connection was closed.
 * @throws errors of `readAll`; go on with a new feed from the last position that was used.
 */
export async function* eventFeed(options: EventFeedOptions): AsyncGenerator<readonly RecordedEvent[], void> {
  const { signal, upcasters } = options;
  const types = options.types && new Set(options.types);
  const recordedOf = (message: JsMsg): RecordedEvent => {
    const attributes = attributesOf(message);
    return types === undefined || types.has(attributes.type)
      ? toRecorded({ ...attributes, data: textOf(message) }, upcasters)
      : withoutData(attributes);
  };
  let position = options.after;
  let live: Live | undefined;
  try {
    while (!signal.aborted) {
      for await (const batch of pages(options, position)) {
        yield batch;
        position = batch.at(-1)?.position ?? position;
        if (signal.aborted) return;
      }
      live ??= await open(options, position);
      if (live === undefined) {
        await idle(signal);
        if (!signal.aborted) yield [];
        continue;
      }
      let batch: RecordedEvent[] = [];
      for (;;) {
        const message = await live.next(signal);
        if (message === 'idle') break;
        if (message === 'ended') {
          live = undefined;
          break;
        }
        const event = recordedOf(message);
        const expected = position + BigInt(batch.length) + 1n;
        if (event.position < expected) continue;
        if (event.position > expected) {
          await live.close();
          live = undefined;
          break;
        }
        batch.push(event);
        if (message.info.pending > 0 && batch.length < MAX_BATCH) continue;
        yield batch;
        position = event.position;
        batch = [];
      }
      // After a gap or an end, what is left of a batch is read again from the log.
      if (live !== undefined && !signal.aborted) {
        yield batch;
        position += BigInt(batch.length);
      }
    }
  } finally {
    await live?.close();
  }
}

async function* pages({ readAll }: EventFeedOptions, after: Position): AsyncGenerator<readonly RecordedEvent[], void> {
  let batch: RecordedEvent[] = [];
  for await (const event of readAll(after)) {
    batch.push(event);
    if (batch.length < MAX_BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

interface Live {
  /** The next message; `idle` after a silent second or when the signal aborts; `ended` if the iterator stopped. */
  next(signal: AbortSignal): Promise<JsMsg | 'idle' | 'ended'>;
  close(): Promise<void>;
}

type ErrorClass = abstract new (...args: never[]) => Error;

/** The client wraps what the server said, sometimes twice. */
const stemsFrom = (error: unknown, classes: readonly ErrorClass[]): boolean =>
  error instanceof Error &&
  (classes.some((cause) => error instanceof cause) || (error.cause !== undefined && stemsFrom(error.cause, classes)));

const FORBIDDEN = [AuthorizationError, PermissionViolationError];

/** What NATS says while it is away, starts, or has lost the stream that the relay will fill again. */
const PASSING = [ConnectionError, JetStreamApiError, JetStreamError, NoRespondersError, RequestError, TimeoutError];

/**
 * Undefined while NATS cannot serve: the log's pages bridge it.
 *
 * @throws FeedRefused and every other error that waiting does not change, such as a closed connection.
 */
const open = async ({ nc, base }: EventFeedOptions, after: Position): Promise<Live | undefined> => {
  let messages: ConsumerMessages;
  try {
    const js = jetstream(nc, { timeout: API_TIMEOUT_MS });
    const consumer = await js.consumers.get(EVENTS_STREAM, {
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: Number(after - base) + 1,
    });
    messages = await consumer.consume({ max_messages: MAX_BATCH });
  } catch (error) {
    if (stemsFrom(error, FORBIDDEN))
      throw new FeedRefused(`${EVENTS_STREAM} may not be read by this user`, { cause: error });
    if (stemsFrom(error, PASSING)) return undefined;
    throw error;
  }
  const iterator = messages[Symbol.asyncIterator]();
  let pending: Promise<JsMsg | 'ended'> | undefined;
  return {
    next: async (signal) => {
      pending ??= iterator.next().then(
        (result) => (result.done === true ? 'ended' : result.value),
        // The next `open` says why.
        () => 'ended' as const,
      );
      // What has arrived needs no timer and no listener of its own.
      const sooner = await Promise.race([pending, nextTurn('later' as const)]);
      const outcome = sooner === 'later' ? await orIdle(pending, signal) : sooner;
      if (outcome !== 'idle') pending = undefined;
      return outcome;
    },
    close: async () => {
      messages.stop();
      // Not `messages.close()`: the client takes the end like a message, so it waits for ever unless somebody asks for it.
      await iterator.return?.();
    },
  };
};

const idle = (signal: AbortSignal): Promise<'idle'> => orIdle(new Promise<never>(() => undefined), signal);

/** What the work, which never rejects, comes to; `idle` after a silent second or when the signal aborts. */
const orIdle = <Outcome>(work: Promise<Outcome>, signal: AbortSignal): Promise<Outcome | 'idle'> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve('idle');
    const settle = (outcome: Outcome | 'idle'): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', giveUp);
      resolve(outcome);
    };
    const giveUp = (): void => settle('idle');
    const timer = setTimeout(giveUp, IDLE_MS);
    signal.addEventListener('abort', giveUp);
    void work.then(settle);
  });
