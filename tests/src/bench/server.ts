import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { embeddedConfig, lockDataDirectory, startPostgres } from '@kontor/embedded';
import { LOGIN_ROLES, prepareDatabase } from '@kontor/event-store';
import pg from 'pg';

/** A prepared, empty log on a real PostgreSQL: the one of `KONTOR_PG_URL`, or an embedded one in a temporary directory. */
export interface BenchServer {
  readonly adminUrl: string;
  readonly urlFor: (role: string) => string;
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
  const adminUrl = server?.url ?? pgUrl ?? '';
  const database = `bench_${Date.now()}`;
  const passwords = Object.fromEntries(LOGIN_ROLES.map((role) => [role, 'kontor-bench']));
  const { urlFor } = await prepareDatabase({
    adminUrl,
    database,
    passwords,
    origin: 'kontor.example/log/0',
    eventTypes: { BenchMeasured: 'registry' },
  });
  return {
    adminUrl: withDatabase(adminUrl, database),
    urlFor,
    directory,
    stop: async () => {
      if (server) await server.stop();
      else {
        const client = new pg.Client({ connectionString: adminUrl });
        await client.connect();
        await client.query(`DROP DATABASE ${pg.escapeIdentifier(database)} WITH (FORCE)`);
        await client.end();
      }
      await lock.release();
      await rm(directory, { recursive: true, force: true });
    },
  };
};
