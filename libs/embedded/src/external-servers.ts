import { connect } from '@nats-io/transport-node';
import pg from 'pg';
import { ServerRefused } from './server-refused.js';
import { SettingRefused } from './setting-refused.js';
import { formatVersion, isAtLeast, NATS_FLOOR, parseVersion, POSTGRES_FLOOR } from './version.js';

/** With the start of the program itself, up to 1.7 s on two cores, an answer comes within 5 s. */
const CHECK_TIMEOUT_MS = 3_000;

/** Where a URL leads, without user, password and parameters: it is shown in messages. */
const placeOf = ({ protocol, host, pathname }: URL): string =>
  `${protocol}//${host}${pathname === '/' ? '' : pathname}`;

const parse = (variable: string, value: string, protocols: readonly string[]): URL => {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  const isEncoded = !/%(?![\da-f]{2})/i.test(value);
  if (url?.hostname && protocols.includes(url.protocol) && isEncoded) return url;
  const shown = value.replace(/^.*@/s, '***@').replace(/\?.*$/s, '?***'); // a password may stand before or behind
  const starts = protocols.map((protocol) => `${protocol}//`).join(' or ');
  throw new SettingRefused(
    variable,
    shown,
    'is not allowed',
    `a URL that starts with ${starts}, with a host, and with %25 for %`,
  );
};

/** Some failures to connect have no message of their own, only a code; one per address of a host they keep inside. */
const reasonOf = (error: unknown): string => {
  const { message, code } = error as NodeJS.ErrnoException;
  return message || code || String(error);
};

/** @throws Error when `work` takes longer than a person waits */
const inTime = async <T>(work: Promise<T>): Promise<T> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`no answer within ${CHECK_TIMEOUT_MS / 1000} s`));
    }, CHECK_TIMEOUT_MS);
  });
  return Promise.race([work, late]).finally(() => {
    clearTimeout(timer);
  });
};

/** A database of one's own need not be made; in `postgres` nothing of ours is kept. */
const ADMIN_QUERY = `
  SELECT current_setting('server_version') AS version,
    rolsuper OR (rolcreaterole AND (rolcreatedb OR current_database() <> 'postgres')) AS is_admin
  FROM pg_roles WHERE rolname = current_user`;

/**
 * Checks within 5 s that `KONTOR_PG_URL` leads to a PostgreSQL >= 18, as a user who may make roles and databases.
 * @throws SettingRefused if it is no such URL, server or user; ServerRefused if none answers. Neither shows a password
 */
export const checkPostgres = async (value: string): Promise<void> => {
  const url = parse('KONTOR_PG_URL', value, ['postgresql:', 'postgres:']);
  const client = new pg.Client({ connectionString: value, connectionTimeoutMillis: CHECK_TIMEOUT_MS });
  client.on('error', () => undefined); // of a connection that is not needed any more; a failure of the check arrives below
  const ask = async (): Promise<{ version: string; is_admin: boolean } | undefined> => {
    await client.connect();
    const { rows } = await client.query<{ version: string; is_admin: boolean }>(ADMIN_QUERY);
    await client.end();
    return rows[0];
  };
  const answer = await inTime(ask()).catch((cause: unknown) => {
    const what = cause instanceof pg.DatabaseError ? 'refuses' : 'does not answer as PostgreSQL does';
    throw new ServerRefused(`KONTOR_PG_URL: ${placeOf(url)} ${what}: ${reasonOf(cause)}`, { cause });
  });
  const refuse = (problem: string, allowed: string): SettingRefused =>
    new SettingRefused('KONTOR_PG_URL', placeOf(url), problem, allowed);
  const version = parseVersion(answer?.version ?? '');
  if (!version || !isAtLeast(version, POSTGRES_FLOOR))
    throw refuse(`is PostgreSQL ${answer?.version ?? 'of unknown version'}`, `PostgreSQL >= ${POSTGRES_FLOOR[0]}`);
  if (answer?.is_admin !== true)
    throw refuse(
      'lets this user make neither roles nor databases',
      'a superuser, or a user with CREATEROLE and CREATEDB',
    );
};

/**
 * Checks within 5 s that `KONTOR_NATS_URL` leads to a nats-server >= 2.14 with JetStream.
 * @throws SettingRefused if it is no such URL or the server is unfit; ServerRefused if none answers. Neither shows a password
 */
export const checkNats = async (value: string): Promise<void> => {
  const url = parse('KONTOR_NATS_URL', value, ['nats:', 'tls:']);
  const { username, password } = url;
  const login = username ? { user: decodeURIComponent(username), pass: decodeURIComponent(password) } : {};
  const servers = `${url.protocol}//${url.host}`;
  const connection = await inTime(connect({ servers, ...login, timeout: CHECK_TIMEOUT_MS, reconnect: false })).catch(
    (cause: unknown) => {
      throw new ServerRefused(`KONTOR_NATS_URL: ${placeOf(url)} does not answer as NATS does: ${reasonOf(cause)}`, {
        cause,
      });
    },
  );
  const { info } = connection;
  await connection.close();
  const refuse = (problem: string): SettingRefused =>
    new SettingRefused(
      'KONTOR_NATS_URL',
      placeOf(url),
      problem,
      `nats-server >= ${formatVersion(NATS_FLOOR)} with JetStream`,
    );
  const version = parseVersion(info?.version ?? '');
  if (!version || !isAtLeast(version, NATS_FLOOR))
    throw refuse(`is nats-server ${info?.version ?? 'of unknown version'}`);
  if (info?.jetstream !== true) throw refuse('has no JetStream');
};
