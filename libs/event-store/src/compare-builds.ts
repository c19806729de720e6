import { BEGINNING, type Position } from '@kontor/event-sourcing';
import type pg from 'pg';
import { readCheckpoints } from './checkpoints.js';
import { nextTablesOf, type ReadModel, tablesOf } from './read-model.js';
import { contentOf, type RowDifference, type RowsDigest, RowsHash, rowVersionsSql } from './row-versions.js';
import { inTransaction } from './transaction.js';

const CURSOR_ROWS = 2_000;

/** The rows that served and the rows that were built beside them, as both were at one position. */
export interface Parity {
  readonly position: Position;
  readonly served: RowsDigest;
  readonly built: RowsDigest;
  readonly equal: boolean;
  /** `missing` and `unexpected` are said of the rows that served. */
  readonly firstDifference?: RowDifference;
}

interface Side {
  readonly workspace: string;
  readonly body: string;
  readonly columns_agree: boolean;
}

interface PairRow {
  readonly key: string;
  readonly valid_from: string;
  readonly valid_to: string;
  readonly served: Side | null;
  readonly built: Side | null;
}

/**
 * Compares every version of every row, open and past, from one snapshot: at the older of both positions, because
 * intervals of positions can be read as they were at any of them.
 *
 * @param builtAt what the rows beside have reached.
 * @returns undefined if the tables have not the same columns.
 */
export const compareBuilds = (
  pool: pg.Pool,
  schema: string,
  readModel: ReadModel,
  builtAt: Position,
): Promise<Parity | undefined> =>
  inTransaction(
    pool,
    async (client) => {
      const { projection } = readModel;
      const served = tablesOf(schema, projection);
      const built = nextTablesOf(schema, projection);
      if (!(await haveSameColumns(client, served.open, built.open))) return undefined;
      const [servedAt = BEGINNING] = await readCheckpoints(client, schema, [projection]);
      const position = servedAt < builtAt ? servedAt : builtAt;
      const side = (alias: string) => `CASE WHEN ${alias}.key IS NOT NULL THEN json_build_object(
        'workspace', ${alias}.workspace, 'body', ${alias}.body, 'columns_agree', ${alias}.columns_agree) END`;
      await client.query(`
        DECLARE compared NO SCROLL CURSOR FOR
        SELECT key, valid_from, valid_to, ${side('s')} AS served, ${side('b')} AS built
        FROM (${rowVersionsSql(readModel, served, position)}) s
        FULL JOIN (${rowVersionsSql(readModel, built, position)}) b USING (key, valid_from, valid_to)
        ORDER BY key, valid_from, valid_to`);
      const hashes = { served: new RowsHash(), built: new RowsHash() };
      let firstDifference: RowDifference | undefined;
      for (;;) {
        const { rows } = await client.query<PairRow>(`FETCH ${CURSOR_ROWS} FROM compared`);
        for (const row of rows) {
          const difference = addPair(row, hashes);
          firstDifference ??= difference;
        }
        if (rows.length < CURSOR_ROWS) break;
      }
      const digests = { served: hashes.served.digest(), built: hashes.built.digest() };
      const equal = digests.served.sha256 === digests.built.sha256;
      return { position, ...digests, equal, ...(firstDifference && { firstDifference }) };
    },
    'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY',
  );

const addPair = (
  { key, valid_from, valid_to, served, built }: PairRow,
  hashes: Readonly<Record<'served' | 'built', RowsHash>>,
): RowDifference | undefined => {
  const where = { key, validFrom: BigInt(valid_from), validTo: BigInt(valid_to) };
  const builtContent = built && contentOf(built.workspace, built.body, built.columns_agree);
  const same = served?.body === built?.body && served?.workspace === built?.workspace && served?.columns_agree;
  const servedContent =
    same && built?.columns_agree
      ? builtContent
      : served && contentOf(served.workspace, served.body, served.columns_agree);
  if (servedContent !== null && servedContent !== undefined) hashes.served.add({ ...where, content: servedContent });
  if (builtContent !== null) hashes.built.add({ ...where, content: builtContent });
  if (servedContent === builtContent) return undefined;
  return { ...where, problem: served === null ? 'missing' : built === null ? 'unexpected' : 'different' };
};

const haveSameColumns = async (client: pg.ClientBase, one: string, other: string): Promise<boolean> => {
  const { rows } = await client.query<{ columns: string }>(
    `SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) AS columns
     FROM pg_attribute WHERE attrelid = ANY (ARRAY[to_regclass($1), to_regclass($2)]) AND attnum > 0 AND NOT attisdropped
     GROUP BY attrelid`,
    [one, other],
  );
  return rows.length === 2 && rows[0]?.columns === rows[1]?.columns;
};
