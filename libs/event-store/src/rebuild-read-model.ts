import { BEGINNING, type Position, type Upcasters } from '@kontor/event-sourcing';
import pg from 'pg';
import { advanceFunctionSql, ensureCheckpoints } from './checkpoints.js';
import { compareBuilds, type Parity } from './compare-builds.js';
import { foldEvent, type OpenRow } from './fold-rows.js';
import { pause } from './pause.js';
import { applyBatch, copyOpen, copyPast, openLine, pastLine } from './projection-store.js';
import { readHead, readPage } from './read-all.js';
import { copyEvents } from './read-copy.js';
import {
  createIndexesSql,
  createKeysSql,
  createTablesSql,
  nextTablesOf,
  type ReadModel,
  replaceViewSql,
  tablesOf,
} from './read-model.js';
import { inTransaction } from './transaction.js';

/** Text of one COPY into a table: each is a transaction of its own, so that none keeps old rows of the head alive. */
const COPY_CHARS = 4 * 1024 * 1024;
/** Events of one transaction while the new rows follow the log. */
const FOLLOW_EVENTS = 2_000;
// Readers of the view wait while the swap waits for a long reader of the old tables, so it gives up soon and tries again.
const SWAP_LOCK_TIMEOUT_MS = 500;
const SWAP_RETRY_MS = 200;
const LOCK_NOT_AVAILABLE = '55P03';
// Rows that do not serve yet need no flush of their own: what PostgreSQL forgets in a crash is built again, and the commit
// of the swap flushes everything before it.
const BEGIN_UNFLUSHED = 'BEGIN; SET LOCAL synchronous_commit = off';

export interface RebuildOptions {
  /** A role that owns the schema, with at least three sessions. */
  readonly pool: pg.Pool;
  readonly schema: string;
  readonly upcasters: Upcasters;
  readonly onProgress?: (progress: RebuildProgress) => void;
}

export interface RebuildProgress {
  readonly stage: 'fold' | 'index' | 'follow' | 'compare' | 'swap';
  /** What the new rows have reached, and the head of the log when the stage began. */
  readonly position: Position;
  readonly upTo: Position;
}

export interface Rebuilt {
  readonly name: string;
  readonly version: number;
  /** The new rows serve from this position on. */
  readonly position: Position;
  /** Beside the rows that served before; undefined if there were none of this version and shape. */
  readonly parity: Parity | undefined;
}

/**
 * Makes every read model that does not serve yet, or in another version, and the table of checkpoints. Idempotent, and
 * safe when several run.
 *
 * @throws Error if a read model's declaration is wrong.
 */
export const ensureReadModels = async (options: RebuildOptions, readModels: readonly ReadModel[]): Promise<void> => {
  const { pool, schema } = options;
  await inTransaction(pool, async (client) => {
    await client.query(`SELECT pg_advisory_xact_lock(hashtext('kontor.read-models'))`);
    await ensureCheckpoints(client, schema);
    await client.query(advanceFunctionSql(schema));
    for (const readModel of readModels) {
      const { projection } = readModel;
      if ((await servedVersion(client, schema, projection.name)) !== projection.version) continue;
      await client.query(createIndexesSql(readModel, tablesOf(schema, projection)));
    }
  });
  const isServed = async ({ projection: { name, version } }: ReadModel): Promise<boolean> =>
    (await servedVersion(pool, schema, name)) === version;
  for (const readModel of readModels) {
    if (await isServed(readModel)) continue;
    // Another process may have made it while this one waited.
    await alone(options, readModel, async () => {
      if (!(await isServed(readModel))) await build(options, readModel);
    });
  }
};

/**
 * Makes a read model anew from the log while the old rows serve, compares both and swaps them in one transaction. The
 * projection runner may go on meanwhile, and no query fails.
 *
 * A crash at any moment leaves the old rows serving; the next rebuild begins again. Of one read model one rebuild runs at
 * a time, another one waits.
 *
 * The replaced rows are dropped if they are of this version: nothing can need them. Rows of the version before stay, for
 * a process of it that still runs, until the next swap.
 *
 * @throws ProjectionFailed if the projection throws; Error if the declaration is wrong. Then the old rows serve on.
 */
export const rebuildReadModel = (options: RebuildOptions, readModel: ReadModel): Promise<Rebuilt> =>
  alone(options, readModel, () => build(options, readModel));

