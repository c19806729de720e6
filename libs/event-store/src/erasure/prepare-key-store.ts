import type pg from 'pg';

/** The roles that encrypt and decrypt; who reads only; and who alone may destroy a key. */
const WRITERS = ['kontor_registry', 'kontor_deployment', 'kontor_monitoring', 'kontor_governance'];
const READER = 'kontor_gateway';
const ERASER = 'kontor_governance';
/** Who takes secrets from people, and who uses them until what they belong to is deleted. */
const SECRET_KEEPER = 'kontor_gateway';
const SECRET_USER = 'kontor_registry';

/** The database of the keys beside the one of the log, so that neither a dump nor a restore of one holds the other. */
export const keyDatabaseOf = (database: string): string => `${database}_keys`;

/** The address of the keys, for who knows the address of the log. */
export const keyStoreUrl = (logUrl: string): string => {
  const url = new URL(logUrl);
  url.pathname = `/${encodeURIComponent(keyDatabaseOf(decodeURIComponent(url.pathname.slice(1))))}`;
  return url.href;
};

/**
 * Makes table and grants in the database of the keys. Idempotent.
 *
 * A key version is never deleted as a row: its number must not come again, and a version that is missing must differ from one
 * that was destroyed. `wrapped` is null from its destruction on. A secret of `SecretStore` is deleted as a row: its owner never comes again.
 */
export const prepareKeyStore = async (admin: pg.ClientBase): Promise<void> => {
  await admin.query(`
    REVOKE ALL ON SCHEMA public FROM PUBLIC;
    CREATE SCHEMA IF NOT EXISTS keys;
    CREATE TABLE IF NOT EXISTS keys.data_key (
      workspace text COLLATE "C", subject text COLLATE "C", version int, wrapped bytea,
      made_at timestamptz NOT NULL DEFAULT now(), destroyed_at timestamptz,
      PRIMARY KEY (workspace, subject, version), CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL)));
    CREATE TABLE IF NOT EXISTS keys.secret (
      workspace text COLLATE "C", owner text COLLATE "C", version int, sealed bytea NOT NULL,
      made_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (workspace, owner, version));
    GRANT USAGE ON SCHEMA keys TO ${[...WRITERS, READER].join(', ')};
    GRANT SELECT ON keys.data_key TO ${READER};
    GRANT SELECT, INSERT ON keys.data_key TO ${WRITERS.join(', ')};
    GRANT UPDATE (wrapped, destroyed_at), MAINTAIN ON keys.data_key TO ${ERASER};
    GRANT SELECT, INSERT ON keys.secret TO ${SECRET_KEEPER};
    GRANT SELECT, DELETE ON keys.secret TO ${SECRET_USER};`);
};
