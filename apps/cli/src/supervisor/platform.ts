import { join } from 'node:path';
import { type DataDirectoryLock, ensureDirectory, lockDataDirectory, onLeashReplaced } from '@kontor/embedded';
import { prepareDatabase } from '@kontor/event-store';
import type { CliConfig } from '../config.js';
import { appEnvironment } from './app-environment.js';
import { type AppName, mainOf, startApp } from './app-process.js';
import { prepareBroker } from './broker.js';
import { rolePasswords } from './database-roles.js';
import { choosePorts, type Ports, urlOf } from './ports.js';
import { eventTypes } from './event-types.js';
import { giveKeys, prepareKeys } from './keys.js';
import { removeRunFile, type RunFile, writeRunFile } from './run-file.js';
import { checkChosenServers, openNats, openPostgres, type Server } from './servers.js';
import { supervise, type Supervised, type SupervisorEvents } from './supervise.js';

/** The platform, up. */
export interface Platform {
  readonly addresses: RunFile['addresses'];
  /** Ends everything in reverse order and gives the data directory free; may be called twice. */
  stop(): Promise<void>;
  /** Aborts, with the reason, when a component does not come back. */
  readonly broken: AbortSignal;
}

const SERVICES: readonly AppName[] = ['registry', 'deployment', 'monitoring', 'governance'];

/** The database of an external server is the one its URL names; this is the embedded one's. */
const DATABASE = 'kontor';

/** Keys are their owner's alone. */
const PRIVATE = 0o700;

const withoutCredentials = (value: string): string => {
  const url = new URL(value);
  url.username = '';
  url.password = '';
  return url.href;
};

/** The database of a server's URL; the embedded server's URL names none. */
export const databaseIn = (url: string): string => {
  const name = decodeURIComponent(new URL(url).pathname.slice(1));
  return name === '' || name === 'postgres' ? DATABASE : name;
};

/** Starts all of it below the lock; `started` collects what has to be stopped, whether or not the rest follows. */
const startAll = async (
  config: CliConfig,
  { lock, ports }: { lock: DataDirectoryLock; ports: Ports },
  started: Supervised[],
  signal: AbortSignal,
  events: SupervisorEvents & { timed<T>(name: string, body: () => Promise<T>): Promise<T> },
): Promise<{ addresses: RunFile['addresses']; announce: () => Promise<void> }> => {
  const { timed } = events;
  await ensureDirectory('KONTOR_KEYS_DIR', config.keysDir, PRIVATE);
  if (config.artifactsDir !== undefined) await ensureDirectory('KONTOR_ARTIFACTS_DIR', config.artifactsDir);
  const open = async <S extends Server>(name: string, body: () => Promise<S>): Promise<S> => {
    const server = await timed(name, body);
    if (server.process) started.push(server.process);
    return server;
  };
  const [postgres, nats] = await settle([
    open('postgres', () => openPostgres(config, events)),
    open('nats', () => openNats(config, events, signal)),
  ] as const);
  const passwords = await rolePasswords(config.keysDir);
  const database = databaseIn(postgres.url);
  const { urlFor } = await timed('schemas', async () => {
    await prepareKeys(config.keysDir);
    const prepared = await prepareDatabase({
      adminUrl: postgres.url,
      database,
      passwords,
      origin: config.logOrigin,
      eventTypes: eventTypes(),
    });
    await prepareBroker(nats.url, prepared.origin);
    return prepared;
  });

  const startOne = async (app: AppName): Promise<void> => {
    const keysDir = join(config.dataDir, 'app-keys', app);
    await giveKeys(config.keysDir, keysDir, app);
    const environment = appEnvironment(app, {
      config,
      databaseUrl: urlFor(`kontor_${app}`),
      natsUrl: nats.urlOf(app),
      keysDir,
      port: ports,
      servingUrl: urlOf(config.host, ports.serving),
    });
    const start = () => startApp({ name: app, main: mainOf(app), dataDir: config.dataDir, environment, signal });
    started.push(await timed(app, () => supervise({ name: app, start }, events)));
  };
  await settle([...SERVICES, 'serving' as const].map(startOne));
  await startOne('gateway');

  const addresses = {
    gateway: urlOf(config.host, ports.gateway),
    serving: urlOf(config.host, ports.serving),
    postgres: withoutCredentials(urlFor('kontor_gateway')),
    nats: withoutCredentials(nats.url),
  };
  const announce = async (): Promise<void> => {
    await lock.announce(addresses.gateway);
    const components = started.map((one) => ({ name: one.name, pid: one.pid() }));
    const startedAt = new Date(performance.timeOrigin).toISOString();
    await writeRunFile(config.dataDir, { pid: process.pid, startedAt, addresses, components });
  };
  return { addresses, announce };
};

