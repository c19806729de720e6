import { type ArtifactStore, openArtifacts } from '@kontor/artifact-store';
import { upcasters } from '@kontor/domain/contexts';
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type AppliedPosition,
  createAppliedPosition,
  createEventStore,
  createPool,
  ensureReadModels,
  keyStoreUrl,
  PersonalData,
  runProjections,
  SecretStore,
  tailLog,
} from '@kontor/event-store';
import { connectNats } from '@kontor/messaging';
import {
  Authenticator,
  createLog,
  DEFAULT_WORKSPACE,
  ensureKeyEncryptionKey,
  ensureKeyPair,
  loadPrivateKey,
  type Principal,
  TOKEN_ISSUER,
} from '@kontor/service/process';
import type { NatsConnection } from '@nats-io/transport-node';
import type { RecordedEvent } from '@kontor/event-sourcing';
import type pg from 'pg';
import { CommandClient, ISSUER } from './commands/command-client.js';
import type { GatewayConfig } from './config.js';
import { decodeTokens, readLogIdentity, waitMsOf } from './graphql/consistency.js';
import type { GraphContext } from './graphql/context.js';
import { entities } from './graphql/entities.js';
import { refuseDeleted } from './graphql/deleted-workspace.js';
import { rowKey } from './graphql/row-key.js';
import { Rows } from './graphql/rows.js';
import { LogReader } from './log/log-reader.js';
import { workspaceEntity } from './registry/registry.entities.js';
import { WebhookDeliveries } from './registry/webhook-deliveries.js';
import { LiveLog } from './subscriptions/live-log.js';
import type { SocketControl } from './subscriptions/socket-door.js';

/** The schema that the gateway's role owns. */
export const SCHEMA = 'gateway';
/** Reads of one operation run side by side; more sessions than this only queue inside PostgreSQL. */
const POOL_SESSIONS = 12;
/** Keys are kept for seconds, so few reads ask for one. */
const KEY_SESSIONS = 2;
/** A query that takes longer is cancelled. */
const STATEMENT_TIMEOUT_MS = 10_000;
/** A batch takes milliseconds; whoever waits for the end of the process waits for this at most. */
const CLOSE_GRACE_MS = 2_000;
/** One page of a backfill. */
const PAGE_EVENTS = 500;

/** Headers that a request or a socket brings along. */
export interface ConsistencyHeaders {
  readonly token?: string | undefined;
  readonly waitMs?: string | undefined;
}

/** Everything that the doors of the gateway share: GraphQL, the MLflow face, the pages. */
export interface Gateway {
  readonly config: GatewayConfig;
  readonly pool: pg.Pool;
  /** For prepared statements that find few rows by an index. */
  readonly lookups: pg.Pool;
  readonly nats: NatsConnection;
  readonly authenticator: Authenticator;
  readonly commands: CommandClient;
  readonly log: LogReader;
  readonly personal: PersonalData;
  readonly secrets: SecretStore;
  readonly deliveries: WebhookDeliveries;
  readonly artifacts: ArtifactStore;
  /** Readers of one request. Their cache must not outlive it. */
  rows(): Rows;
  /** @throws CONSISTENCY_TOKEN_INVALID, CONSISTENCY_TIMEOUT; FORBIDDEN in a workspace that is deleted, except to administrators and auditors */
  contextFor(principal: Principal, headers?: ConsistencyHeaders, socket?: SocketControl): Promise<GraphContext>;
  /** Rejects when the read models stopped for a reason that does not pass; the process must end then. */
  readonly failed: Promise<never>;
  /** Why the read models do not go on at present; they try again. Undefined while they do. */
  problem(): string | undefined;
  close(): Promise<void>;
}

const logger = createLog('gateway');

