import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  checkPostgres,
  embeddedConfig,
  lockDataDirectory,
  lockHolder,
  resolveNatsServer,
  startPostgres,
} from '@kontor/embedded';
import type { TestProject } from 'vitest/node';
import { type PythonEnvironment, pythonWith, S3_REQUIREMENTS } from './python.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** A PostgreSQL superuser; specs ask `testDatabase()` for a database of their own. */
    kontorPgUrl: string;
    /** The nats-server executable; specs ask `testNats()` for a server of their own. */
    kontorNatsServer: string;
    /** Python with an S3 server; specs ask `testS3()` for a server of their own. */
    kontorS3: PythonEnvironment;
  }
}

const PREFIX = 'kontor-test-';

/** Gone in between, a file, or the run of another user: not ours to remove. */
const NOT_OURS = ['ENOENT', 'ENOTDIR', 'EACCES'];

const entriesOf = (directory: string): Promise<string[]> =>
  readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (NOT_OURS.includes(error.code ?? '')) return [];
    throw error;
  });

/** Directories of runs that were killed: nobody holds their lock. A run that starts just now has none yet, so it is asked twice. */
const sweep = async (): Promise<void> => {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(PREFIX)) continue;
    const directory = join(tmpdir(), name);
    const isAbandoned = (await entriesOf(directory)).some((entry) => entry.startsWith('kontor.lock.'));
    if (isAbandoned && !(await lockHolder(directory))) await rm(directory, { recursive: true, force: true });
  }
};

const silent = (): void => undefined;

/**
 * Starts one PostgreSQL for the whole run, in a temporary directory, on a free port, durable as in production; or takes the one of
 * `KONTOR_PG_URL`. Finds (or fetches, once per user) the nats-server that each spec file starts for itself.
 */
const setup = async (project: TestProject): Promise<() => Promise<void>> => {
  const config = embeddedConfig();
  await sweep();
  const directory = await mkdtemp(join(tmpdir(), PREFIX));
  await chmod(directory, 0o711); // as root, PostgreSQL runs as another user, which must be able to enter
  const lock = await lockDataDirectory(directory);
  const [nats, postgres] = await Promise.all([
    resolveNatsServer({ dataDir: directory, config, log: silent }),
    config.pgUrl === undefined
      ? startPostgres({ dataDir: directory, log: silent })
      : checkPostgres(config.pgUrl).then(() => undefined),
  ]);
  project.provide('kontorNatsServer', nats.path);
  project.provide('kontorS3', pythonWith(S3_REQUIREMENTS));
  project.provide('kontorPgUrl', postgres?.url ?? config.pgUrl ?? '');
  return async () => {
    await postgres?.stop();
    await lock.release();
    await rm(directory, { recursive: true, force: true });
  };
};

export default setup;
