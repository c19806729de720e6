import pg from 'pg';
import { eventually } from './eventually.js';

/** A log to which nothing can be appended until it is released. */
export interface HeldAppends {
  /** Resolves when a service of a context waits with an append. */
  waited(): Promise<void>;
  /** Lets all go on, and resolves when what waited is in the log, whether or not its service still lives. */
  release(): Promise<void>;
}

/**
 * Takes the lock under which the log gives its positions: whoever appends waits, as for a commit that takes long.
 *
 * @param url of the log's database, for a role that may lock its head.
 */
export const holdAppends = async (url: string, context: string): Promise<HeldAppends> => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const last = async (lock: '' | 'FOR UPDATE'): Promise<bigint> => {
    const { rows } = await client.query<{ last_pos: string }>(`SELECT last_pos FROM es.log_head ${lock}`);
    return BigInt(rows[0]?.last_pos ?? 0);
  };
  await client.query('BEGIN');
  const before = await last('FOR UPDATE');
  return {
    waited: async () => {
      await eventually(async () => {
        // A transaction sees the sessions as it saw them first, unless it forgets them.
        await client.query('SELECT pg_stat_clear_snapshot()');
        const { rowCount } = await client.query(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND usename = $1 AND wait_event_type = 'Lock'`,
          [`kontor_${context}`],
        );
        return rowCount !== 0;
      });
    },
    release: async () => {
      await client.query('COMMIT');
      await eventually(async () => (await last('')) > before);
      await client.end();
    },
  };
};
