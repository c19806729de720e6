import type { Entity } from '../graphql/entity.js';
import type { RowQuery } from './row-query.js';

/** Rows are read in pieces of this size, so that one statement never holds all of a long history. */
const PIECE_ROWS = 5_000;

/** All rows with these values, in the order of a column, however many they are. */
export const rowsOf = async <Row extends object>(
  rows: RowQuery,
  entity: Entity<Row>,
  where: Readonly<Record<string, unknown>>,
  orderBy: string,
): Promise<readonly Row[]> => {
  const all: Row[] = [];
  for (;;) {
    const conditions = rows.conditions();
    for (const [name, value] of Object.entries(where)) conditions.add(`"${name}" = ${conditions.bind(value)}`);
    const piece = await rows.list(entity, conditions, {
      orderBy: `"${orderBy}", key`,
      limit: PIECE_ROWS,
      offset: all.length,
    });
    all.push(...piece);
    if (piece.length < PIECE_ROWS) return all;
  }
};
