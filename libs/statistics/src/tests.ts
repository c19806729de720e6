import { chiSquareSurvival, normalSurvival } from './special-functions.js';

export interface Proportion {
  readonly hits: number;
  readonly n: number;
}

/**
 * Two-proportion z statistic with pooled variance; positive where the first proportion is larger.
 *
 * @returns 0 where both proportions are 0 or both are 1: there is no difference and no variance.
 * @source NIST/SEMATECH e-Handbook of Statistical Methods, 7.3.3.
 */
export const twoProportionZ = (first: Proportion, second: Proportion): number => {
  const pooled = (first.hits + second.hits) / (first.n + second.n);
  const variance = pooled * (1 - pooled) * (1 / first.n + 1 / second.n);
  return variance === 0 ? 0 : (first.hits / first.n - second.hits / second.n) / Math.sqrt(variance);
};

/** Two-sided p of a standard normal statistic. @source 2·P(Z > |z|). */
export const twoSidedP = (z: number): number => 2 * normalSurvival(Math.abs(z));

/**
 * χ² test of homogeneity of two rows of counts, without Yates. Cells with an expected count below 5 are merged.
 *
 * @returns null where fewer than two cells are left: nothing can be compared.
 * @source K. Pearson, 1900; W. Cochran, 1954 for the expected count of 5.
 */
export const chiSquareHomogeneity = (
  reference: ArrayLike<number>,
  current: ArrayLike<number>,
): { readonly statistic: number; readonly degreesOfFreedom: number; readonly p: number } | null => {
  const cells = Array.from(reference, (r, i) => [r, current[i] ?? 0] as const);
  const sums = cells.reduce(([m, n], [r, c]) => [m + r, n + c] as const, [0, 0] as const);
  const all = sums[0] + sums[1];
  const sparse = ([r, c]: readonly [number, number]) => (Math.min(...sums) * (r + c)) / all < 5;
  const other = cells.filter(sparse).reduce(([m, n], [r, c]) => [m + r, n + c] as const, [0, 0] as const);
  const merged = [...cells.filter((cell) => !sparse(cell)), ...(other[0] + other[1] > 0 ? [other] : [])];
  if (merged.length < 2 || Math.min(...sums) === 0) return null;
  let statistic = 0;
  for (const cell of merged) {
    for (const [row, sum] of sums.entries()) {
      const expected = (sum * (cell[0] + cell[1])) / all;
      statistic += ((cell[row] ?? 0) - expected) ** 2 / expected;
    }
  }
  const degreesOfFreedom = merged.length - 1;
  return { statistic, degreesOfFreedom, p: chiSquareSurvival(statistic, degreesOfFreedom) };
};

/**
 * p-values adjusted for the false discovery rate, in the order given.
 *
 * @source Y. Benjamini, Y. Hochberg, J. R. Statist. Soc. B 57, 1995.
 */
export const benjaminiHochberg = (p: readonly number[]): number[] => {
  const order = p.map((value, index) => ({ value, index })).sort((a, b) => b.value - a.value);
  const adjusted = new Array<number>(p.length).fill(1);
  let least = 1;
  for (const [i, { value, index }] of order.entries()) {
    least = Math.min(least, (value * p.length) / (p.length - i));
    adjusted[index] = least;
  }
  return adjusted;
};
