import { chiSquareSurvival } from './special-functions.js';

type Counts = ArrayLike<number>;

const total = (counts: Counts): number => Array.from(counts).reduce((sum, count) => sum + count, 0);

const sameBins = (p: Counts, q: Counts): void => {
  if (p.length !== q.length) throw new Error(`${p.length} and ${q.length} bins cannot be compared`);
};

export interface Psi {
  readonly value: number;
  /** Bins that are not empty on both sides. */
  readonly bins: number;
  /** Under no drift PSI follows χ²(k-1)·(1/n + 1/m). */
  readonly p: number;
}

/**
 * Population stability index with Jeffreys smoothing, `psi@1`, and its calibrated p.
 *
 * @param reference counts per bin; `current` counts of the same bins.
 * @returns null if a side is empty.
 * @source index: N. Siddiqi, "Credit Risk Scorecards", 2006; law: B. Yurdakul, "Statistical Properties of Population
 * Stability Index", 2018. Half a count is added to each bin, as Jeffreys' prior does, so that an empty one has a logarithm.
 */
export const psi = (reference: Counts, current: Counts): Psi | null => {
  sameBins(reference, current);
  const [m, n] = [total(reference), total(current)];
  if (m === 0 || n === 0) return null;
  const filled = Array.from(reference, (r, i) => [r, current[i] ?? 0] as const).filter(([r, c]) => r > 0 || c > 0);
  const k = filled.length;
  let value = 0;
  for (const [r, c] of filled) {
    const p = (r + 0.5) / (m + 0.5 * k);
    const q = (c + 0.5) / (n + 0.5 * k);
    value += (p - q) * Math.log(p / q);
  }
  return { value, bins: k, p: k < 2 ? 1 : chiSquareSurvival(value / (1 / n + 1 / m), k - 1) };
};

/**
 * Largest difference of the two cumulative distributions on shared bins: a lower bound of the exact statistic.
 *
 * @returns null if a side is empty.
 * @source N. Smirnov, Annals of Mathematical Statistics 19, 1948.
 */
export const kolmogorovSmirnovBinned = (reference: Counts, current: Counts): number | null => {
  sameBins(reference, current);
  const [m, n] = [total(reference), total(current)];
  if (m === 0 || n === 0) return null;
  let [f, g, distance] = [0, 0, 0];
  for (let i = 0; i < reference.length; i += 1) {
    f += (reference[i] ?? 0) / m;
    g += (current[i] ?? 0) / n;
    distance = Math.max(distance, Math.abs(f - g));
  }
  return distance;
};

/**
 * Jensen-Shannon distance, base 2, in [0, 1].
 *
 * @returns null if a side is empty.
 * @source J. Lin, IEEE Transactions on Information Theory 37(1), 1991; the distance is the square root.
 */
export const jensenShannonDistance = (reference: Counts, current: Counts): number | null => {
  sameBins(reference, current);
  const [m, n] = [total(reference), total(current)];
  if (m === 0 || n === 0) return null;
  let divergence = 0;
  for (let i = 0; i < reference.length; i += 1) {
    const p = (reference[i] ?? 0) / m;
    const q = (current[i] ?? 0) / n;
    const middle = (p + q) / 2;
    if (p > 0) divergence += (p / 2) * Math.log2(p / middle);
    if (q > 0) divergence += (q / 2) * Math.log2(q / middle);
  }
  return Math.sqrt(Math.max(0, divergence));
};
