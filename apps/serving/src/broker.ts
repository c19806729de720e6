import { createHash, createPrivateKey, type KeyObject, sign } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jetstream } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import { type RouteEntry, routeEntry } from '@kontor/domain/deployment';
import type { RevisionReport } from './revision-reporter.js';

const ROUTES_BUCKET = 'KONTOR_ROUTES';
const REPORT_SUBJECT = 'kontor.cmd.deployment.ReportRevisionState';
/** Short beside a person's patience, long beside a restart of the broker. */
const RECONNECT_MS = 250;
const ISSUER = 'serving';

/** Longer than a commit, shorter than a person's patience with a lost answer. */
const REQUEST_TIMEOUT_MS = 5_000;
const PUBLISH_TIMEOUT_MS = 5_000;
const WATCH_RETRY_MS = 500;

/** The lifetime of a signed command; the receiver refuses older ones. */
const ASSERTION_LIFETIME_S = 10;

const encoder = new TextEncoder();
const base64url = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A compact JWS over the command's bytes. @source RFC 7515, section 7.1; RFC 8037 (EdDSA) */
const assertion = (
  key: KeyObject,
  { commandId, workspace }: RevisionReport,
  payload: Uint8Array,
  nowMs: number,
): string => {
  const iat = Math.floor(nowMs / 1000);
  const claims = {
    iss: ISSUER,
    sub: 'service:serving',
    kind: 'service',
    roles: [],
    ws: workspace,
    cid: commandId,
    dig: createHash('sha256').update(payload).digest('hex'),
    iat,
    exp: iat + ASSERTION_LIFETIME_S,
  };
  const signed = `${base64url({ alg: 'EdDSA', typ: 'JWT' })}.${base64url(claims)}`;
  return `${signed}.${sign(null, Buffer.from(signed), key).toString('base64url')}`;
};

/** What this process says to NATS and hears from it. Everything here may fail for hours while serving goes on. */
export class Broker {
  #closed = false;
  #key: KeyObject | undefined;

  private constructor(
    private readonly nc: NatsConnection,
    private readonly keysDir: string,
  ) {}

  /** Resolves at the first connection, however long that takes; from then on it reconnects for ever. */
  static async connect(url: string, keysDir: string): Promise<Broker> {
    const { username, password, host } = new URL(url);
    const nc = await connect({
      servers: host,
      ...(username !== '' && { user: decodeURIComponent(username), pass: decodeURIComponent(password) }),
      name: 'kontor-serving',
      maxReconnectAttempts: -1,
      waitOnFirstConnect: true,
      reconnectTimeWait: RECONNECT_MS,
    });
    return new Broker(nc, keysDir);
  }

  /**
   * Follows the routes until the broker is closed. Entries that are no routes are refused by `onProblem`, which keeps
   * the last good one in force.
   *
   * @param onSynchronized - called when every route that the bucket held has been applied
   */
  async followRoutes(
    onRoute: (entry: RouteEntry) => void,
    onSynchronized: () => void,
    onProblem: (message: string) => void,
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
              onRoute(routeEntry.parse(entry.json()));
            } catch (error) {
              onProblem(`The route ${entry.key} (revision ${entry.revision}) is refused: ${(error as Error).message}`);
            }
          }
          if (entry.delta === 0) onSynchronized();
        }
      } catch (error) {
        if (!this.#closed) onProblem(`The routes cannot be followed: ${(error as Error).message}`);
      }
      await new Promise((resolve) => setTimeout(resolve, WATCH_RETRY_MS));
    }
  }

  /** @throws Error if the stream has not stored it within 5 s */
  async publishRecords(subject: string, body: Uint8Array, messageId: string): Promise<void> {
    await jetstream(this.nc, { timeout: PUBLISH_TIMEOUT_MS }).publish(subject, body, { msgID: messageId });
  }

  /** @returns whether the deployment service accepted or rejected it. @throws Error if it cannot be reached */
  async sendReport(report: RevisionReport): Promise<boolean> {
    this.#key ??= createPrivateKey(await readFile(join(this.keysDir, `${ISSUER}.pem`)));
    const nowMs = Date.now();
    const { commandId, workspace, data } = report;
    const metadata = { commandId, workspace, now: new Date(nowMs).toISOString(), correlationId: commandId };
    const payload = encoder.encode(JSON.stringify({ type: 'ReportRevisionState', data, metadata }));
    const header = headers();
    header.set('Kontor-Assertion', assertion(this.#key, report, payload, nowMs));
    const reply = await this.nc.request(REPORT_SUBJECT, payload, { timeout: REQUEST_TIMEOUT_MS, headers: header });
    const { outcome } = reply.json<{ outcome?: unknown }>();
    return outcome === 'accepted' || outcome === 'rejected';
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.nc.close();
  }
}