/** The lock ends with its session, however that ends. */
const alone = async <T>(
  { pool, schema }: RebuildOptions,
  { projection }: ReadModel,
  body: () => Promise<T>,
): Promise<T> => {
  const session = await pool.connect();
  const ignore = (): void => undefined;
  session.on('error', ignore);
  let failed = true;
  try {
    const lock = [`kontor.rebuild.${schema}.${projection.name}`];
    await session.query('SELECT pg_advisory_lock(hashtext($1))', lock);
    const result = await body();
    await session.query('SELECT pg_advisory_unlock(hashtext($1))', lock);
    failed = false;
    return result;
  } finally {
    if (!failed) session.off('error', ignore);
    session.release(failed);
  }
};

/** The version whose tables the view of a read model shows; undefined if there is no view. */
const servedVersion = async (
  client: pg.Pool | pg.ClientBase,
  schema: string,
  name: string,
): Promise<number | undefined> => {
  const { rows } = await client.query<{ version: string | null }>(
    `SELECT substring(table_name FROM '_v([0-9]+)$') AS version FROM information_schema.view_table_usage
     WHERE view_schema = $1 AND view_name = $2 ORDER BY version NULLS LAST`,
    [schema, name],
  );
  const version = rows[0]?.version;
  return version ? Number(version) : undefined;
};

const build = async (options: RebuildOptions, readModel: ReadModel): Promise<Rebuilt> => {
  const { pool, schema, onProgress } = options;
  const { name, version } = readModel.projection;
  const next = nextTablesOf(schema, readModel.projection);
  await pool.query(`DROP TABLE IF EXISTS ${next.open}, ${next.past}; ${createTablesSql(readModel, next)}`);
  let position = await load(options, readModel);

  onProgress?.({ stage: 'index', position, upTo: position });
  await pool.query(`${createKeysSql(next)} ${createIndexesSql(readModel, next)} ANALYZE ${next.open}, ${next.past};`);
  position = await follow(options, readModel, position);

  const served = await servedVersion(pool, schema, name);
  onProgress?.({ stage: 'compare', position, upTo: position });
  const parity = served === version ? await compareBuilds(pool, schema, readModel, position) : undefined;

  for (;;) {
    position = await follow(options, readModel, position);
    onProgress?.({ stage: 'swap', position, upTo: position });
    try {
      position = await swap(options, readModel, { position, served, sameShape: parity !== undefined });
      return { name, version, position, parity };
    } catch (error) {
      if (!(error instanceof pg.DatabaseError) || error.code !== LOCK_NOT_AVAILABLE) throw error;
      await pause(SWAP_RETRY_MS, NEVER);
    }
  }
};

const NEVER = new AbortController().signal;

/** COPY out of the log, fold, COPY in. A version goes to the past when it closes; only open ones stay in memory. */
const load = async (
  { pool, schema, upcasters, onProgress }: RebuildOptions,
  readModel: ReadModel,
): Promise<Position> => {
  const { projection } = readModel;
  const next = nextTablesOf(schema, projection);
  const upTo = await readHead(pool);
  const open = new Map<string, OpenRow>();
  let lines = '';
  // One COPY is under way while the next lines are made; whoever awaits it gets its failure.
  let writing = Promise.allSettled<void>([]);
  const written = async (): Promise<void> => {
    for (const result of await writing) if (result.status === 'rejected') throw result.reason;
  };
  const write = async (copy: typeof copyPast): Promise<void> => {
    const full = lines;
    lines = '';
    await written();
    writing = Promise.allSettled([
      inTransaction(pool, (client) => copy(client, readModel, next, full), BEGIN_UNFLUSHED),
    ]);
  };
  const range = { after: BEGINNING, upTo, types: projection.canHandle };
  for await (const batch of copyEvents(pool, range, upcasters)) {
    for (const event of batch) foldEvent(projection, event, open, (row) => (lines += pastLine(readModel, row)));
    if (lines.length > COPY_CHARS) await write(copyPast);
    onProgress?.({ stage: 'fold', position: batch.at(-1)?.position ?? upTo, upTo });
  }
  await write(copyPast);
  for (const row of open.values()) {
    lines += openLine(readModel, row);
    if (lines.length > COPY_CHARS) await write(copyOpen);
  }
  await write(copyOpen);
  await written();
  return upTo;
};

