import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  embeddedConfig,
  formatVersion,
  lockDataDirectory,
  resolveNatsServer,
  startNats,
  startPostgres,
} from '@kontor/embedded';
import { LOGIN_ROLES, prepareDatabase } from '@kontor/event-store';
import pg from 'pg';
import { EVENT_TYPE, ORIGIN } from './workload.js';

/** A prepared, empty log. */
export interface BenchLog {
  readonly adminUrl: string;
  readonly urlFor: (role: string) => string;
}

/** A log on a real PostgreSQL: the one of `KONTOR_PG_URL`, or an embedded one in a temporary directory. */
export interface BenchServer extends BenchLog {
  /** One more log, in a database of its own. */
  readonly anotherLog: () => Promise<BenchLog>;
  /** Where its files lie, if we know. */
  readonly directory: string;
  readonly stop: () => Promise<void>;
}

const withDatabase = (url: string, database: string): string =>
  Object.assign(new URL(url), { pathname: database }).href;

export const startBenchServer = async (): Promise<BenchServer> => {
  const { pgUrl } = embeddedConfig();
  const directory = await mkdtemp(join(tmpdir(), 'kontor-bench-'));
  await chmod(directory, 0o711); // as root, PostgreSQL runs as another user, whose data would else stay behind in /var/tmp
  const lock = await lockDataDirectory(directory);
  const server = pgUrl === undefined ? await startPostgres({ dataDir: directory, log: () => undefined }) : undefined;
  const serverUrl = server?.url ?? pgUrl ?? '';
  const passwords = Object.fromEntries(LOGIN_ROLES.map((role) => [role, 'kontor-bench']));
  const databases: string[] = [];
  const anotherLog = async (): Promise<BenchLog> => {
    const database = `bench_${Date.now()}_${databases.length}`;
    databases.push(database);
    const { urlFor } = await prepareDatabase({
      ...{ adminUrl: serverUrl, database, passwords, origin: ORIGIN },
      eventTypes: { [EVENT_TYPE]: 'registry' },
    });
    return { adminUrl: withDatabase(serverUrl, database), urlFor };
  };
  return {
    ...(await anotherLog()),
    anotherLog,
    directory,
    stop: async () => {
      if (server) await server.stop();
      else {
        const client = new pg.Client({ connectionString: serverUrl });
        await client.connect();
        for (const database of databases)
          await client.query(`DROP DATABASE ${pg.escapeIdentifier(database)} WITH (FORCE)`);
        await client.end();
      }
      await lock.release();
      await rm(directory, { recursive: true, force: true });
    },
  };
};

/** A nats-server with JetStream for one bench: the one that `npm start` would run. */
export const startBenchNats = async (): Promise<{
  readonly url: string;
  readonly version: string;
  readonly stop: () => Promise<void>;
}> => {
  const dataDir = await mkdtemp(join(tmpdir(), 'kontor-bench-'));
  const lock = await lockDataDirectory(dataDir);
  const log = (): void => undefined;
  const { path, version } = await resolveNatsServer({ dataDir, config: embeddedConfig(), log });
  const server = await startNats({ dataDir, binary: path, log });
  return {
    url: server.url,
    version: formatVersion(version),
    stop: async () => {
      await server.stop();
      await lock.release();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
};
