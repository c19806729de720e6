import { setTimeout as delay } from 'node:timers/promises';
import {
  AuthorizationError,
  connect,
  type ConnectionOptions,
  createInbox,
  type Msg,
  type NatsConnection,
  PermissionViolationError,
} from '@nats-io/transport-node';
import { ConsumerGone, HistoryGone, LogChanged, SubscriberRefused } from './errors.js';
import { type SubscribedEvent, toEvent } from './subscribed-event.js';

const STREAM = 'KONTOR_EVENTS';
const BATCH = 256; // a quarter of what the consumer may have under way
const PULL_EXPIRES_MS = 10_000;
const HEARTBEAT_MS = 1_000;
const SILENCE_MS = 2_500; // two heartbeats that did not come: the server has forgotten the pull
const REQUEST_TIMEOUT_MS = 2_000;
const RETRY_MS = 250;
const BEHIND_MS = 60_000; // after a power loss the relay fills JetStream's tail again, some 50,000 events in a second
const NS_PER_MS = 1_000_000;

// @source nats-server, server/errors.json
const CONSUMER_NOT_FOUND = 10014;
const STREAM_NOT_FOUND = 10059;
const INVALID_RESET = 10204;

export interface SubscribeOptions {
  /** Where NATS is and who asks, for example `servers`, `user` and `pass` as `kontor subscriber add` has printed them. */
  readonly connection: ConnectionOptions;
  /** The durable consumer that an operator has made. One subscriber reads it at a time. */
  readonly consumer: string;
  /**
   * The last position that was handled; before the first event, one less than where the consumer begins. `acknowledged`
   * leaves that to NATS, whose mark moves when somebody purges the stream: what goes while nobody reads is not noticed then.
   */
  readonly after: bigint | 'acknowledged';
  /** Ends the iteration. */
  readonly signal?: AbortSignal;
  /** Told when reading begins again at the last good position, and why. */
  readonly onInterruption?: (reason: string) => void;
}

/** What lives longer than one session. */
interface Cursor {
  /** Everything up to here is handled; unknown only until NATS has said where it goes on. */
  after: bigint | undefined;
  /** The log that is read. */
  source: string | undefined;
  /** Since when JetStream has ended before `after`. */
  behindSince: number | undefined;
  /** The server's refusal of something that has no answer of its own. */
  refusal: Error | undefined;
}

/**
 * The events of a consumer in order, without end and without a gap. An event is acknowledged when the next one is asked
 * for, so whatever ends the loop body early makes it come again: at least once, and exactly once for who stores `position`
 * with the effect and begins `after` it.
 *
 * Deliveries are counted: a lost one, a silent server or a broken connection makes a new session, which first sets the
 * consumer back to the last good position. Without a filter each position must follow the one before. With a filter
 * positions have holes; then the stream must still hold all since the last good position when a delivery is handed out.
 *
 * @throws SubscriberRefused, ConsumerGone, HistoryGone, LogChanged, BadMessage: what waiting does not mend.
 * @throws the client's error if the first connection fails.
 */
export async function* subscribe(options: SubscribeOptions): AsyncGenerator<SubscribedEvent, void> {
  const { consumer, signal, onInterruption } = options;
  const after = options.after === 'acknowledged' ? undefined : options.after;
  const cursor: Cursor = { after, source: undefined, behindSince: undefined, refusal: undefined };
  const nc = await open(options);
  void watch(nc, cursor);
  try {
    while (!signal?.aborted) {
      if (cursor.refusal) throw refused(consumer, cursor.refusal);
      if (nc.isClosed()) throw refused(consumer, await nc.closed());
      const reason = yield* session(nc, consumer, cursor, signal);
      if (reason === undefined || signal?.aborted) continue;
      onInterruption?.(reason);
      await Promise.allSettled([delay(RETRY_MS, undefined, { signal })]); // aborted: the loop ends
    }
  } finally {
    // The last acknowledgements; if NATS is away they come again as events.
    await Promise.race([Promise.allSettled([nc.flush()]), delay(REQUEST_TIMEOUT_MS, undefined, { ref: false })]);
    await nc.close();
  }
}

const open = ({ connection, consumer }: SubscribeOptions): Promise<NatsConnection> =>
  connect({
    ...connection,
    inboxPrefix: `_INBOX_${consumer}`,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RETRY_MS,
  }).catch((error: unknown) => {
    if (error instanceof AuthorizationError) throw refused(consumer, error);
    throw error;
  });

const refused = (consumer: string, cause: unknown): SubscriberRefused =>
  new SubscriberRefused(`NATS refuses to let ${consumer} read: ${cause instanceof Error ? cause.message : 'closed'}`, {
    cause,
  });

