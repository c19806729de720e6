import { DeliverPolicy, jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { BadMessage } from './errors.js';
import { TELEMETRY_STREAM } from './streams.js';

/** Publishes an array of records as one message. Resolves when JetStream holds it; then it has a sequence. */
export const publishTelemetry = async (
  nc: NatsConnection,
  subject: string,
  records: readonly unknown[],
): Promise<number> => (await jetstream(nc).publish(subject, JSON.stringify(records))).seq;

export interface TelemetryMessage {
  readonly subject: string;
  /** Place in the stream. Store it in the transaction of the effect and start again after it. */
  readonly sequence: number;
  readonly records: readonly unknown[];
}

export interface ConsumeTelemetryOptions {
  readonly nc: NatsConnection;
  readonly subjects: readonly string[];
  /** The checkpoint that the effect's transaction stored; 0 at the beginning. */
  readonly afterSequence: number;
  readonly signal: AbortSignal;
}

const MAX_BATCH = 200; // messages per transaction
const EXPIRES_MS = 1_000; // an abort is noticed within this time

/**
 * Telemetry after a sequence, in order, without end: batches of 1 to 200 messages. The caller's checkpoint is the only
 * durable state, so nothing is lost or doubled when the consumer's process dies.
 *
 * @throws the client's errors while NATS is away; go on with a new iterator from the stored checkpoint.
 */
export async function* consumeTelemetry({
  nc,
  subjects,
  afterSequence,
  signal,
}: ConsumeTelemetryOptions): AsyncGenerator<readonly TelemetryMessage[], void> {
  const consumer = await jetstream(nc).consumers.get(TELEMETRY_STREAM, {
    filter_subjects: [...subjects],
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: afterSequence + 1,
  });
  while (!signal.aborted) {
    let batch: TelemetryMessage[] = [];
    for await (const message of await consumer.fetch({ max_messages: MAX_BATCH, expires: EXPIRES_MS })) {
      const records: unknown = message.json();
      if (!Array.isArray(records))
        throw new BadMessage(`${message.subject} #${message.seq}: expected an array of records`);
      batch.push({ subject: message.subject, sequence: message.seq, records });
      if (message.info.pending > 0) continue;
      yield batch;
      batch = [];
    }
    if (batch.length > 0) yield batch;
  }
}
