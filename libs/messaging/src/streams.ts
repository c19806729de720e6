import {
  JetStreamApiError,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import { StreamRefused } from './errors.js';
import { ALL_EVENTS, ALL_TELEMETRY } from './subjects.js';

export const EVENTS_STREAM = 'KONTOR_EVENTS';
export const TELEMETRY_STREAM = 'INFER';
export const ROUTES_BUCKET = 'KONTOR_ROUTES';

const GIB = 1024 ** 3;
const DAY_NS = 24 * 3600 * 1e9;

/** Which log the event stream caches. JetStream sequence = position - base. */
export interface LogIdentity {
  readonly origin: string;
  readonly base: bigint;
}

type Definition = Partial<StreamConfig> & { readonly name: string };

/** The event stream: a cache of 30 days, so that a subscriber rarely has to read pages. */
export const eventsStream = ({ origin, base }: LogIdentity): Definition => ({
  name: EVENTS_STREAM,
  subjects: [ALL_EVENTS],
  storage: StorageType.File,
  retention: RetentionPolicy.Limits,
  max_age: 30 * DAY_NS,
  max_bytes: 4 * GIB,
  deny_delete: true,
  allow_direct: true,
  metadata: { origin, base: `${base}` },
});

/** Telemetry: kept for a week, longer than the windows that read it. */
export const telemetryStream: Definition = {
  name: TELEMETRY_STREAM,
  subjects: [...ALL_TELEMETRY],
  storage: StorageType.File,
  retention: RetentionPolicy.Limits,
  max_age: 7 * DAY_NS,
  max_bytes: 2 * GIB,
};

/**
 * Makes the streams and the bucket of routes where they are missing. Idempotent.
 *
 * @throws StreamRefused if the event stream caches another log, or the server does not make a stream: it lacks storage, or
 * its streams have other subjects.
 */
export const ensureStreams = async (nc: NatsConnection, identity: LogIdentity): Promise<void> => {
  const jsm = await jetstreamManager(nc);
  const existing = new Set<string>();
  for await (const { config } of jsm.streams.list()) {
    existing.add(config.name);
    if (config.name !== EVENTS_STREAM) continue;
    const { origin, base } = config.metadata ?? {};
    if (origin !== identity.origin || base !== `${identity.base}`) {
      throw new StreamRefused(
        `stream ${EVENTS_STREAM} caches the log ${origin ?? 'without a name'} from ${base ?? '?'}, not ${identity.origin} from ${identity.base}; delete the stream`,
      );
    }
  }
  for (const definition of [eventsStream(identity), telemetryStream]) {
    if (existing.has(definition.name)) continue;
    await jsm.streams.add(definition).catch((cause: unknown) => {
      if (!(cause instanceof JetStreamApiError)) throw cause;
      const size = `${(definition.max_bytes ?? 0) / GIB} GiB`;
      throw new StreamRefused(`NATS does not make stream ${definition.name} of at most ${size}: ${cause.message}`, {
        cause,
      });
    });
  }
  await new Kvm(nc).create(ROUTES_BUCKET, { history: 1 });
};

/** Removes the copy of a log that was restored: it holds events that are lost. The next start makes an empty one. */
export const deleteEventsStream = async (nc: NatsConnection): Promise<void> => {
  const jsm = await jetstreamManager(nc);
  for await (const name of jsm.streams.names()) if (name === EVENTS_STREAM) await jsm.streams.delete(name);
};