const watch = async (nc: NatsConnection, cursor: Cursor): Promise<void> => {
  for await (const status of nc.status())
    if (status.type === 'error' && status.error instanceof PermissionViolationError) cursor.refusal = status.error;
};

/** Reads until something is in doubt. @returns what, or undefined if nothing is and a new session goes on. */
async function* session(
  nc: NatsConnection,
  consumer: string,
  cursor: Cursor,
  signal: AbortSignal | undefined,
): AsyncGenerator<SubscribedEvent, string | undefined> {
  const mailbox = openMailbox(nc, createInbox(`_INBOX_${consumer}`));
  try {
    const start = await begin(nc, consumer, cursor);
    const { base, isFiltered } = start;
    let next = start.next;
    let deliveries = 0n;
    let owed = 0;
    while (!signal?.aborted) {
      if (owed === 0) {
        const pull = { batch: BATCH, expires: PULL_EXPIRES_MS * NS_PER_MS, idle_heartbeat: HEARTBEAT_MS * NS_PER_MS };
        nc.publish(`$JS.API.CONSUMER.MSG.NEXT.${STREAM}.${consumer}`, JSON.stringify(pull), { reply: mailbox.inbox });
        owed = BATCH;
      }
      const messages = await mailbox.take(SILENCE_MS, signal);
      if (messages.length === 0) return `NATS was silent for ${SILENCE_MS} ms`;
      const received: { readonly event: SubscribedEvent; readonly reply: string }[] = [];
      let isIdle = false;
      for (const message of messages) {
        const { reply = '', headers } = message;
        if (!reply.startsWith('$JS.ACK.')) {
          const { code = 0, description = '' } = headers ?? {};
          if (code === 100) continue; // a heartbeat
          if (code !== 404 && code !== 408) return `NATS ends the pull: ${code} ${description}`;
          isIdle = owed === BATCH;
          owed = 0;
          continue;
        }
        owed -= 1;
        const delivery = sequencesOf(reply);
        deliveries += 1n;
        if (delivery.consumer !== deliveries) return `delivery ${deliveries} was lost`;
        const event = toEvent(message);
        if (event.source !== cursor.source || event.position !== delivery.stream + base)
          throw new LogChanged(
            `sequence ${delivery.stream} holds position ${event.position} of ${event.source}; expected position ${delivery.stream + base} of ${cursor.source}`,
          );
        if (event.position < next) continue; // delivered again
        if (!isFiltered && event.position > next) {
          if (deliveries === 1n) throw new HistoryGone(next, event.position);
          return `position ${next} was left out`;
        }
        received.push({ event, reply });
        next = event.position + 1n;
      }
      // Asked after the delivery: what the stream holds now it held then, so nothing that matches was left out.
      if (isFiltered && received.length > 0) await requireHeld(nc, base, (cursor.after ?? 0n) + 1n);
      for (const { event, reply } of received) {
        yield event;
        nc.publish(reply);
        cursor.after = event.position;
        if (signal?.aborted) return undefined;
      }
      if (isFiltered && isIdle && received.length === 0 && owed === 0) {
        cursor.after = await settled(nc, { consumer, base, deliveries, after: cursor.after });
        return undefined;
      }
    }
    return undefined;
  } catch (error) {
    if (nc.isClosed() || error instanceof ApiError || error instanceof Passing) return (error as Error).message;
    throw error;
  } finally {
    mailbox.close();
  }
}

/**
 * Sets the consumer back to the last good position.
 *
 * @source NATS ADR-60, consumer reset: all that was delivered and not acknowledged comes again, in order, and deliveries
 * are counted from 1. Without it, what a dead predecessor left would come after newer events.
 */
const begin = async (
  nc: NatsConnection,
  consumer: string,
  cursor: Cursor,
): Promise<{ readonly base: bigint; readonly next: bigint; readonly isFiltered: boolean }> => {
  try {
    const { after } = cursor;
    const { source, base, first, last } = await readStream(nc);
    if (cursor.source !== undefined && cursor.source !== source)
      throw new LogChanged(`the stream caches the log ${source}, no longer ${cursor.source}`);
    cursor.source = source;
    if (after !== undefined && after > last) {
      cursor.behindSince ??= performance.now();
      const message = `the stream ends at position ${last}, before ${after}, which was handled`;
      if (performance.now() - cursor.behindSince > BEHIND_MS) throw new LogChanged(`${message}: a restored log?`);
      throw new Passing(message);
    }
    cursor.behindSince = undefined;
    const reset = await api<{ reset_seq: number; config: { filter_subject?: string; filter_subjects?: string[] } }>(
      nc,
      `CONSUMER.RESET.${STREAM}.${consumer}`,
      after === undefined ? undefined : { seq: Number(after - base + 1n) },
    );
    const next = BigInt(reset.reset_seq) + base;
    if (first > next) throw new HistoryGone(next, first);
    cursor.after = next - 1n;
    return { base, next, isFiltered: Boolean(reset.config.filter_subject ?? reset.config.filter_subjects?.length) };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.code === CONSUMER_NOT_FOUND || error.code === STREAM_NOT_FOUND)
      throw new ConsumerGone(consumer, cursor.after);
    if (error.code === INVALID_RESET)
      throw new SubscriberRefused(
        `${consumer} does not reach back to position ${(cursor.after ?? 0n) + 1n}: ${error.message}; the operator chose where it begins`,
      );
    throw error;
  }
};

