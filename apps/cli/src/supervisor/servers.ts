import {
  checkNats,
  checkPostgres,
  embeddedConfig,
  resolveNatsServer,
  type RunningServer,
  startNats,
  startPostgres,
} from '@kontor/embedded';
import type { CliConfig } from '../config.js';
import { openLog } from './app-process.js';
import { type Supervised, supervise, type SupervisorEvents } from './supervise.js';

/** A server that the platform uses; `process` is absent if it is an external one. */
export interface Server {
  readonly url: string;
  readonly process?: Supervised;
}

/** Embedded: started and kept running under one address, so that the URLs in its clients' environment stay true. */
const embed = async (
  name: string,
  config: CliConfig,
  events: SupervisorEvents,
  start: (options: { log: (line: string) => void; port?: number }) => Promise<RunningServer>,
): Promise<Server> => {
  const file = openLog(config.dataDir, name);
  const log = (line: string): void => void file.write(`${line}\n`);
  let first: RunningServer | undefined;
  const component = {
    name,
    start: async (): Promise<RunningServer> => {
      const server = await start({ log, ...(first && { port: first.port }) });
      first ??= server;
      return server;
    },
  };
  const process = await supervise(component, events);
  return { url: first?.url ?? '', process };
};

/** The database server: the one of `KONTOR_PG_URL`, or the embedded one. @throws within 5 s if the external one is unfit */
export const openPostgres = async (config: CliConfig, events: SupervisorEvents): Promise<Server> => {
  const { pgUrl } = embeddedConfig(config.environment);
  if (pgUrl !== undefined) {
    await checkPostgres(pgUrl);
    return { url: pgUrl };
  }
  return embed('postgres', config, events, (options) =>
    startPostgres({
      ...options,
      dataDir: config.dataDir,
      notice: (line) => {
        events.say(line);
      },
    }),
  );
};

/** The broker: the one of `KONTOR_NATS_URL`, or the embedded one. @throws within 5 s if the external one is unfit */
export const openNats = async (config: CliConfig, events: SupervisorEvents): Promise<Server> => {
  const embedded = embeddedConfig(config.environment);
  if (embedded.natsUrl !== undefined) {
    await checkNats(embedded.natsUrl);
    return { url: embedded.natsUrl };
  }
  const { dataDir } = config;
  const { path } = await resolveNatsServer({
    dataDir,
    config: embedded,
    log: (line) => {
      events.say(line);
    },
  });
  return embed('nats', config, events, (options) => startNats({ ...options, dataDir, binary: path }));
};
