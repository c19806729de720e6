import { randomBytes } from 'node:crypto';
import { createDatabase } from '@kontor/embedded';
import pg from 'pg';
import { inject } from 'vitest';

/** A database of its own for one spec file. */
export interface TestDatabase {
  /** As superuser. */
  readonly url: string;
  /** Removes the database, open connections included. */
  drop(): Promise<void>;
}

/**
 * A fresh, empty database on the run's real PostgreSQL. Roles belong to the server, so all spec files share them.
 * To be called inside a hook or a test of the `int` project.
 */
export const testDatabase = async (): Promise<TestDatabase> => {
  const server = inject('kontorPgUrl');
  const name = `test_${randomBytes(6).toString('hex')}`;
  const url = await createDatabase(server, name);
  const drop = async (): Promise<void> => {
    const client = new pg.Client({ connectionString: server });
    await client.connect();
    try {
      for (const database of [name, `${name}_keys`])
        await client.query(`DROP DATABASE IF EXISTS ${client.escapeIdentifier(database)} WITH (FORCE)`);
    } finally {
      await client.end();
    }
  };
  return { url, drop };
};
