import type pg from 'pg';
import type { Changes } from './projection-store.js';

/** So few row versions are found quickly by any plan. */
const MIN_ROWS = 500;

interface Known {
  /** Row versions at the last look. */
  readonly rows: number;
  readonly writtenSince: number;
}

/**
 * Keeps what PostgreSQL's planner knows of read models true while they grow: tables are analyzed whenever their rows have doubled,
 * which is some twenty times on the way to a billion.
 *
 * autovacuum comes once a minute, and until then the planner takes a table for as small as it last was. Measured: 20,000 runs
 * written within 6 s were joined to their metrics row by row for two minutes, 9 s a search instead of 6 ms.
 */
export class PlannerStatistics {
  readonly #known = new Map<string, Known>();

  constructor(private readonly pool: pg.Pool) {}

  /**
   * Notes what a committed batch wrote, and analyzes the tables that have doubled: the next batch waits for it.
   *
   * @throws the driver's error; the batch is committed by then.
   */
  async keepTrue(changes: readonly Changes[]): Promise<void> {
    for (const { tables, ended, passed, opened } of changes) {
      const { rows = 0, writtenSince = 0 } = this.#known.get(tables.open) ?? {};
      const written = writtenSince + ended.length + passed.length + opened.length;
      if (written < Math.max(MIN_ROWS, rows)) this.#known.set(tables.open, { rows, writtenSince: written });
      else this.#known.set(tables.open, { rows: await this.#analyze(tables), writtenSince: 0 });
    }
  }

  /** @returns how many row versions there are, as PostgreSQL estimates. */
  async #analyze({ open, past }: Changes['tables']): Promise<number> {
    await this.pool.query(`ANALYZE ${open}, ${past}`);
    const { rows } = await this.pool.query<{ versions: number }>(
      'SELECT sum(greatest(reltuples, 0))::float8 AS versions FROM pg_class WHERE oid IN ($1::regclass, $2::regclass)',
      [open, past],
    );
    return rows[0]?.versions ?? 0;
  }
}