/** Like Promise.all, but waits for all: nothing may still be starting when the rest is stopped. */
const settle = async <T extends readonly Promise<unknown>[]>(
  promises: T,
): Promise<{ -readonly [I in keyof T]: Awaited<T[I]> }> => {
  await Promise.allSettled(promises);
  return Promise.all(promises) as Promise<{ -readonly [I in keyof T]: Awaited<T[I]> }>;
};

/**
 * Starts the whole platform on `config.dataDir`: PostgreSQL and NATS (embedded, or external ones by KONTOR_PG_URL and
 * KONTOR_NATS_URL), schemas, streams, keys, the four services, serving, gateway. Every process is restarted when it dies.
 * @param say one line per component with the time it took, and one per accident
 * @param signal ends the start; what has started by then is ended again, in order
 * @throws the signal's reason, DataDirectoryInUse, UsageError, SettingRefused, or why a component did not start; then everything that had started is ended
 */
export const startPlatform = async (
  config: CliConfig,
  options: { say: (line: string) => void; signal: AbortSignal },
): Promise<Platform> => {
  const { say, signal } = options;
  await checkChosenServers(config);
  const lock = await lockDataDirectory(config.dataDir);
  const started: Supervised[] = [];
  const broken = new AbortController();
  const fail = (error: unknown): void => {
    broken.abort(error);
  };
  let announce = (): Promise<void> => Promise.resolve();
  let ports: Ports | undefined;
  const events = {
    say,
    changed: (): void => void announce().catch(fail),
    gaveUp: fail,
    timed: async <T>(name: string, body: () => Promise<T>): Promise<T> => {
      signal.throwIfAborted();
      broken.signal.throwIfAborted();
      const since = performance.now();
      const result = await body();
      say(`${name.padEnd(12)} ready in ${((performance.now() - since) / 1000).toFixed(1)} s`);
      return result;
    },
  };
  onLeashReplaced(() => {
    say('the leash, which ends all processes with this one, ended; started it again');
  });
  let stopped: Promise<void> | undefined;
  const stopAll = async (): Promise<void> => {
    announce = () => Promise.resolve();
    // In reverse: the doors close first, the database last. Services that do not depend on each other drain together.
    const isServer = (one: Supervised): boolean => one.name === 'postgres' || one.name === 'nats';
    const isDoor = (one: Supervised): boolean => one.name === 'gateway' || one.name === 'serving';
    for (const group of [isDoor, (one: Supervised) => !isDoor(one) && !isServer(one), isServer])
      await Promise.all(started.filter(group).map((one) => one.stop()));
    ports?.release();
    await removeRunFile(config.dataDir);
    await lock.release();
  };
  const stop = (): Promise<void> => (stopped ??= stopAll());
  try {
    ports = await choosePorts(config, say);
    const up = await startAll(config, { lock, ports }, started, signal, events);
    announce = up.announce;
    await announce();
    return { addresses: up.addresses, stop, broken: broken.signal };
  } catch (error) {
    await stop();
    signal.throwIfAborted(); // Ctrl-C also reaches programs that prepare something: their end is no failure of its own
    throw error;
  }
};
