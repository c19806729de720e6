import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import type pg from 'pg';
import { MigrationRefused } from './errors.js';

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly checksum: string;
  readonly sql: string;
}

// src/ and dist/ lie both directly below the package, so one relative address serves tests and the built program.
const SQL_DIRECTORY = new URL('../sql/', import.meta.url);

/** The numbered `.sql` files of this package, in order. */
export const readMigrations = (directory: URL = SQL_DIRECTORY): readonly Migration[] =>
  readdirSync(directory)
    .filter((name) => /^\d{6}_[a-z_]+\.sql$/.test(name))
    .toSorted()
    .map((name) => {
      const sql = readFileSync(new URL(name, directory), 'utf8');
      return { version: Number(name.slice(0, 6)), name, checksum: createHash('sha256').update(sql).digest('hex'), sql };
    });

/**
 * Brings schema `es` to the newest version of this program: forward only, one transaction per file, one program at a time.
 *
 * @param client a session that may `SET ROLE kontor_owner`; it must not be in a transaction.
 * @returns the names of the files that were applied now.
 * @throws MigrationRefused if the database is newer than this program, or a file differs from the one that was applied.
 */
export const migrate = async (
  client: pg.ClientBase,
  migrations: readonly Migration[] = readMigrations(),
): Promise<readonly string[]> => {
  await client.query(`SELECT pg_advisory_lock(hashtext('es.migrate'))`);
  try {
    await client.query(`
      SET ROLE kontor_owner;
      CREATE SCHEMA IF NOT EXISTS es;
      CREATE TABLE IF NOT EXISTS es.migration (
        version int PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now()
      );`);
    const { rows } = await client.query<{ version: number; name: string; checksum: string }>(
      'SELECT version, name, checksum FROM es.migration ORDER BY version',
    );
    refuseForeignHistory(rows, migrations);
    const pending = migrations.slice(rows.length);
    for (const { version, name, checksum, sql } of pending) {
      await client.query('BEGIN');
      try {
        await client.query(sql);
        await client.query('INSERT INTO es.migration (version, name, checksum) VALUES ($1, $2, $3)', [
          version,
          name,
          checksum,
        ]);
        await client.query('COMMIT');
      } catch (error) {
        await client.query('ROLLBACK');
        throw new Error(`migration ${name} failed`, { cause: error });
      }
    }
    return pending.map(({ name }) => name);
  } finally {
    await client.query(`RESET ROLE; SELECT pg_advisory_unlock(hashtext('es.migrate'))`);
  }
};

const refuseForeignHistory = (
  applied: readonly { readonly version: number; readonly name: string; readonly checksum: string }[],
  migrations: readonly Migration[],
): void => {
  const newest = migrations.at(-1);
  for (const [index, row] of applied.entries()) {
    const known = migrations[index];
    if (known === undefined) {
      throw new MigrationRefused(
        `the database was migrated by a newer program: it has ${row.name}, this program ends at ${newest?.name ?? 'nothing'}; ` +
          'start the newer program, or use another database',
      );
    }
    if (known.version !== row.version || known.checksum !== row.checksum) {
      throw new MigrationRefused(
        `migration ${known.name} differs from ${row.name}, which was applied to this database; ` +
          'a released migration is never edited: restore the file and add a new one',
      );
    }
  }
};
