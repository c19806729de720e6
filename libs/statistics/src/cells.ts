/**
 * A logarithmic histogram, `cells@1`: [cell, count, sum] by rising cell, and whatever else a caller sums up per cell.
 * Merging is addition, so it is exact.
 */
export type Cells = readonly (readonly [cell: number, count: number, sum: number, ...more: number[]])[];

/** Width of a cell, relative to its value. The quantiles below are within it. */
export const RELATIVE_WIDTH = 0.02;
const LOG_BASE = Math.log1p(RELATIVE_WIDTH);

/** Magnitudes outside are put into the outermost cells, which bounds a histogram to about 5,600 cells. */
const LEAST = 1e-9;
const GREATEST = 1e15;
const FIRST = Math.floor(Math.log(LEAST) / LOG_BASE);

/**
 * The cell of a finite value: 0 for zero (and what is nearer to it than 1e-9), positive above, negative below.
 *
 * @source C. Masson, J. Rim, H. Lee, "DDSketch", PVLDB 12, 2019: logarithmic buckets with exact merge.
 */
export const cellOf = (value: number): number => {
  const magnitude = Math.min(Math.abs(value), GREATEST);
  if (magnitude < LEAST) return 0;
  const cell = Math.floor(Math.log(magnitude) / LOG_BASE) - FIRST + 1;
  return value < 0 ? -cell : cell;
};

/**
 * The q-quantile: the mean of the cell that it falls into, so exact where a cell holds one value only.
 *
 * @returns null for no values.
 * @source as {@link cellOf}.
 */
export const cellQuantile = (cells: Cells, q: number): number | null => {
  const total = cells.reduce((sum, [, count]) => sum + count, 0);
  let seen = 0;
  for (const [, count, sum] of cells) {
    seen += count;
    if (count > 0 && seen >= q * total) return sum / count;
  }
  return null;
};
