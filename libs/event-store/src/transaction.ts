import type pg from 'pg';

/**
 * Runs `body` in one transaction on a session of the pool. Commits if it resolves.
 *
 * If anything fails the session is thrown away: whatever state it is in, PostgreSQL rolls back.
 */
export const inTransaction = async <T>(
  pool: pg.Pool,
  body: (client: pg.PoolClient) => Promise<T>,
  begin = 'BEGIN',
): Promise<T> => {
  const client = await pool.connect();
  // A session that breaks between two queries reports here, where the pool does not listen; the next query fails.
  const ignore = (): void => undefined;
  client.on('error', ignore);
  let failed = true;
  try {
    await client.query(begin);
    const result = await body(client);
    await client.query('COMMIT');
    failed = false;
    return result;
  } finally {
    if (!failed) client.off('error', ignore);
    client.release(failed);
  }
};
