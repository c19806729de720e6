import pg from 'pg';
import { DatabaseRefused } from './errors.js';
import { keyDatabaseOf, prepareKeyStore } from './erasure/prepare-key-store.js';
import { migrate } from './migrate.js';

/** The contexts that append. Each is a schema, and a role that may append events of this context only. */
const WRITERS = ['registry', 'deployment', 'monitoring', 'governance'] as const;
/** Roles with a login, named as in the environment of the processes. The gateway reads the log and never appends. */
export const LOGIN_ROLES = [...WRITERS, 'gateway'].map((name) => `kontor_${name}`);
const GROUP_ROLES = ['kontor_owner', 'kontor_reader', 'kontor_writer'];

// Advisory locks belong to one database and roles to the whole server, so preparations of different databases meet here.
const MAINTENANCE_DATABASE = 'postgres';
// A forgotten transaction must not hold locks or vacuum; 30 s is far above any transaction of ours.
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 30_000;

export interface PrepareOptions {
  /** A role that may create databases and roles; the database in it does not matter. */
  readonly adminUrl: string;
  readonly database: string;
  /** Password per login role. A role without one is made without a password (for servers that trust or use certificates). */
  readonly passwords: Readonly<Record<string, string>>;
  /** Name of the log in every leaf, for example `kontor.example/log/0`. Fixed for the life of a log; of its first epoch. */
  readonly origin: string;
  /** The context that owns each event type: no other role may append events of it. */
  readonly eventTypes?: Readonly<Record<string, string>>;
}

/** A prepared database. */
export interface PreparedDatabase {
  /** The address of the database for one role, for example `kontor_registry`. */
  readonly urlFor: (role: string) => string;
  /** Of the current epoch: what appends write into the leaves. */
  readonly origin: string;
}

/**
 * Makes database, key store, roles, schemas and grants, and runs the migrations. Idempotent, and safe when several run at once.
 *
 * @throws DatabaseRefused if fsync, full_page_writes or synchronous_commit is off, or if the log has another origin.
 * @throws MigrationRefused if the database is newer than this program or a migration was edited.
 */
export const prepareDatabase = async (options: PrepareOptions): Promise<PreparedDatabase> => {
  const { adminUrl, database, passwords } = options;
  await withClient(withDatabase(adminUrl, MAINTENANCE_DATABASE), async (admin) => {
    await refuseUnsafeSettings(admin);
    await admin.query(`SELECT pg_advisory_lock(hashtext('kontor.prepare'))`);
    await createRoles(admin, passwords);
    for (const name of [database, keyDatabaseOf(database)]) {
      const { rowCount } = await admin.query('SELECT FROM pg_database WHERE datname = $1', [name]);
      if (rowCount === 0)
        await admin.query(`CREATE DATABASE ${pg.escapeIdentifier(name)} ENCODING 'UTF8' TEMPLATE template0`);
    }
  });
  await withClient(withDatabase(adminUrl, keyDatabaseOf(database)), async (admin) => {
    await admin.query(`SELECT pg_advisory_lock(hashtext('kontor.prepare'))`);
    await prepareKeyStore(admin);
  });
  let origin = options.origin;
  await withClient(withDatabase(adminUrl, database), async (admin) => {
    await admin.query(`SELECT pg_advisory_lock(hashtext('kontor.prepare'))`);
    await createSchemas(admin, database);
    await migrate(admin);
    await startLog(admin, options);
    const { rows } = await admin.query<{ origin: string }>('SELECT origin FROM es.log_head WHERE log_id = 0');
    origin = rows[0]?.origin ?? origin;
  });
  return {
    origin,
    urlFor: (role) => {
      const url = new URL(withDatabase(adminUrl, database));
      url.username = role;
      url.password = encodeURIComponent(passwords[role] ?? '');
      return url.href;
    },
  };
};

const withDatabase = (adminUrl: string, database: string): string => {
  const url = new URL(adminUrl);
  url.pathname = `/${encodeURIComponent(database)}`;
  return url.href;
};

