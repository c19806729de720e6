import { testDatabase, uuidv7 } from '@kontor/testing';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MigrationRefused } from './errors.js';
import { type LogFixture, openLog, ORIGIN, PASSWORDS, requests } from './log.fixture.js';
import { migrate, readMigrations } from './migrate.js';
import { prepareDatabase } from './prepare-database.js';

const { append, event } = requests(uuidv7);

describe('prepareDatabase', () => {
  let log: LogFixture;
  beforeAll(async () => {
    log = await openLog(await testDatabase());
  });
  afterAll(() => log.close());

  const options = () => ({
    adminUrl: log.adminUrl,
    database: new URL(log.adminUrl).pathname.slice(1),
    passwords: PASSWORDS,
    origin: ORIGIN,
  });
  const withClient = async <T>(body: (client: pg.Client) => Promise<T>): Promise<T> => {
    const client = new pg.Client({ connectionString: log.adminUrl });
    await client.connect();
    try {
      return await body(client);
    } finally {
      await client.end();
    }
  };

  it('changes nothing when it runs again, several times at once', async () => {
    const store = log.store();
    await store.append(append('default/registry/run/a', [event('A')]));
    await Promise.all(Array.from({ length: 5 }, () => prepareDatabase(options())));
    expect(await store.head()).toBe(1n);
  });

  it('prepares several databases of one server at once, and creates the missing one', async () => {
    const name = `test_${uuidv7().replaceAll('-', '')}`;
    const names = [name, name, `${name}_b`];
    await Promise.all(names.map((database) => prepareDatabase({ ...options(), database })));
    await withClient(async (client) => {
      for (const database of new Set(names))
        await client.query(`DROP DATABASE ${pg.escapeIdentifier(database)} WITH (FORCE)`);
    });
  });

  it('refuses a log of another origin', async () => {
    await expect(prepareDatabase({ ...options(), origin: 'other.example/log/0' })).rejects.toThrow(
      `has the origin ${ORIGIN}, not other.example/log/0`,
    );
  });

  it('applies a migration once', async () => {
    expect(await withClient((client) => migrate(client))).toEqual([]);
  });

  it('refuses an edited migration', async () => {
    const edited = readMigrations().map((migration, index) =>
      index === 1 ? { ...migration, checksum: '0'.repeat(64) } : migration,
    );
    await expect(withClient((client) => migrate(client, edited))).rejects.toThrow(
      'a released migration is never edited',
    );
  });

  it('refuses a database that a newer program migrated', async () => {
    const older = readMigrations().slice(0, -1);
    const run = withClient((client) => migrate(client, older));
    await expect(run).rejects.toThrow(MigrationRefused);
    await expect(withClient((client) => migrate(client, older))).rejects.toThrow('newer program');
  });

  it('undoes a migration that fails, and can run it again', async () => {
    const bad = {
      version: 999,
      name: '000999_bad.sql',
      checksum: 'x',
      sql: 'CREATE TABLE es.half (); SELECT 1/0;',
    };
    await expect(withClient((client) => migrate(client, [...readMigrations(), bad]))).rejects.toThrow('000999_bad.sql');
    const { rows } = await log.admin.query<{ half: string | null }>(`SELECT to_regclass('es.half')::text AS half`);
    expect(rows[0]?.half).toBeNull();
  });

  it('gives each role its own schema and read access to the log, and no more', async () => {
    const gateway = log.pool('kontor_gateway');
    await gateway.query('CREATE TABLE gateway.t (); DROP TABLE gateway.t');
    expect((await gateway.query('SELECT FROM es.event')).rowCount).toBe(1);
    await expect(gateway.query('CREATE TABLE registry.t ()')).rejects.toMatchObject({ code: '42501' });
    await expect(gateway.query('SELECT es.prepare_partitions()')).rejects.toMatchObject({ code: '42501' });
    await expect(gateway.query('CREATE TABLE public.t ()')).rejects.toMatchObject({ code: '42501' });
  });
});
