import { normalQuantile } from './special-functions.js';
import type { Proportion } from './tests.js';

export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** z of a two-sided 95 % interval. */
const Z_95 = normalQuantile(0.975);

/**
 * Wilson interval of a proportion; within [0, 1] and sensible at 0 and n hits.
 *
 * @param n at least 1.
 * @source E. B. Wilson, JASA 22, 1927.
 */
export const wilsonInterval = ({ hits, n }: Proportion, z = Z_95): Interval => {
  const share = hits / n;
  const denominator = 1 + (z * z) / n;
  const centre = (share + (z * z) / (2 * n)) / denominator;
  const half = (z * Math.sqrt((share * (1 - share)) / n + (z * z) / (4 * n * n))) / denominator;
  return { low: hits === 0 ? 0 : centre - half, high: hits === n ? 1 : centre + half };
};

/**
 * Newcombe's interval of the difference first - second, from two Wilson intervals.
 *
 * @source R. G. Newcombe, Statistics in Medicine 17, 1998, method 10.
 */
export const newcombeInterval = (first: Proportion, second: Proportion, z = Z_95): Interval => {
  const [p, q] = [first.hits / first.n, second.hits / second.n];
  const [a, b] = [wilsonInterval(first, z), wilsonInterval(second, z)];
  return {
    low: p - q - Math.hypot(p - a.low, b.high - q),
    high: p - q + Math.hypot(a.high - p, q - b.low),
  };
};

/**
 * Hanley-McNeil interval of an area under the ROC curve, cut to [0, 1].
 *
 * @source J. Hanley, B. McNeil, Radiology 143, 1982.
 */
export const hanleyMcNeilInterval = (auc: number, positives: number, negatives: number, z = Z_95): Interval => {
  const q1 = auc / (2 - auc);
  const q2 = (2 * auc * auc) / (1 + auc);
  const squared = auc * (1 - auc) + (positives - 1) * (q1 - auc * auc) + (negatives - 1) * (q2 - auc * auc);
  const half = z * Math.sqrt(Math.max(0, squared) / (positives * negatives));
  return { low: Math.max(0, auc - half), high: Math.min(1, auc + half) };
};

/** Normal interval of a mean from sums. @source central limit theorem; variance with n - 1, so n is at least 2. */
export const meanInterval = (n: number, sum: number, sumOfSquares: number, z = Z_95): Interval => {
  const mean = sum / n;
  const half = z * Math.sqrt(Math.max(0, sumOfSquares - n * mean * mean) / (n - 1) / n);
  return { low: mean - half, high: mean + half };
};
