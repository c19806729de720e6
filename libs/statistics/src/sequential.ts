/**
 * The constant C_B(K, 0.05) for K = 1 to 10 looks, two-sided 5 %, so one-sided 2.5 %.
 *
 * @source C. Jennison, B. W. Turnbull, "Group Sequential Methods", 2000, table 2.3.
 */
const CONSTANTS = [1.96, 1.977, 2.004, 2.024, 2.04, 2.053, 2.063, 2.072, 2.08, 2.087];

/**
 * The z value that a difference must reach at look k of K to be significant: C · √(K / k).
 *
 * @param look from 1 to `looks`; `looks` from 1 to 10.
 * @source P. O'Brien, T. Fleming, Biometrics 35, 1979.
 */
export const obrienFlemingBoundary = (look: number, looks: number): number => {
  const constant = CONSTANTS[looks - 1];
  if (constant === undefined || look < 1 || look > looks) throw new Error(`no look ${look} of ${looks}`);
  return constant * Math.sqrt(looks / look);
};
