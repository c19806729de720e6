import { jetstream } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import { type RouteEntry, routeEntry } from '@kontor/domain/deployment';
import { type CommandReply, connectNats, ROUTES_BUCKET, sendCommand } from '@kontor/messaging';
import { loadPrivateKey, type Log, signAssertion } from '@kontor/service/process';
import type { RevisionReport } from './revision-reporter.js';

const ISSUER = 'serving';
const ACTOR = { id: 'service:serving', kind: 'service', roles: [] } as const;

const PUBLISH_TIMEOUT_MS = 5_000;
/** Short beside a person's patience, long beside a restart of the broker. */
const CONNECT_RETRY_MS = 250;
const WATCH_RETRY_MS = 500;

const encoder = new TextEncoder();

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What this process says to NATS and hears from it. Everything here may fail for hours while serving goes on. */
export class Broker {
  #closed = false;
  #key: Awaited<ReturnType<typeof loadPrivateKey>> | undefined;

  private constructor(
    private readonly nc: NatsConnection,
    private readonly keysDir: string,
  ) {}

  /**
   * Resolves at the first connection, however long that takes, or with undefined once `isWanted` says no. From then on the
   * connection is made again for ever.
   */
  static async connect(url: string, keysDir: string, isWanted: () => boolean, log: Log): Promise<Broker | undefined> {
    for (let attempt = 0; isWanted(); attempt += 1) {
      try {
        return new Broker(await connectNats(url, 'kontor-serving'), keysDir);
      } catch (error) {
        // Once: the next thousand attempts say the same.
        if (attempt === 0) log.error('NATS cannot be reached; serving goes on with the last known routes', error);
        await pause(CONNECT_RETRY_MS);
      }
    }
    return undefined;
  }

  /**
   * Follows the routes of one workspace until the broker is closed. Entries that are no routes are logged, and the last good one
   * stays in force.
   *
   * @param onSynchronized - called when every route that the bucket held has been applied
   */
  async followRoutes(
    workspace: string,
    onRoute: (entry: RouteEntry) => void,
    onSynchronized: () => void,
    log: Log,
  ): Promise<void> {
    while (!this.#closed) {
      try {
        // Creating an existing bucket opens it, so the order in which processes start does not matter.
        const bucket = await new Kvm(this.nc).create(ROUTES_BUCKET);
        const status = await bucket.status();
        if (status.values === 0) onSynchronized();
        for await (const entry of await bucket.watch()) {
          if (entry.operation === 'PUT') {
            try {
              const route = routeEntry.parse(entry.json());
              // Another workspace may have an endpoint of the same name; its traffic is not this process's.
              if (route.workspace === workspace) onRoute(route);
            } catch (error) {
              log.error('a route is refused', error, { key: entry.key, kvRevision: entry.revision });
            }
          }
          if (entry.delta === 0) onSynchronized();
        }
      } catch (error) {
        if (!this.#closed) log.error('the routes cannot be followed', error);
      }
      await pause(WATCH_RETRY_MS);
    }
  }

  /** @throws Error if the stream has not stored it within 5 s */
  async publishRecords(subject: string, body: Uint8Array, messageId: string): Promise<void> {
    await jetstream(this.nc, { timeout: PUBLISH_TIMEOUT_MS }).publish(subject, body, { msgID: messageId });
  }

  /** @throws Error if the key cannot be read or the connection is closed */
  async sendReport({ commandId, workspace, data }: RevisionReport): Promise<CommandReply> {
    this.#key ??= await loadPrivateKey(this.keysDir, ISSUER);
    const type = 'ReportRevisionState';
    const metadata = { commandId, workspace, now: new Date().toISOString(), correlationId: commandId };
    const payload = encoder.encode(JSON.stringify({ type, data, metadata }));
    const assertion = await signAssertion(this.#key, { issuer: ISSUER, actor: ACTOR, workspace, commandId, payload });
    return sendCommand(this.nc, { context: 'deployment', type, payload, assertion, correlationId: commandId });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.nc.close();
  }
}
