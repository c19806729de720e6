import type { Position } from '@kontor/event-sourcing';
import { jetstream, JetStreamApiError, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { fromMessage, type StoredEvent, toMessage } from './envelope.js';
import { ChainBroken } from './errors.js';
import { ensureStreams, EVENTS_STREAM, type LogIdentity } from './streams.js';
import { eventSubject } from './subjects.js';

const WRONG_LAST_SEQUENCE = 10071; // @source nats-server, server/errors.json
const STREAM_NOT_FOUND = 10059;
const EXPECTED_LAST = 'Nats-Expected-Last-Sequence';
// One stalled answer must not hold the relay for long; sending again is harmless.
const ACK_TIMEOUT_MS = 5_000;

/** A target for the relay: the event stream, in which each message names its predecessor. */
export interface ChainPublisher {
  /** The last event that the stream got, without its id if the stream has dropped it since; undefined if it is new. */
  tail(): Promise<{ readonly position: Position; readonly eventId: string | undefined } | undefined>;
  publish(events: readonly StoredEvent[]): Promise<void>;
}

/**
 * Publishes the log to JetStream as a chain: sequence = position - base. A lost, doubled or reordered message makes all
 * later ones fail and the last one, which is a request, tells. Two publishers at once do no harm.
 *
 * Beside it, nats-server 2.15.1 in one run on a busy machine, thousands of messages/s with 14 headers, medians of three: chain of
 * 500 6.5, atomic batch of 500 6.4, fast ingest 19.7. Only the chain names every predecessor without an option of the stream.
 * With `sync_interval: always` 0.56, 3.9 and 0.38: there an atomic batch pays, but the log fills a lost tail again, so JetStream
 * needs no flush per message.
 */
export const chainPublisher = (nc: NatsConnection, identity: LogIdentity): ChainPublisher => {
  const { origin, base } = identity;
  const js = jetstream(nc, { timeout: ACK_TIMEOUT_MS });

  const tail: ChainPublisher['tail'] = async () => {
    const jsm = await jetstreamManager(nc, { timeout: ACK_TIMEOUT_MS });
    const info = await jsm.streams.info(EVENTS_STREAM).catch((error: unknown) => {
      if (error instanceof JetStreamApiError && error.code === STREAM_NOT_FOUND) return undefined;
      throw error;
    });
    if (info === undefined) {
      // A server that lost its files, or somebody who deleted the stream. It is a cache: made again, it is filled again.
      await ensureStreams(nc, identity);
      return undefined;
    }
    const { last_seq: seq } = info.state;
    if (seq === 0) return undefined;
    const last = await jsm.streams.getMessage(EVENTS_STREAM, { seq });
    const eventId = last ? fromMessage({ headers: last.header, data: last.data }).eventId : undefined;
    return { position: BigInt(seq) + base, eventId };
  };

  const publish: ChainPublisher['publish'] = async (events) => {
    const last = events.at(-1);
    if (last === undefined) return;
    for (const event of events) {
      const { headers, data } = toMessage(event, origin);
      headers.append(EXPECTED_LAST, `${event.position - base - 1n}`);
      const subject = eventSubject(event.streamId, event.type);
      if (event !== last) {
        nc.publish(subject, data, { headers });
        continue;
      }
      const ack = await js.publish(subject, data, { headers }).catch((error: unknown) => {
        if (error instanceof JetStreamApiError && error.code === WRONG_LAST_SEQUENCE) {
          throw new ChainBroken(`the chain broke at or before position ${last.position}`, { cause: error });
        }
        throw error;
      });
      if (BigInt(ack.seq) !== last.position - base) {
        throw new ChainBroken(`position ${last.position} was stored at sequence ${ack.seq}`);
      }
    }
  };

  return { tail, publish };
};
