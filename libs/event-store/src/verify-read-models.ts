import { BEGINNING, type Position, type Upcasters } from '@kontor/event-sourcing';
import type pg from 'pg';
import { readCheckpoints } from './checkpoints.js';
import { foldEvent, type OpenRow, type PastRow } from './fold-rows.js';
import { copyEvents } from './read-copy.js';
import { OPEN_END, type ReadModel, tablesOf } from './read-model.js';
import {
  compareText,
  contentOf,
  type RowDifference,
  type RowsDigest,
  RowsHash,
  type RowVersion,
  rowVersionsSql,
} from './row-versions.js';
import { inTransaction } from './transaction.js';

export interface ReadModelVerdict {
  readonly name: string;
  readonly version: number;
  /** Both sides are compared at the position that the read model had reached. */
  readonly position: Position;
  readonly expected: RowsDigest;
  readonly stored: RowsDigest;
  readonly equal: boolean;
  readonly firstDifference?: RowDifference;
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
    expected: digestOf(expected),
    stored: digestOf(stored),
    equal: difference === undefined,
    ...(difference && { firstDifference: difference }),
  };
};

const foldLog = async (
  { pool, upcasters, onProgress }: VerifyOptions,
  { projection }: ReadModel,
  upTo: Position,
): Promise<readonly RowVersion[]> => {
  const open = new Map<string, OpenRow>();
  const intervals: RowVersion[] = [];
  const keep = (row: OpenRow, validTo: Position) =>
    intervals.push({
      key: row.key,
      validFrom: row.validFrom,
      validTo,
      content: contentOf(row.workspace, row.body, true),
    });
  const range = { after: BEGINNING, upTo, types: projection.canHandle };
  for await (const batch of copyEvents(pool, range, upcasters)) {
    for (const event of batch) foldEvent(projection, event, open, (row: PastRow) => keep(row, row.validTo));
    onProgress?.({ name: projection.name, position: batch.at(-1)?.position ?? upTo, upTo });
  }
  for (const row of open.values()) keep(row, OPEN_END);
  return intervals.sort(compareIntervals);
};

/** The stored rows and the position that they stand at, from one snapshot. */
const readStored = async (
  pool: pg.Pool,
  schema: string,
  readModel: ReadModel,
): Promise<{ readonly position: Position; readonly intervals: readonly RowVersion[] }> => {
  const { name, version } = readModel.projection;
  return await inTransaction(
    pool,
    async (client) => {
      const [position = BEGINNING] = await readCheckpoints(client, schema, [{ name, version }]);
      // The tables of this version, not the view: the view may already show another version.
      const versions = rowVersionsSql(readModel, tablesOf(schema, readModel.projection), position);
      await client.query(`DECLARE verified NO SCROLL CURSOR FOR ${versions}`);
      const intervals: RowVersion[] = [];
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

const comparePositions = (a: Position, b: Position): number => (a < b ? -1 : a > b ? 1 : 0);
const compareIntervals = (a: RowVersion, b: RowVersion): number =>
  compareText(a.key, b.key) || comparePositions(a.validFrom, b.validFrom) || comparePositions(a.validTo, b.validTo);

const firstDifference = (
  expected: readonly RowVersion[],
  stored: readonly RowVersion[],
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

const digestOf = (versions: readonly RowVersion[]): RowsDigest => {
  const hash = new RowsHash();
  for (const version of versions) hash.add(version);
  return hash.digest();
};
