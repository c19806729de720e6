import type pg from 'pg';

/** Names of prepared statements by their text. */
const statements = new Map<string, string>();

const nameOf = (text: string): string => {
  const known = statements.get(text);
  if (known !== undefined) return known;
  const name = `mlflow_${statements.size + 1}`;
  statements.set(text, name);
  return name;
};

/**
 * Prepared statements that find few rows by an index. They name a position, so whoever asks the same while it is under way
 * may have its answer: clients that work on one model or experiment ask for its row again and again.
 */
export class Lookups {
  readonly #running = new Map<string, Promise<readonly object[]>>();

  constructor(private readonly pool: pg.Pool) {}

  /** The column `body` of what a statement of few shapes selects. Rows are shared: nobody changes them. */
  bodies<Row extends object>(text: string, values: readonly unknown[]): Promise<readonly Row[]> {
    const name = nameOf(text);
    const key = JSON.stringify([name, ...values.map((value) => (typeof value === 'bigint' ? String(value) : value))]);
    const known = this.#running.get(key);
    if (known) return known as Promise<readonly Row[]>;
    const asked = this.pool
      .query<{ body: Row }>({ name, text, values: [...values] })
      .then(({ rows }) => rows.map(({ body }) => body))
      .finally(() => this.#running.delete(key));
    this.#running.set(key, asked);
    return asked;
  }
}