/** Applies the log to the new rows until less than one transaction is missing. @returns the position that they reached */
const follow = async (options: RebuildOptions, readModel: ReadModel, after: Position): Promise<Position> => {
  let position = after;
  for (;;) {
    const head = await readHead(options.pool);
    options.onProgress?.({ stage: 'follow', position, upTo: head });
    const page = await nextPage(options, readModel, position, head);
    await inTransaction(options.pool, (client) =>
      applyBatch(client, readModel, nextTablesOf(options.schema, readModel.projection), page.events),
    );
    position = page.position;
    if (position === head) return position;
  }
};

const nextPage = async (
  { pool, upcasters }: RebuildOptions,
  { projection }: ReadModel,
  after: Position,
  upTo: Position,
) => {
  const range = { after, upTo, types: projection.canHandle, limit: FOLLOW_EVENTS };
  const events = await readPage(pool, range, upcasters);
  return { events, position: events.length < FOLLOW_EVENTS ? upTo : (events.at(-1)?.position ?? upTo) };
};

/**
 * One transaction: takes the checkpoint, so that the runner's write waits, brings the new rows to the head of the log and
 * puts them in the place of the old ones. Readers take the view before its tables, and so does this.
 *
 * @returns the position at which the new rows serve.
 */
const swap = (
  options: RebuildOptions,
  readModel: ReadModel,
  built: { readonly position: Position; readonly served: number | undefined; readonly sameShape: boolean },
): Promise<Position> =>
  inTransaction(options.pool, async (client) => {
    const { schema } = options;
    const { name, version } = readModel.projection;
    const consumer = `${pg.escapeIdentifier(schema)}.consumer`;
    const next = nextTablesOf(schema, readModel.projection);
    const target = tablesOf(schema, readModel.projection);
    await client.query(`SET LOCAL lock_timeout = ${SWAP_LOCK_TIMEOUT_MS}`);
    // A batch of the runner takes these tables in this order, and the checkpoints last. Readers go on.
    if (built.sameShape) await client.query(`LOCK TABLE ${target.past}, ${target.open} IN SHARE ROW EXCLUSIVE MODE`);
    await client.query(`INSERT INTO ${consumer} (name, version) VALUES ($1, $2) ON CONFLICT DO NOTHING`, [
      name,
      version,
    ]);
    await client.query(`SELECT FROM ${consumer} WHERE name = $1 AND version = $2 FOR UPDATE`, [name, version]);
    let { position } = built;
    const followOn = async (): Promise<void> => {
      const head = await readHead(client);
      while (position < head) {
        const page = await nextPage(options, readModel, position, head);
        await applyBatch(client, readModel, next, page.events);
        position = page.position;
      }
    };
    await followOn();
    await client.query(replaceViewSql(schema, readModel, next, built.sameShape));
    const { rows: older } = await client.query<{ version: number }>(
      `DELETE FROM ${consumer} WHERE name = $1 AND version <> ALL ($2::int[]) RETURNING version`,
      [name, [version, built.served ?? version]],
    );
    const dropped = [target, ...older.map((other) => tablesOf(schema, { ...readModel.projection, ...other }))];
    await client.query(`DROP TABLE IF EXISTS ${dropped.flatMap(({ open, past }) => [open, past]).join(', ')}`);
    // The old rows can be read no more. A batch that was folded over them is in the log by now, so this takes the checkpoint
    // further than its fold believes, and what it would write over the new rows is refused.
    await followOn();
    await client.query(renameSql(schema, next.label, target.label, await indexesOf(client, schema, next.label)));
    await client.query(`UPDATE ${consumer} SET pos = $3 WHERE name = $1 AND version = $2`, [name, version, position]);
    return position;
  });

const indexesOf = async (client: pg.ClientBase, schema: string, label: string): Promise<readonly string[]> => {
  const { rows } = await client.query<{ indexname: string }>(
    'SELECT indexname FROM pg_indexes WHERE schemaname = $1 AND tablename = ANY ($2::text[])',
    [schema, [label, `${label}_past`]],
  );
  return rows.map(({ indexname }) => indexname);
};

const renameSql = (schema: string, from: string, to: string, indexes: readonly string[]): string =>
  [
    ...[from, `${from}_past`].map((table) => ['TABLE', table] as const),
    ...indexes.map((index) => ['INDEX', index] as const),
  ]
    .map(
      ([kind, name]) =>
        `ALTER ${kind} ${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(name)} RENAME TO ${pg.escapeIdentifier(name.replace(from, to))};`,
    )
    .join('\n');