/** @throws HistoryGone if the stream has dropped `wanted`. */
const requireHeld = async (nc: NatsConnection, base: bigint, wanted: bigint): Promise<void> => {
  const { first } = await readStream(nc);
  if (first > wanted) throw new HistoryGone(wanted, first);
};

/**
 * The position up to which nothing is left for an idle consumer with a filter: it moves over what does not match, or a rare
 * event would make the subscriber take an old position for a lost one.
 */
const settled = async (
  nc: NatsConnection,
  state: { consumer: string; base: bigint; deliveries: bigint; after: bigint | undefined },
): Promise<bigint | undefined> => {
  const { last } = await readStream(nc);
  const { num_pending, delivered } = await api<{ num_pending: number; delivered: { consumer_seq: number } }>(
    nc,
    `CONSUMER.INFO.${STREAM}.${state.consumer}`,
  );
  const isDone = num_pending === 0 && BigInt(delivered.consumer_seq) === state.deliveries;
  return isDone && last > (state.after ?? 0n) ? last : state.after;
};

const readStream = async (nc: NatsConnection) => {
  const { config, state } = await api<{
    config: { metadata?: { origin?: string; base?: string } };
    state: { first_seq: number; last_seq: number };
  }>(nc, `STREAM.INFO.${STREAM}`);
  const { origin = '', base = '0' } = config.metadata ?? {};
  const from = BigInt(base);
  return { source: origin, base: from, first: BigInt(state.first_seq) + from, last: BigInt(state.last_seq) + from };
};

/** A no of JetStream's API. */
class ApiError extends Error {
  constructor(
    readonly code: number,
    description: string,
  ) {
    super(description);
  }
}

/** Something that passes by itself. */
class Passing extends Error {}

/** @throws ApiError, Passing if NATS does not answer, SubscriberRefused if it may not be asked. */
const api = async <Answer>(nc: NatsConnection, subject: string, body?: object): Promise<Answer> => {
  const text = body === undefined ? '' : JSON.stringify(body);
  const message = await nc
    .request(`$JS.API.${subject}`, text, { timeout: REQUEST_TIMEOUT_MS })
    .catch((cause: Error) => {
      if (cause.cause instanceof PermissionViolationError)
        throw new SubscriberRefused(`NATS refuses ${subject}: ${cause.cause.message}`, { cause });
      throw new Passing(`NATS does not answer ${subject}: ${cause.message}`, { cause });
    });
  const answer = message.json<Answer & { error?: { err_code?: number; description?: string } }>();
  if (answer.error) throw new ApiError(answer.error.err_code ?? 0, answer.error.description ?? 'refused');
  return answer;
};

/** @source NATS ADR-15: `$JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.…` */
const sequencesOf = (reply: string): { readonly stream: bigint; readonly consumer: bigint } => {
  const tokens = reply.split('.');
  const at = tokens.length > 9 ? 7 : 5;
  return { stream: BigInt(tokens[at] ?? 0), consumer: BigInt(tokens[at + 1] ?? 0) };
};

const openMailbox = (nc: NatsConnection, inbox: string) => {
  const waiting: Msg[] = [];
  let wake = (): void => undefined;
  const subscription = nc.subscribe(inbox, {
    callback: (_, message) => {
      waiting.push(message);
      wake();
    },
  });
  return {
    inbox,
    /** What has come; waits for the first of it, until the time is over or the signal aborts. */
    take: async (timeoutMs: number, signal: AbortSignal | undefined): Promise<readonly Msg[]> => {
      if (waiting.length === 0 && !signal?.aborted)
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, timeoutMs);
          const done = (): void => {
            clearTimeout(timer);
            signal?.removeEventListener('abort', done);
            resolve();
          };
          wake = done;
          signal?.addEventListener('abort', done);
        });
      return waiting.splice(0);
    },
    close: () => {
      if (!subscription.isClosed()) subscription.unsubscribe();
    },
  };
};
