import type { AppendResult, PreparedCommand } from '@kontor/event-sourcing';
import pg from 'pg';
import { callAppend } from './append-call.js';

// Only this connection. Without statistics the planner chose scans and the function fell to a seventh of its rate;
// a generic plan with index look-ups is right at any size of the tables. A stuck head row becomes an error after 2 s.
const SESSION_SETTINGS = `
  SET jit = off; SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan; SET synchronous_commit = on;
  SET lock_timeout = '2s'; SET statement_timeout = '10s'; SET default_transaction_isolation = 'read committed';`;
/** A little above the server's own limit: then the server is gone or frozen, and only we can end the wait. */
const QUERY_TIMEOUT_MS = 12_000;
const CONNECT_TIMEOUT_MS = 5_000;
// Partitions are made a month ahead, so looking once a day is far more often than needed.
const PARTITION_CHECK_MS = 86_400_000;

/** The one dedicated session through which a process appends. Opened when needed, thrown away after any failure. */
export class AppendConnection {
  #client: pg.Client | undefined;
  #oldestCommandAtMs = 0;
  #enoughUntil = 0n;
  #checkedAtMs = 0;

  constructor(private readonly options: pg.ClientConfig) {}

  /** Opens the session if there is none. @returns the start of the oldest month whose command ids are remembered. */
  async open(): Promise<number> {
    const client = await this.#connected();
    if (Date.now() - this.#checkedAtMs > PARTITION_CHECK_MS) await this.#preparePartitions(client);
    return this.#oldestCommandAtMs;
  }

  /** Appends a batch in one round trip. Before it, {@link open} makes partitions if the log comes near the end of them. */
  async append(batch: readonly PreparedCommand[]): Promise<readonly AppendResult[]> {
    const results = await callAppend(await this.#connected(), batch);
    for (const result of results) {
      // Half a partition is still free here, so the next batch is early enough.
      if ('lastPosition' in result && result.lastPosition >= this.#enoughUntil) this.#checkedAtMs = 0;
    }
    return results;
  }

  /** Drops the session. The next append opens a new one. */
  async close(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.end();
  }

  async #connected(): Promise<pg.Client> {
    if (this.#client) return this.#client;
    const client = new pg.Client({
      ...connectionOf(this.options),
      application_name: 'kontor-append',
      query_timeout: QUERY_TIMEOUT_MS,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    });
    // A broken idle session reports here; the next append then opens a new one.
    client.on('error', () => {
      if (this.#client === client) this.#client = undefined;
    });
    try {
      await client.connect();
      await client.query(SESSION_SETTINGS);
      await this.#preparePartitions(client);
    } catch (error) {
      await client.end();
      throw error;
    }
    this.#client = client;
    return client;
  }

  async #preparePartitions(client: pg.Client): Promise<void> {
    const { rows } = await client.query<{ oldest_command_at: Date; enough_until_pos: string }>(
      'SELECT oldest_command_at, enough_until_pos FROM es.prepare_partitions()',
    );
    const [row] = rows;
    if (row === undefined) throw new TypeError('es.prepare_partitions gave no row');
    this.#oldestCommandAtMs = row.oldest_command_at.getTime();
    this.#enoughUntil = BigInt(row.enough_until_pos);
    this.#checkedAtMs = Date.now();
  }
}

/** The address and credentials of a pool, for a session of our own. The pool hides its password from enumeration. */
export const connectionOf = (options: pg.ClientConfig): pg.ClientConfig => ({
  ...options,
  ...(options.password === undefined ? {} : { password: options.password }),
});
