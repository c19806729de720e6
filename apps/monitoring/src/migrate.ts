import { readdir, readFile } from 'node:fs/promises';
import { inTransaction } from '@kontor/event-store';
import type pg from 'pg';

// src/ and dist/ lie both directly below the package, so one relative address serves tests and the built program.
const DIRECTORY = new URL('../migrations/', import.meta.url);

/** Brings schema `monitoring` to the newest version: forward only, one file after the other, one program at a time. */
export const migrateMonitoring = (pool: pg.Pool): Promise<void> =>
  inTransaction(pool, async (client) => {
    await client.query(`SELECT pg_advisory_xact_lock(hashtext('monitoring.migrate'))`);
    await client.query('SET LOCAL search_path TO monitoring');
    await client.query('CREATE TABLE IF NOT EXISTS migration (name text PRIMARY KEY)');
    const { rows } = await client.query<{ name: string }>('SELECT name FROM migration');
    const applied = new Set(rows.map(({ name }) => name));
    for (const name of (await readdir(DIRECTORY)).filter((file) => file.endsWith('.sql')).toSorted()) {
      if (applied.has(name)) continue;
      await client.query(await readFile(new URL(name, DIRECTORY), 'utf8'));
      await client.query('INSERT INTO migration VALUES ($1)', [name]);
    }
  });
