import { connect } from '@nats-io/transport-node';
import pg from 'pg';
import { formatVersion, isAtLeast, NATS_FLOOR, parseVersion, POSTGRES_FLOOR } from './version.js';
import { ServerRefused } from './server-refused.js';

/** A person waits for the answer. */
const CHECK_TIMEOUT_MS = 5_000;

/** Where a URL leads, without user and password: it is shown in messages. */
const placeOf = (url: URL): string => `${url.host}${url.pathname === '/' ? '' : url.pathname}`;

const parse = (name: string, value: string, protocols: readonly string[]): URL => {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (!url || !protocols.includes(url.protocol))
    throw new ServerRefused(
      `${name}: not a URL that starts with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`,
    );
  return url;
};

/**
 * Checks within 5 s that `KONTOR_PG_URL` leads to a PostgreSQL >= 18.
 * @throws an error that names the variable, the place (without credentials) and the reason
 */
export const checkPostgres = async (value: string): Promise<void> => {
  const url = parse('KONTOR_PG_URL', value, ['postgresql:', 'postgres:']);
  const limits = { connectionTimeoutMillis: CHECK_TIMEOUT_MS, query_timeout: CHECK_TIMEOUT_MS };
  const client = new pg.Client({ connectionString: value, ...limits });
  await client.connect().catch((cause: unknown) => {
    // Some failures to connect have no message of their own, only a code.
    const reason = (cause as Error).message || (cause as NodeJS.ErrnoException).code;
    throw new ServerRefused(`KONTOR_PG_URL: no PostgreSQL answers at ${placeOf(url)}: ${String(reason)}`, { cause });
  });
  const { rows } = await client.query<{ server_version: string }>('SHOW server_version').finally(() => client.end());
  const text = rows[0]?.server_version;
  const version = parseVersion(text ?? '');
  if (!version || !isAtLeast(version, POSTGRES_FLOOR))
    throw new ServerRefused(
      `KONTOR_PG_URL: ${placeOf(url)} is PostgreSQL ${text ?? 'of unknown version'}, needed is >= ${String(POSTGRES_FLOOR[0])}`,
    );
};

/**
 * Checks within 5 s that `KONTOR_NATS_URL` leads to a nats-server >= 2.14 with JetStream.
 * @throws an error that names the variable, the place (without credentials) and the reason
 */
export const checkNats = async (value: string): Promise<void> => {
  const url = parse('KONTOR_NATS_URL', value, ['nats:', 'tls:']);
  const { username, password } = url;
  const login = username ? { user: decodeURIComponent(username), pass: decodeURIComponent(password) } : {};
  const connection = await connect({
    servers: `${url.protocol}//${url.host}`,
    ...login,
    timeout: CHECK_TIMEOUT_MS,
    reconnect: false,
  }).catch((cause: unknown) => {
    const reason = (cause as Error).message;
    throw new ServerRefused(`KONTOR_NATS_URL: no NATS answers at ${placeOf(url)}: ${reason}`, { cause });
  });
  const { info } = connection;
  await connection.close();
  const version = parseVersion(info?.version ?? '');
  if (!version || !isAtLeast(version, NATS_FLOOR))
    throw new ServerRefused(
      `KONTOR_NATS_URL: ${placeOf(url)} is nats-server ${info?.version ?? 'of unknown version'}, ` +
        `needed is >= ${formatVersion(NATS_FLOOR)}`,
    );
  if (info?.jetstream !== true) throw new ServerRefused(`KONTOR_NATS_URL: JetStream is not enabled at ${placeOf(url)}`);
};
