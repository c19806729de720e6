import { setTimeout as delay } from 'node:timers/promises';
import type { Position } from '@kontor/event-sourcing';
import {
  AckPolicy,
  DeliverPolicy,
  JetStreamApiError,
  type JetStreamManager,
  jetstreamManager,
} from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { SubscriberInvalid } from './errors.js';
import type { NatsPermissions } from './permissions.js';
import { EVENTS_STREAM } from './streams.js';

const PREFIX = 'subscriber-';
const ACK_WAIT_NS = 30 * 1e9; // a subscriber that comes back does not wait for it: it sets its consumer back
const MAX_ACK_PENDING = 1_000; // what a subscriber may hold unhandled; four of its batches
const API_TIMEOUT_MS = 5_000;
const RELAY_TIMEOUT_MS = 10_000;
const RELAY_POLL_MS = 50;
const CONSUMER_NOT_FOUND = 10014; // @source nats-server, server/errors.json
const CONSUMER_EXISTS = [10148, 10012, 10013]; // exists, with another configuration, under this name

/** The name of a subscriber's consumer and of its user: the same, so that one cannot be taken for another's. */
export const subscriberUser = (name: string): string => `${PREFIX}${name}`;

/** The name of the subscriber that a user or consumer belongs to; undefined if it is nobody's. */
export const subscriberOf = (user: string): string | undefined =>
  user.startsWith(PREFIX) ? user.slice(PREFIX.length) : undefined;

/**
 * What the user of one external subscriber may do: read its own consumer, set it back, acknowledge, and look at the stream.
 * The consumer's filter is the read permission. Looking at the stream shows the names of all subjects (workspace,
 * aggregate, event type) and how many there are, and no content.
 */
export const subscriberPermissions = (name: string): NatsPermissions => {
  const own = `${EVENTS_STREAM}.${subscriberUser(name)}`;
  return {
    publish: [
      `$JS.API.STREAM.INFO.${EVENTS_STREAM}`,
      `$JS.API.CONSUMER.INFO.${own}`,
      `$JS.API.CONSUMER.MSG.NEXT.${own}`,
      `$JS.API.CONSUMER.RESET.${own}`,
      `$JS.ACK.${own}.>`,
    ],
    // A prefix of its own: replies to others, which hold events too, stay unheard.
    subscribe: [`_INBOX_${subscriberUser(name)}.>`],
    answers: false,
  };
};

/** Which events a subscriber gets; what is left out is not restricted. */
export interface SubscriberFilter {
  readonly workspace?: string | undefined;
  readonly contexts?: readonly string[] | undefined;
  readonly types?: readonly string[] | undefined;
}

const filterSubjects = ({ workspace, contexts = [], types = [] }: SubscriberFilter): string[] => {
  if (workspace === undefined && contexts.length === 0 && types.length === 0) return [];
  const inContexts = contexts.length > 0 ? contexts : ['*'];
  const ofTypes = types.length > 0 ? types : ['*'];
  return inContexts.flatMap((context) => ofTypes.map((type) => `kontor.evt.${workspace ?? '*'}.${context}.*.${type}`));
};

/** A subscriber as NATS knows it. */
export interface Subscriber {
  readonly name: string;
  /** Subjects that it gets; empty = all events. */
  readonly filters: readonly string[];
  /** All that matches up to here is acknowledged, or was purged. */
  readonly acknowledged: Position;
  /** Matching events that are not. */
  readonly waiting: number;
}

/**
 * Makes the durable pull consumer of a subscriber, which begins at position `from`. Idempotent.
 *
 * @throws SubscriberInvalid if there is another consumer of this name, or JetStream no longer holds `from`, or does not hold
 * all before it within 10 s.
 */
export const addSubscriber = async (
  nc: NatsConnection,
  name: string,
  { from, ...filter }: SubscriberFilter & { readonly from: Position },
): Promise<void> => {
  const jsm = await jetstreamManager(nc, { timeout: API_TIMEOUT_MS });
  const { base, first } = await untilHeld(jsm, from - 1n);
  if (from < first)
    throw new SubscriberInvalid(
      `JetStream holds the log from position ${first} on, not ${from}; read what is before from the log itself`,
    );
  const filter_subjects = filterSubjects(filter);
  await jsm.consumers
    .add(EVENTS_STREAM, {
      durable_name: subscriberUser(name),
      // In order and one reader: an acknowledgement stands for all before it, so that a lost one is made up by the next.
      ack_policy: AckPolicy.All,
      ack_wait: ACK_WAIT_NS,
      max_ack_pending: MAX_ACK_PENDING,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: Number(from - base),
      ...(filter_subjects.length > 0 && { filter_subjects }),
    })
    .catch((cause: unknown) => {
      if (!(cause instanceof JetStreamApiError) || !CONSUMER_EXISTS.includes(cause.code)) throw cause;
      throw new SubscriberInvalid(`there is a subscriber ${name}; remove it first to change it`, { cause });
    });
};

/** Ends a subscriber's consumer. @returns whether there was one */
export const removeSubscriber = async (nc: NatsConnection, name: string): Promise<boolean> => {
  const jsm = await jetstreamManager(nc, { timeout: API_TIMEOUT_MS });
  return jsm.consumers.delete(EVENTS_STREAM, subscriberUser(name)).catch((error: unknown) => {
    if (error instanceof JetStreamApiError && error.code === CONSUMER_NOT_FOUND) return false;
    throw error;
  });
};

/** All external subscribers. */
export const listSubscribers = async (nc: NatsConnection): Promise<readonly Subscriber[]> => {
  const jsm = await jetstreamManager(nc, { timeout: API_TIMEOUT_MS });
  const { base } = await readStream(jsm);
  const found: Subscriber[] = [];
  for await (const info of jsm.consumers.list(EVENTS_STREAM)) {
    const name = subscriberOf(info.name);
    if (name === undefined) continue;
    const { filter_subject, filter_subjects } = info.config;
    const acknowledged = BigInt(info.ack_floor.stream_seq) + base;
    const waiting = info.num_pending + info.num_ack_pending;
    const filters = filter_subjects ?? (filter_subject ? [filter_subject] : []);
    found.push({ name, filters, acknowledged, waiting });
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
};

/** A consumer that is to begin behind the end would begin at the end. The relay is milliseconds behind the log. */
const untilHeld = async (jsm: JetStreamManager, position: Position) => {
  for (const deadline = performance.now() + RELAY_TIMEOUT_MS; ;) {
    const stream = await readStream(jsm);
    if (stream.last >= position) return stream;
    if (performance.now() > deadline)
      throw new SubscriberInvalid(`JetStream holds the log up to position ${stream.last} only, not ${position}`);
    await delay(RELAY_POLL_MS);
  }
};

const readStream = async (jsm: JetStreamManager) => {
  const { config, state } = await jsm.streams.info(EVENTS_STREAM);
  const base = BigInt(config.metadata?.['base'] ?? 0);
  return { base, first: BigInt(state.first_seq) + base, last: BigInt(state.last_seq) + base };
};
