/**
 * Largest relative difference at which an output counts as the golden one. Outputs in other arithmetic (a vendor's
 * kernel, another library version) differ by less; a wrong model differs by more.
 */
export const GOLDEN_TOLERANCE = 1e-5;

/**
 * How far an output is from its golden value: `|actual - expected| / max(1, |expected|)`. Relative, since the spacing
 * of 32-bit floats near 1000 is 6e-5; absolute below 1, so that an output near 0 may differ in its last bits.
 *
 * This is the number that `goldenMaxDifference` and `golden.maxDifference` hold the largest of. NaN for NaN.
 */
export const goldenDifference = (expected: number, actual: number): number =>
  Math.abs(actual - expected) / Math.max(1, Math.abs(expected));
