import { createPool } from '@kontor/event-store';
import type pg from 'pg';
import type { CliConfig } from '../config.js';
import { rolePasswords } from '../supervisor/database-roles.js';
import type { RunFile } from '../supervisor/run-file.js';

/** The role that may read the log and change nothing. */
const READER = 'kontor_gateway';

/** The address of the log's database for a reader. */
export const readerUrl = async (
  { keysDir }: Pick<CliConfig, 'keysDir'>,
  { addresses }: Pick<RunFile, 'addresses'>,
): Promise<string> => {
  const database = new URL(addresses.postgres);
  database.username = READER;
  database.password = (await rolePasswords(keysDir))[READER] ?? '';
  return database.href;
};

/** Runs `body` with the log open for reading. */
export const withLog = async <T>(connectionString: string, body: (pool: pg.Pool) => Promise<T>): Promise<T> => {
  const pool = createPool({ connectionString, application_name: 'kontor-cli' });
  try {
    return await body(pool);
  } finally {
    await pool.end();
  }
};
