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
