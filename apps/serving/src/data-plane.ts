import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { openArtifacts } from '@kontor/artifact-store';
import type { RouteEntry } from '@kontor/domain/deployment';
import { Authenticator, type Log, TOKEN_ISSUER } from '@kontor/service/process';
import { Broker } from './broker.js';
import type { ServingConfig } from './config.js';
import { Inference } from './inference.js';
import { InferenceLog } from './inference-log.js';
import { Metrics } from './metrics.js';
import { ModelHost } from './models/model-host.js';
import { openInferenceServer } from './protocol/open-inference.js';
import { RevisionReporter } from './revision-reporter.js';
import { RouteFile, RouteTable } from './routing.js';

/** An event loop that stood still for this long within the window answers nobody in time: the process is not live. */
const MAX_LAG_MS = 1_000;
const LAG_WINDOW_MS = 5_000;
/** Together below the 10 s after which a process that was asked to stop is ended. */
const DRAIN_MS = 7_000;
const LAST_FLUSH_MS = 2_000;

/** Monitoring evaluates versions in staging as clients do. */
const DOOR_ISSUERS = [TOKEN_ISSUER, 'monitoring'];

export interface DataPlane {
  readonly url: string;
  readonly log: InferenceLog;
  readonly routes: RouteTable;
  /** Stops accepting, lets requests in work end, and publishes what their telemetry is. */
  close(): Promise<void>;
}

const drain = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });

/**
 * Starts one serving process: answers from the last known routes at once, and follows NATS whenever it is there.
 *
 * @throws Error if the address cannot be bound or the saved routes are damaged
 */
export const startDataPlane = async (config: ServingConfig, log: Log): Promise<DataPlane> => {
  const processStartMs = Date.now();
  let broker: Broker | undefined;
  let isClosed = false;
  const connected = (): Broker => {
    if (!broker) throw new Error('NATS has not been reached yet');
    return broker;
  };
  const telemetry = new InferenceLog(async (subject, body, id) => connected().publishRecords(subject, body, id));
  const reporter = new RevisionReporter(async (revision) => connected().sendReport(revision), processStartMs, log);
  const metrics = new Metrics();
  const routes = new RouteTable();
  const routeFile = new RouteFile(join(config.dataDir, 'serving', 'routes.json'));
  const host = new ModelHost(await openArtifacts(config.artifacts), (endpoint, revisionId, outcome) => {
    if (outcome.state === 'failed') log.error('a revision is refused', outcome.reason, { endpoint, revisionId });
    const route = routes.get(endpoint);
    const revision = route?.revisions.find((candidate) => candidate.revisionId === revisionId);
    if (route && revision) reporter.report(route.workspace, endpoint, revisionId, revision.servable.digest, outcome);
  });
  const apply = (entry: RouteEntry): boolean => {
    const isNew = routes.apply(entry);
    if (isNew) host.keep(entry.endpoint, entry.revisions);
    return isNew;
  };

  const saved = await routeFile.read();
  saved.forEach(apply);
  let areRoutesKnown = saved.length > 0;

  const lag = monitorEventLoopDelay({ resolution: 20 });
  lag.enable();
  const lagTimer = setInterval(() => lag.reset(), LAG_WINDOW_MS);
  const server = openInferenceServer(
    {
      inference: new Inference(routes, host, (record, features) => telemetry.add(record, features), metrics),
      allowedHosts: config.allowedHosts,
      authenticator: new Authenticator({ mode: config.auth, keysDir: config.keysDir, issuers: DOOR_ISSUERS }),
      workspace: config.workspace,
      isLive: () => lag.max / 1e6 < MAX_LAG_MS,
      isDraining: () => isClosed,
      isReady: () =>
        !isClosed &&
        areRoutesKnown &&
        routes
          .all()
          .every(({ endpoint, revisions }) =>
            revisions.every(
              ({ revisionId, weightBps }) => weightBps === 0 || host.get(endpoint, revisionId)?.state === 'loaded',
            ),
          ),
      metricsText: () => metrics.text(routes.all(), (endpoint, id) => host.get(endpoint, id), telemetry.dropped),
    },
    (error) => log.error('a request failed unexpectedly', error),
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(config.port, config.host, resolve);
  });

  const follow = async (): Promise<void> => {
    const opened = await Broker.connect(config.natsUrl, config.keysDir, () => !isClosed, log);
    if (isClosed) return opened?.close();
    if (!opened) return;
    broker = opened;
    await opened.followRoutes(
      config.workspace,
      (entry) => {
        if (apply(entry))
          routeFile.write(routes.all()).catch((error: unknown) => log.error('the routes cannot be saved', error));
      },
      () => (areRoutesKnown = true),
      log,
    );
  };
  follow().catch((error: unknown) => log.error('NATS cannot be used', error));

  const { port } = server.address() as AddressInfo;
  const name = config.host.includes(':') ? `[${config.host}]` : config.host;
  return {
    url: `http://${name}:${port}`,
    log: telemetry,
    routes,
    close: async () => {
      isClosed = true;
      await drain(server);
      clearInterval(lagTimer);
      lag.disable();
      reporter.close();
      await telemetry.close(LAST_FLUSH_MS);
      if (telemetry.waiting > 0) log.error('telemetry is lost', 'NATS took no more', { records: telemetry.waiting });
      await broker?.close();
      await host.close();
    },
  };
};
