/**
 * Quantile by linear interpolation between order statistics, type 7.
 *
 * @param sorted ascending, at least one finite value; `q` in [0, 1].
 * @source R. Hyndman, Y. Fan, "Sample Quantiles in Statistical Packages", 1996; NumPy's default.
 */
export const quantile = (sorted: ArrayLike<number>, q: number): number => {
  const at = q * (sorted.length - 1);
  const low = Math.floor(at);
  const [before, after] = [sorted[low], sorted[Math.min(low + 1, sorted.length - 1)]];
  if (before === undefined || after === undefined) throw new Error(`no quantile ${q} of ${sorted.length} values`);
  return before + (after - before) * (at - low);
};
