import type { Position } from '@kontor/event-sourcing';
import { jetstream, JetStreamApiError, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { fromMessage, type StoredEvent, toMessage } from './envelope.js';
import { ChainBroken, TailRemoved } from './errors.js';
import { EVENTS_STREAM, type LogIdentity } from './streams.js';
import { eventSubject } from './subjects.js';

const WRONG_LAST_SEQUENCE = 10071; // @source nats-server, server/errors.json
const MESSAGE_NOT_FOUND = 10037;
const EXPECTED_LAST = 'Nats-Expected-Last-Sequence';
// One stalled answer must not hold the relay for long; sending again is harmless.
const ACK_TIMEOUT_MS = 5_000;

/** A target for the relay: the event stream, in which each message names its predecessor. */
export interface ChainPublisher {
  tail(): Promise<{ readonly position: Position; readonly eventId: string } | undefined>;
  publish(events: readonly StoredEvent[]): Promise<void>;
}

/**
 * Publishes the log to JetStream as a chain: sequence = position - base. A lost, doubled or reordered message makes all
 * later ones fail and the last one, which is a request, tells. Two publishers at once do no harm.
 */
export const chainPublisher = (nc: NatsConnection, { origin, base }: LogIdentity): ChainPublisher => {
  const js = jetstream(nc, { timeout: ACK_TIMEOUT_MS });

  const tail: ChainPublisher['tail'] = async () => {
    const jsm = await jetstreamManager(nc, { timeout: ACK_TIMEOUT_MS });
    const { state } = await jsm.streams.info(EVENTS_STREAM);
    if (state.last_seq === 0) return undefined;
    const last = await jsm.streams.getMessage(EVENTS_STREAM, { seq: state.last_seq }).catch((error: unknown) => {
      if (error instanceof JetStreamApiError && error.code === MESSAGE_NOT_FOUND) return null;
      throw error;
    });
    if (last === null)
      throw new TailRemoved(`message ${state.last_seq} of ${EVENTS_STREAM} is gone; delete the stream`);
    return {
      position: BigInt(state.last_seq) + base,
      eventId: fromMessage({ headers: last.header, data: last.data }).eventId,
    };
  };

  const publish: ChainPublisher['publish'] = async (events) => {
    const last = events.at(-1);
    if (last === undefined) return;
    for (const event of events) {
      const { headers, data } = toMessage(event, origin);
      headers.set(EXPECTED_LAST, `${event.position - base - 1n}`);
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
