import type { Position } from '@kontor/event-sourcing';
import pg from 'pg';
import { asOf } from '../graphql/as-of.js';
import type { Entity } from '../graphql/entity.js';

interface Wanted {
  readonly key: string;
  readonly position: Position;
  readonly resolve: (body: object | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** Rows of one statement. */
const MAX_ROWS = 500;
/** Statements of one read model on their way at once; each answers whatever had gathered before it. */
const STATEMENTS = 2;

/**
 * Reads rows by key for all requests of a process: what is asked while statements run travels together in the next one. Under
 * load the cost of a row is a part of a statement, and without load nobody waits.
 */
export class RowLoader {
  readonly #queues = new Map<string, { readonly waiting: Wanted[]; running: number }>();

  constructor(
    private readonly pool: pg.Pool,
    private readonly schema: string,
  ) {}

  /** The row of a key at a position as it is stored, or undefined if there was none. */
  load<Row extends object>({ projection }: Entity<Row>, key: string, position: Position): Promise<Row | undefined> {
    return new Promise((resolve, reject) => {
      const queue = this.#queues.get(projection.name) ?? { waiting: [], running: 0 };
      this.#queues.set(projection.name, queue);
      queue.waiting.push({ key, position, resolve: resolve as Wanted['resolve'], reject });
      // What other requests ask in this turn of the event loop joins in.
      if (queue.running < STATEMENTS) queueMicrotask(() => void this.#run(projection.name, queue));
    });
  }

  /** Never rejects: who waits for a row gets its error. */
  async #run(name: string, queue: { readonly waiting: Wanted[]; running: number }): Promise<void> {
    if (queue.running >= STATEMENTS) return;
    queue.running += 1;
    while (queue.waiting.length > 0) {
      const wanted = queue.waiting.splice(0, MAX_ROWS);
      try {
        const bodies = await this.#read(name, wanted);
        wanted.forEach(({ resolve }, index) => resolve(bodies.get(String(index + 1))));
      } catch (error) {
        for (const { reject } of wanted) reject(error);
      }
    }
    queue.running -= 1;
  }

  async #read(name: string, wanted: readonly Wanted[]): Promise<ReadonlyMap<string, object>> {
    const view = `${pg.escapeIdentifier(this.schema)}.${pg.escapeIdentifier(name)}`;
    const { rows } = await this.pool.query<{ ord: string; body: object }>({
      name: `row_${name}`,
      text: `SELECT k.ord, r.body FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS k(key, pos, ord)
             CROSS JOIN LATERAL (SELECT v.body FROM ${view} v WHERE v.key = k.key AND ${asOf('k.pos', 'v')}) r`,
      values: [wanted.map(({ key }) => key), wanted.map(({ position }) => position)],
    });
    return new Map(rows.map(({ ord, body }) => [ord, body]));
  }
}
