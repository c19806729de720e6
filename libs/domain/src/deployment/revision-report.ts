import { GOLDEN_TOLERANCE } from '../golden.js';
import type { Servable } from '../values.js';

/** Why a revision that was reported as loaded is not the version that was registered; undefined if it is. */
export const loadFailure = (
  { digest, goldenDigest }: Servable,
  report: { readonly digest: string; readonly goldenRows: number; readonly goldenMaxDifference: number | null },
): string | undefined => {
  if (report.digest !== digest) return `the digest of the loaded file is ${report.digest}, registered was ${digest}`;
  if (goldenDigest === null) return undefined;
  const { goldenRows, goldenMaxDifference } = report;
  if (goldenRows === 0 || goldenMaxDifference === null) return 'golden outputs exist and none was reproduced';
  return goldenMaxDifference > GOLDEN_TOLERANCE
    ? `golden outputs differ by ${goldenMaxDifference} in ${goldenRows} rows; at most ${GOLDEN_TOLERANCE} is allowed`
    : undefined;
};
