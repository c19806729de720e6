import type pg from 'pg';

/** Rows that wait for a slow reader; above it the session is not read from, and PostgreSQL waits. */
const WAITING_BYTES = 1024 * 1024;

/** What `pg` has for COPY and its types do not name. */
interface CopyConnection extends pg.Connection {
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
}

/** A COPY TO STDOUT that a session of `pg` works on: collects rows until the reader takes them. */
class CopyOut implements pg.Submittable {
  #stream: pg.Connection['stream'] | undefined;
  #rows: string[] = [];
  #bytes = 0;
  #ended = false;
  #error: unknown;
  #wake = (): void => undefined;

  constructor(private readonly sql: string) {}

  /** The rows that have come since the last call; undefined after the last. */
  async take(): Promise<readonly string[] | undefined> {
    while (this.#rows.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    if (this.#error !== undefined) throw this.#error as Error;
    const rows = this.#rows;
    this.#rows = [];
    if (this.#bytes > WAITING_BYTES) this.#stream?.resume();
    this.#bytes = 0;
    return rows.length === 0 ? undefined : rows;
  }

  submit(connection: pg.Connection): void {
    this.#stream = connection.stream;
    connection.query(this.sql);
  }

  /** Called by `pg`: PostgreSQL sends one message per row, and `pg` puts the next ones into the same memory. */
  handleCopyData({ chunk }: { readonly chunk: Buffer }): void {
    this.#rows.push(chunk.toString('utf8', 0, chunk.length - 1));
    this.#bytes += chunk.length;
    if (this.#bytes > WAITING_BYTES) this.#stream?.pause();
    this.#wake();
  }

  handleCommandComplete(): void {
    // the end is ReadyForQuery
  }

  handleReadyForQuery(): void {
    this.#ended = true;
    this.#wake();
  }

  handleError(error: unknown): void {
    this.#error = error;
    this.handleReadyForQuery();
  }
}

/**
 * The rows of a COPY … TO STDOUT, as many at a time as have come. A slow reader slows the server.
 *
 * The session is thrown away if the reader leaves before the end.
 *
 * @throws pg's errors.
 */
export async function* copyOut(pool: pg.Pool, sql: string): AsyncGenerator<readonly string[], void> {
  const client = await pool.connect();
  // A session that breaks reports to the COPY and here, where the pool does not listen.
  const ignore = (): void => undefined;
  client.on('error', ignore);
  let complete = false;
  try {
    const copy = client.query(new CopyOut(sql));
    for (let rows = await copy.take(); rows !== undefined; rows = await copy.take()) yield rows;
    complete = true;
  } finally {
    if (complete) client.off('error', ignore);
    client.release(!complete);
  }
}

/** Sends rows in COPY's text form to a COPY … FROM STDIN, whole. @throws pg's errors; then no row was stored. */
export const copyIn = (client: pg.ClientBase, sql: string, rows: string): Promise<void> =>
  new Promise((resolve, reject) => {
    client.query({
      submit: (connection: pg.Connection) => connection.query(sql),
      handleCopyInResponse: (connection: CopyConnection) => {
        connection.sendCopyFromChunk(Buffer.from(rows));
        connection.endCopyFrom();
      },
      handleCommandComplete: () => undefined,
      handleReadyForQuery: () => resolve(),
      handleError: reject,
    });
  });

const ESCAPED: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };
const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** The NULL of COPY's text form. */
export const COPY_NULL = '\\N';

/**
 * A value in COPY's text form.
 *
 * @source PostgreSQL 18, COPY, "Text Format"
 */
export const copyText = (value: string): string => value.replace(/[\\\n\r\t]/g, (found) => ESCAPES[found] ?? found);

/** The columns of one row of a COPY … TO STDOUT; no column may be NULL. */
export const copyColumns = (row: string): readonly string[] => {
  const columns = row.split('\t');
  for (let index = 0; index < columns.length; index += 1) {
    const column = columns[index];
    if (column?.includes('\\')) {
      columns[index] = column.replace(/\\(.)/g, (escape: string, found: string) => ESCAPED[found] ?? found);
    }
  }
  return columns;
};
