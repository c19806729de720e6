import {
  checkNats,
  checkPostgres,
  embeddedConfig,
  examineNatsServer,
  resolveNatsServer,
  type RunningServer,
  startNats,
  startPostgres,
} from '@kontor/embedded';
import type { CliConfig } from '../config.js';
import { openLog } from './log-file.js';
import { natsUsers } from './nats-users.js';
import { type Supervised, supervise, type SupervisorEvents } from './supervise.js';

/** A server that the platform uses; `process` is absent if it is an external one. */
export interface Server {
  readonly url: string;
  readonly process?: Supervised;
}

/** The broker; an embedded one gives each app a user of its own, who may do what the app does and no more. */
export interface Broker extends Server {
  /** The URL for one app. */
  readonly urlOf: (app: string) => string;
}

/** Embedded: started and kept running under one address, so that the URLs in its clients' environment stay true. */
const embed = async <Running extends RunningServer>(
  name: string,
  config: CliConfig,
  events: SupervisorEvents,
  start: (options: { log: (line: string) => void; port?: number }) => Promise<Running>,
): Promise<{ readonly first: Running; readonly process: Supervised }> => {
  const file = openLog(config.dataDir, name);
  const log = (line: string): void => {
    file.write(`${line}\n`);
  };
  let first: Running | undefined;
  const component = {
    name,
    start: async (): Promise<Running> => {
      const server = await start({ log, ...(first && { port: first.port }) });
      first ??= server;
      return server;
    },
  };
  const process = await supervise(component, events);
  if (!first) throw new Error(`${name} was not started`);
  return { first, process };
};

/**
 * Looks, before anything is started, at the servers that a person chose: KONTOR_PG_URL, KONTOR_NATS_URL, KONTOR_NATS_SERVER.
 * @throws SettingRefused or ServerRefused within 5 s if one is unfit or does not answer
 */
export const checkChosenServers = async (config: CliConfig): Promise<void> => {
  const { pgUrl, natsUrl, natsServer } = embeddedConfig(config.environment);
  await Promise.all([
    pgUrl !== undefined && checkPostgres(pgUrl),
    natsUrl !== undefined && checkNats(natsUrl),
    natsUrl === undefined && natsServer !== undefined && examineNatsServer(natsServer),
  ]);
};

/** The database server: the one of `KONTOR_PG_URL`, or the embedded one. */
export const openPostgres = async (config: CliConfig, events: SupervisorEvents): Promise<Server> => {
  const { pgUrl } = embeddedConfig(config.environment);
  if (pgUrl !== undefined) return { url: pgUrl };
  const { first, process } = await embed('postgres', config, events, (options) =>
    startPostgres({
      ...options,
      dataDir: config.dataDir,
      notice: (line) => {
        events.say(line);
      },
    }),
  );
  return { url: first.url, process };
};

/** The broker: the one of `KONTOR_NATS_URL`, or the embedded one. */
export const openNats = async (config: CliConfig, events: SupervisorEvents, signal: AbortSignal): Promise<Broker> => {
  const embedded = embeddedConfig(config.environment);
  const { natsUrl } = embedded;
  if (natsUrl !== undefined) return { url: natsUrl, urlOf: () => natsUrl };
  const { dataDir } = config;
  const { path } = await resolveNatsServer({
    dataDir,
    config: embedded,
    signal,
    log: (line) => {
      events.say(line);
    },
  });
  const { first, process } = await embed('nats', config, events, async (options) =>
    startNats({ ...options, dataDir, binary: path, users: await natsUsers(dataDir) }),
  );
  return { url: first.url, urlOf: (app) => first.urlOf(app), process };
};
