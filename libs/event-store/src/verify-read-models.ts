import { createHash } from 'node:crypto';
import { BEGINNING, type Position, type Upcasters } from '@kontor/event-sourcing';
import type pg from 'pg';
import { readCheckpoints } from './checkpoints.js';
import { foldEvent, handles, type OpenRow, type PastRow } from './fold-rows.js';
import { readAll } from './read-all.js';
import { columnsFromBody, columnsOf, OPEN_END, type ReadModel, tablesOf } from './read-model.js';
import { inTransaction } from './transaction.js';

/** One version of a row: where it was true, and its canonical content. */
interface Interval {
  readonly key: string;
  readonly validFrom: Position;
  readonly validTo: Position;
  /** Workspace and canonical body; differs also if a declared column does not equal its property. */
  readonly content: string;
}

export interface ReadModelVerdict {
  readonly name: string;
  readonly version: number;
  /** Both sides are compared at the position that the read model had reached. */
  readonly position: Position;
  readonly expected: { readonly rows: number; readonly sha256: string };
  readonly stored: { readonly rows: number; readonly sha256: string };
  readonly equal: boolean;
  /** The first row version, in the order of keys and positions, that is on one side only or has another content. */
  readonly firstDifference?: {
    readonly key: string;
    readonly validFrom: Position;
    readonly validTo: Position;
    readonly problem: 'missing' | 'unexpected' | 'different';
  };
}

export interface VerifyOptions {
  readonly pool: pg.Pool;
  readonly schema: string;
  readonly readModels: readonly ReadModel[];
  readonly upcasters: Upcasters;
  readonly onProgress?: (progress: {
    readonly name: string;
    readonly position: Position;
    readonly upTo: Position;
  }) => void;
}

const CURSOR_ROWS = 2_000;
const PROGRESS_EVENTS = 10_000n;

/**
 * Proves that read models equal the log: folds it from zero in memory and compares every open and past row.
 *
 * Keeps one read model's rows, past ones too, in memory at a time.
 *
 * @returns one verdict per read model, in order.
 */
export const verifyReadModels = async (options: VerifyOptions): Promise<readonly ReadModelVerdict[]> => {
  const verdicts: ReadModelVerdict[] = [];
  for (const readModel of options.readModels) verdicts.push(await verifyOne(options, readModel));
  return verdicts;
};

const verifyOne = async (options: VerifyOptions, readModel: ReadModel): Promise<ReadModelVerdict> => {
  const { name, version } = readModel.projection;
  const { position, intervals: stored } = await readStored(options.pool, options.schema, readModel);
  const expected = await foldLog(options, readModel, position);
  const difference = firstDifference(expected, stored);
  return {
    name,
    version,
    position,
    expected: { rows: expected.length, sha256: digestOf(expected) },
    stored: { rows: stored.length, sha256: digestOf(stored) },
    equal: difference === undefined,
    ...(difference && { firstDifference: difference }),
  };
};

const foldLog = async (
  { pool, upcasters, onProgress }: VerifyOptions,
  { projection }: ReadModel,
  upTo: Position,
): Promise<readonly Interval[]> => {
  const open = new Map<string, OpenRow>();
  const intervals: Interval[] = [];
  const keep = (row: OpenRow, validTo: Position) =>
    intervals.push({
      key: row.key,
      validFrom: row.validFrom,
      validTo,
      content: contentOf(row.workspace, row.body, true),
    });
  for await (const event of readAll(pool, BEGINNING, { upTo }, upcasters)) {
    if (handles(projection, event)) foldEvent(projection, event, open, (row: PastRow) => keep(row, row.validTo));
    if (event.position % PROGRESS_EVENTS === 0n || event.position === upTo) {
      onProgress?.({ name: projection.name, position: event.position, upTo });
    }
  }
  for (const row of open.values()) keep(row, OPEN_END);
  return intervals.sort(compareIntervals);
};

/** The stored rows and the position that they stand at, from one snapshot. */
const readStored = async (
  pool: pg.Pool,
  schema: string,
  readModel: ReadModel,
): Promise<{ readonly position: Position; readonly intervals: readonly Interval[] }> => {
  const { name, version } = readModel.projection;
  const declared = columnsOf(readModel);
  const columnsAgree =
    declared.length === 0
      ? 'true'
      : `(${declared.map((column) => `v.${column} IS NOT DISTINCT FROM r.${column}`).join(' AND ')})`;
  return await inTransaction(
    pool,
    async (client) => {
      const [position = BEGINNING] = await readCheckpoints(client, schema, [{ name, version }]);
      const { open, past } = tablesOf(schema, readModel);
      // The tables of this version, not the view: the view may already show another version.
      const all = ['key', 'workspace', ...declared, 'body', 'valid_from', 'valid_to'].join(', ');
      await client.query(`
      DECLARE verified NO SCROLL CURSOR FOR
      SELECT v.key, v.workspace, v.body::text AS body, v.valid_from, v.valid_to, ${columnsAgree} AS columns_agree
      FROM (SELECT ${all} FROM ${open} UNION ALL SELECT ${all} FROM ${past}) v ${columnsFromBody(readModel, 'v')}`);
      const intervals: Interval[] = [];
      for (;;) {
        const { rows } = await client.query<{
          key: string;
          workspace: string;
          body: string;
          valid_from: string;
          valid_to: string;
          columns_agree: boolean;
        }>(`FETCH ${CURSOR_ROWS} FROM verified`);
        for (const row of rows) {
          intervals.push({
            key: row.key,
            validFrom: BigInt(row.valid_from),
            validTo: BigInt(row.valid_to),
            content: contentOf(row.workspace, row.body, row.columns_agree),
          });
        }
        if (rows.length < CURSOR_ROWS) break;
      }
      return { position, intervals: intervals.sort(compareIntervals) };
    },
    'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY',
  );
};

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const comparePositions = (a: Position, b: Position): number => (a < b ? -1 : a > b ? 1 : 0);
const compareIntervals = (a: Interval, b: Interval): number =>
  compareText(a.key, b.key) || comparePositions(a.validFrom, b.validFrom) || comparePositions(a.validTo, b.validTo);

const firstDifference = (
  expected: readonly Interval[],
  stored: readonly Interval[],
): ReadModelVerdict['firstDifference'] => {
  for (let index = 0; index < Math.max(expected.length, stored.length); index += 1) {
    const want = expected[index];
    const have = stored[index];
    const order = want === undefined ? 1 : have === undefined ? -1 : compareIntervals(want, have);
    if (order === 0 && want?.content === have?.content) continue;
    const at = order <= 0 ? want : have;
    if (at === undefined) continue;
    const { key, validFrom, validTo } = at;
    return { key, validFrom, validTo, problem: order === 0 ? 'different' : order < 0 ? 'missing' : 'unexpected' };
  }
  return undefined;
};

const digestOf = (intervals: readonly Interval[]): string => {
  const hash = createHash('sha256');
  for (const { key, validFrom, validTo, content } of intervals) {
    hash.update(`${JSON.stringify([key, validFrom.toString(), validTo.toString()])}${content}\n`);
  }
  return hash.digest('hex');
};

const contentOf = (workspace: string, body: string, columnsAgree: boolean): string =>
  `${JSON.stringify(workspace)}${columnsAgree ? '' : ' columns differ'} ${canonical(JSON.parse(body))}`;

/**
 * JSON with sorted member names, so that equal content has one text.
 *
 * @source RFC 8785, section 3.2.
 */
const canonical = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => compareText(a, b));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(',')}}`;
};
