/**
 * The condition of every read of temporal rows: those that were true at a position. Intervals are half open, so exactly
 * one row of a key is.
 *
 * @param position SQL that gives the position: a placeholder or a column.
 * @param alias of the view, where a statement reads more than one relation.
 */
export const asOf = (position: string, alias?: string): string => {
  const prefix = alias === undefined ? '' : `${alias}.`;
  return `${prefix}valid_from <= ${position} AND ${prefix}valid_to > ${position}`;
};
