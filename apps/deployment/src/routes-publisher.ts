import { type RouteEntry, routeEntry, routeKey, routeOf } from '@kontor/domain/deployment';
import { ROUTES_BUCKET } from '@kontor/messaging';
import { type KV, Kvm } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/nats-core';
import type pg from 'pg';
import { followEndpoints } from './endpoint-follower.js';
import { parseJson } from './parse-json.js';

/** Another process may write the same key between our read and our write; it has the same log, so a few tries suffice. */
const MAX_TRIES = 10;

/**
 * Writes the route of every endpoint into the bucket, and again after each event of its stream. At the start this
 * rebuilds the bucket from the log, so it may be deleted at any time.
 *
 * Idempotent, and safe beside another publisher: an entry is replaced only by one of a higher stream version.
 *
 * Ends when the signal aborts.
 *
 * @throws the errors of PostgreSQL and NATS; run it again.
 */
export const publishRoutes = async (pool: pg.Pool, nats: NatsConnection, signal: AbortSignal): Promise<void> => {
  const bucket = await new Kvm(nats).open(ROUTES_BUCKET);
  for await (const { state, workspace, streamVersion } of followEndpoints(pool, signal)) {
    const entry = routeOf(state, { workspace, streamVersion });
    if (entry) await writeRoute(bucket, entry);
    if (signal.aborted) return;
  }
};

/** Writes the entry unless the bucket has one that is as new. */
const writeRoute = async (bucket: KV, entry: RouteEntry): Promise<void> => {
  const payload = JSON.stringify(entry);
  const key = routeKey(entry);
  for (let tries = 1; ; tries += 1) {
    const present = await bucket.get(key);
    // A deleted key has an entry too: its marker carries the revision that the next write must name.
    const written = present?.operation === 'PUT' ? routeEntry.safeParse(parseJson(present.string())) : undefined;
    if (written?.success && written.data.streamVersion >= entry.streamVersion) return;
    try {
      if (present) await bucket.update(key, payload, present.revision);
      else await bucket.create(key, payload);
      return;
    } catch (error) {
      // Lost a race against another publisher, or NATS is away: after the last try the supervisor begins anew.
      if (tries === MAX_TRIES) throw error;
    }
  }
};
