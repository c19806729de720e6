import { embeddedConfig, readSuperuser } from '@kontor/embedded';
import { createPool } from '@kontor/event-store';
import { DEFAULT_WORKSPACE } from '@kontor/service/process';
import type pg from 'pg';
import type { CliConfig } from '../config.js';
import { rolePasswords } from '../supervisor/database-roles.js';
import type { RunFile } from '../supervisor/run-file.js';
import { CommandFailed } from '../usage-error.js';

/** The role that may read the log and append nothing. */
const READER = 'kontor_gateway';

type Keys = Pick<CliConfig, 'keysDir'>;
type Addresses = Pick<RunFile, 'addresses'>;

/** The address of the log's database for one of its roles. */
export const roleUrl = async ({ keysDir }: Keys, { addresses }: Addresses, role: string): Promise<string> => {
  const database = new URL(addresses.postgres);
  database.username = role;
  database.password = (await rolePasswords(keysDir))[role] ?? '';
  return database.href;
};

/** The address of the log's database for a reader. */
export const readerUrl = (config: Keys, run: Addresses): Promise<string> => roleUrl(config, run, READER);

/** The address of the log's database for its owner: who is in KONTOR_PG_URL, or the superuser of the embedded server. */
export const ownerUrl = async (
  { dataDir, environment }: Pick<CliConfig, 'dataDir' | 'environment'>,
  { addresses }: Addresses,
): Promise<string> => {
  const { pgUrl } = embeddedConfig(environment);
  const database = new URL(addresses.postgres);
  if (pgUrl === undefined) {
    const { user, password } = await readSuperuser(dataDir);
    [database.username, database.password] = [user, password];
  } else {
    const { username, password } = new URL(pgUrl);
    [database.username, database.password] = [username, password];
  }
  return database.href;
};

/** Runs `body` with the log open. */
export const withLog = async <T>(connectionString: string, body: (pool: pg.Pool) => Promise<T>): Promise<T> => {
  const pool = createPool({ connectionString, application_name: 'kontor-cli' });
  try {
    return await body(pool);
  } finally {
    await pool.end();
  }
};

/**
 * So that a misspelt name is refused and not answered with nothing. A deleted workspace passes: its events are there.
 *
 * @throws CommandFailed if nobody has made the workspace, and the log has no event of it
 */
export const requireWorkspace = async (pool: pg.Pool, workspace: string): Promise<void> => {
  if (workspace === DEFAULT_WORKSPACE) return;
  // Stream ids begin with their workspace and are in order of their bytes: two look-ups, however many there are.
  const { rowCount } = await pool.query(
    'SELECT FROM es.stream WHERE stream_id >= $1 AND stream_id < $2 OR stream_id = $3 LIMIT 1',
    [`${workspace}/`, `${workspace}0`, `${DEFAULT_WORKSPACE}/registry/workspace/${workspace}`],
  );
  if (rowCount === 0)
    throw new CommandFailed(
      `--workspace: there is no workspace ${workspace}; "kontor workspace list" prints those that there are`,
    );
};