/** Connects, creates the read models and starts to apply the log to them. */
export const openGateway = async (config: GatewayConfig): Promise<Gateway> => {
  const artifacts = await openArtifacts(config.artifacts);
  await artifacts.removeAbandoned();
  const pool = createPool({
    connectionString: config.pgUrl,
    max: POOL_SESSIONS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    application_name: 'kontor-gateway',
  });
  const { connectionString, application_name } = pool.options;
  // Statements by keys, asked often. With a plan for each call they cost twice as much, and a plan for all calls must look up
  // what it needs, whatever is believed of the tables when it is made.
  const lookups = createPool({
    ...pool.options,
    options: '-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c jit=off',
  });
  // The projector's batches may take longer than a reader is allowed to.
  const projectors = { connectionString, application_name: `${application_name}-projections`, max: 3 };
  const builders = createPool(projectors);
  // Commits of rows wait for no flush: rows and checkpoint are lost together, and are made again from the log, the same.
  // Prepared statements are planned while the tables are empty, and must find rows by key when they are large.
  const options = '-c synchronous_commit=off -c enable_seqscan=off';
  const projectorPool = createPool({ ...projectors, options });
  const keys = createPool({
    connectionString: keyStoreUrl(config.pgUrl),
    application_name: 'kontor-gateway',
    max: KEY_SESSIONS,
  });
  const kek = await ensureKeyEncryptionKey(config.keysDir);
  const [personal, secrets] = [new PersonalData({ pool: keys, kek }), new SecretStore(keys, kek)];
  const deliveries = new WebhookDeliveries(pool);
  await ensureReadModels({ pool: builders, schema: SCHEMA, upcasters }, entities);
  await builders.end();
  const nats = await connectNats(config.natsUrl, 'kontor-gateway');
  const identity = await readLogIdentity(pool);
  const store = createEventStore(pool, { upcasters });
  const applied = createAppliedPosition(pool, SCHEMA, entities);
  const start = await applied.reached();
  const readPage = async (after: bigint, upTo: bigint): Promise<readonly RecordedEvent[]> => {
    const page: RecordedEvent[] = [];
    const end = after + BigInt(PAGE_EVENTS);
    for await (const event of store.readAll(after, { upTo: end < upTo ? end : upTo })) page.push(event);
    return page;
  };
  const live = new LiveLog(readPage, start);
  const consumers = entities.map(({ projection: { name, version } }) => ({ name, version }));
  const log = new LogReader({ pool, schema: SCHEMA, store, identity, applied, live, consumers });

  const stop = new AbortController();
  let problem: string | undefined;
  const running = project(projectorPool, { live, personal, applied }, stop.signal, (reason) => (problem = reason));
  // What was acknowledged before a restart is in the log, and its rows may not be there yet.
  applied.promise(await store.head());
  await ensureKeyPair(config.keysDir, ISSUER);
  const commands = new CommandClient(nats, await loadPrivateKey(config.keysDir, ISSUER));
  const rows = (): Rows => new Rows(pool, SCHEMA, personal);
  return {
    config,
    pool,
    lookups,
    nats,
    authenticator: new Authenticator({ mode: config.auth, keysDir: config.keysDir, issuers: [TOKEN_ISSUER] }),
    commands,
    log,
    personal,
    secrets,
    deliveries,
    artifacts,
    rows,
    contextFor: async (principal, { token, waitMs } = {}, socket) => {
      const maxWaitMs = waitMsOf(waitMs);
      if (token !== undefined) await log.wait(decodeTokens(identity, token), maxWaitMs);
      await log.untilKept();
      const { position, lagMs } = await log.standing();
      const { workspace } = principal;
      if (workspace !== DEFAULT_WORKSPACE) {
        const row = await rows().byKey(workspaceEntity, rowKey(DEFAULT_WORKSPACE, workspace), { position });
        // Also as of a moment when it was there.
        if (row?.deleted) refuseDeleted(principal);
      }
      return {
        principal,
        workspace,
        correlationId: randomUUID(),
        rows: rows(),
        log,
        personal,
        deliveries,
        commands,
        moment: { position },
        lagMs,
        shown: position,
        ...(socket && { socket }),
      };
    },
    problem: () => problem,
    failed: running.then(() => new Promise<never>(() => undefined)),
    close: async () => {
      stop.abort();
      // The transaction of a batch is all or nothing, so a projector that does not end in time may be cut off. How it
      // ended does not matter here: `failed` has told.
      await Promise.race([Promise.allSettled([running]), delay(CLOSE_GRACE_MS, undefined, { ref: false })]);
      await applied.close();
      await store.close();
      await personal.close();
      await nats.close();
      await projectorPool.end();
      await lookups.end();
      await pool.end();
    },
  };
};

/** Applies the log until the signal aborts, hands each applied batch to the subscribers, and forgets the keys of who is erased. */
const project = (
  pool: pg.Pool,
  { live, personal, applied }: { live: LiveLog; personal: PersonalData; applied: AppliedPosition },
  signal: AbortSignal,
  onProblem: (problem: string | undefined) => void,
): Promise<void> => {
  let applying: readonly RecordedEvent[] = [];
  return runProjections({
    pool,
    schema: SCHEMA,
    readModels: entities,
    // The same owner after a restart: a gateway that was killed must not wait for its own lease.
    owner: `gateway@${hostname()}`,
    signal,
    batches: async function* (after) {
      for await (const batch of tailLog({ pool, after, upcasters, signal })) {
        applying = batch;
        yield batch;
      }
    },
    onRetry: (error, delayMs) => {
      // Anyone may ask for readiness; the cause is for the log alone.
      onProblem('the read models do not go on; the log of the gateway says why');
      applied.doubt();
      logger.error(`the read models do not go on; they try again in ${delayMs} ms`, error);
    },
    onApplied: (position) => {
      onProblem(undefined);
      if (applying.some(({ type }) => type === 'SubjectErased')) personal.forget();
      applied.note(position);
      live.publish(applying.filter((event) => event.position <= position));
    },
  });
};
