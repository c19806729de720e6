import { benjaminiHochberg, chiSquareQuantile } from '@kontor/statistics';
import type { MeasuredDrift } from './commands.js';
import type { FeatureDrift } from './events.js';

/** Evidence: the largest adjusted p that counts. Together with the effect it keeps harmless windows silent. */
export const MAX_ADJUSTED_P = 0.01;

/** PSI from which a drift is critical; the usual border between a moderate and a large shift. */
export const CRITICAL_PSI = 0.25;

/** An alert ends only clearly below the threshold, so that a value that wavers around it does not flap. */
export const HYSTERESIS = 0.8;

/**
 * The fewest rows at which the threshold means anything: below it, 5 % of windows without drift would exceed it.
 *
 * @param bins bins that are not empty on both sides; `referenceRows` rows of the reference.
 * @returns rows, or infinity if the reference itself is too small for the threshold.
 * @source B. Yurdakul, "Statistical Properties of Population Stability Index", 2018: under no drift PSI follows
 * χ²(k-1) · (1/n + 1/m).
 */
export const minimalRows = (bins: number, referenceRows: number, threshold: number): number => {
  if (bins < 2) return 1;
  if (referenceRows === 0) return Infinity;
  const room = threshold / chiSquareQuantile(0.95, bins - 1) - 1 / referenceRows;
  return room <= 0 ? Infinity : Math.floor(1 / room) + 1;
};

const number = (value: number): string => value.toPrecision(3);

/**
 * One window's features judged together: effect at or above the threshold, and evidence after Benjamini-Hochberg, and
 * enough rows. Too few rows are an answer of their own, never "no drift".
 */
export const judgeDrift = (features: readonly MeasuredDrift[], threshold: number): FeatureDrift[] => {
  const tested = features.filter(({ p }) => p !== null);
  const adjusted = benjaminiHochberg(tested.map(({ p }) => p ?? 1));
  const pAdjusted = new Map(tested.map(({ feature }, i) => [feature, adjusted[i] ?? 1]));
  return features.map(({ bins, referenceRows, ...measured }) => {
    const { feature, value, n } = measured;
    const p = pAdjusted.get(feature) ?? null;
    const shared = { ...measured, method: 'psi@1' as const, pAdjusted: p, threshold };
    const needed = minimalRows(bins, referenceRows, threshold);
    if (value === null || p === null || n < needed) {
      const least = needed === Infinity ? 'a larger reference' : `at least ${needed} rows`;
      return { ...shared, verdict: 'insufficient' as const, sentence: `${feature}: ${n} rows; ${least} needed.` };
    }
    const drifts = value >= threshold && p < MAX_ADJUSTED_P;
    const comparison = `PSI ${number(value)} (threshold ${number(threshold)}), adjusted p ${number(p)}, ${n} rows`;
    return {
      ...shared,
      verdict: drifts ? ('drift' as const) : ('none' as const),
      sentence: `${feature}: ${comparison}.`,
    };
  });
};