/** Session locks end with the session, so nothing has to be unlocked on any path. */
const withClient = async (connectionString: string, body: (client: pg.Client) => Promise<void>): Promise<void> => {
  const client = new pg.Client({ connectionString, application_name: 'kontor-prepare' });
  await client.connect();
  try {
    await body(client);
  } finally {
    await client.end();
  }
};

const refuseUnsafeSettings = async (admin: pg.Client): Promise<void> => {
  const { rows } = await admin.query<{ name: string; setting: string }>(
    `SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit')`,
  );
  for (const { name, setting } of rows) {
    if (setting === 'off') {
      throw new DatabaseRefused(
        `PostgreSQL runs with ${name} = off; an acknowledged append could be lost. Set ${name} = on in postgresql.conf`,
      );
    }
  }
};

const createRoles = async (admin: pg.Client, passwords: Readonly<Record<string, string>>): Promise<void> => {
  const { rows } = await admin.query<{ rolname: string }>(
    `SELECT rolname FROM pg_roles WHERE rolname LIKE 'kontor\\_%'`,
  );
  const existing = new Set(rows.map(({ rolname }) => rolname));
  for (const role of GROUP_ROLES) if (!existing.has(role)) await admin.query(`CREATE ROLE ${role} NOLOGIN`);
  for (const role of LOGIN_ROLES) {
    const password = passwords[role];
    const secret = password === undefined ? '' : ` PASSWORD ${pg.escapeLiteral(password)}`;
    await admin.query(`${existing.has(role) ? 'ALTER' : 'CREATE'} ROLE ${role} LOGIN${secret}`);
  }
  await admin.query(`
    GRANT kontor_reader TO kontor_writer;
    GRANT kontor_reader TO kontor_gateway;
    GRANT kontor_writer TO ${WRITERS.map((name) => `kontor_${name}`).join(', ')};
    GRANT ${['kontor_owner', ...LOGIN_ROLES].join(', ')} TO CURRENT_USER;`);
};

const createSchemas = async (admin: pg.Client, database: string): Promise<void> => {
  const name = pg.escapeIdentifier(database);
  await admin.query(`
    GRANT CREATE ON DATABASE ${name} TO kontor_owner;
    REVOKE ALL ON SCHEMA public FROM PUBLIC;`);
  for (const role of LOGIN_ROLES) {
    await admin.query(`
      CREATE SCHEMA IF NOT EXISTS ${role.replace('kontor_', '')} AUTHORIZATION ${role};
      ALTER ROLE ${role} IN DATABASE ${name} SET idle_in_transaction_session_timeout = ${IDLE_IN_TRANSACTION_TIMEOUT_MS};`);
  }
};

const startLog = async (
  admin: pg.Client,
  { origin, eventTypes = {} }: Pick<PrepareOptions, 'origin' | 'eventTypes'>,
): Promise<void> => {
  await admin.query('BEGIN');
  await admin.query('SET LOCAL ROLE kontor_owner');
  for (const name of WRITERS) {
    await admin.query('INSERT INTO es.role_context VALUES ($1, $2) ON CONFLICT DO NOTHING', [`kontor_${name}`, name]);
  }
  await admin.query(
    `INSERT INTO es.event_type SELECT * FROM unnest($1::text[], $2::text[])
     ON CONFLICT (type) DO UPDATE SET context = EXCLUDED.context`,
    [Object.keys(eventTypes), Object.values(eventTypes)],
  );
  await admin.query(`INSERT INTO es.log_head VALUES (0, 1, $1, 0, '-infinity') ON CONFLICT DO NOTHING`, [origin]);
  await admin.query(`INSERT INTO es.log_epoch VALUES (0, 1, $1, 1, NULL) ON CONFLICT DO NOTHING`, [origin]);
  await admin.query('SELECT FROM es.prepare_partitions()');
  await admin.query('COMMIT');
  const { rows } = await admin.query<{ origin: string }>(
    'SELECT origin FROM es.log_epoch WHERE log_id = 0 AND epoch = 1',
  );
  if (rows[0]?.origin !== origin) {
    throw new DatabaseRefused(
      `the log in this database has the origin ${rows[0]?.origin}, not ${origin}; an origin stands in every leaf and never changes`,
    );
  }
};
