import { DECISION_THRESHOLD } from '@kontor/statistics';
import { z } from 'zod';

// What the deployment service counts of the traffic of one revision during a step. Fixed bins, so that counts add up
// over processes and restarts, and so that canary and stable are compared on the same ones.

/** Ratio of neighbouring bin edges: a quantile is wrong by at most 2 %, far below the 25 % that the guard allows. */
const LATENCY_BIN_RATIO = 1.04;

/** Lower end of the first latency bin; everything below counts as this. */
const LATENCY_FIRST_EDGE_MS = 0.01;

/** 400 bins of 4 % reach 65 s, above any deadline of a request. */
const LATENCY_BINS = 400;

/** 5-point bins of a probability. Finer ones would need more rows than a 1 % step sees. */
const SCORE_BINS = 20;

const count = z.int().min(0);

/** The traffic of one revision since the step began. */
export const revisionMeasurement = z
  .strictObject({
    requests: count,
    rows: count,
    /** Requests that were answered with an error status. */
    errors: count,
    nonFiniteOutputs: count,
    /** Successful requests per {@link latencyBin}. */
    latencyCounts: z.array(count).length(LATENCY_BINS),
    /** Rows per {@link scoreBin}. */
    scoreCounts: z.array(count).length(SCORE_BINS),
    /** Rows whose label became known within the step, and how many of them the score had right: {@link agrees}. */
    labels: count,
    correct: count,
  })
  .refine(({ errors, requests }) => errors <= requests, { path: ['errors'], error: 'must not exceed requests' })
  .refine(({ correct, labels }) => correct <= labels, { path: ['correct'], error: 'must not exceed labels' });
export type RevisionMeasurement = z.output<typeof revisionMeasurement>;

/** A measurement of nothing, to be added to. The arrays are the caller's own. */
export const emptyMeasurement = (): RevisionMeasurement => ({
  requests: 0,
  rows: 0,
  errors: 0,
  nonFiniteOutputs: 0,
  latencyCounts: new Array<number>(LATENCY_BINS).fill(0),
  scoreCounts: new Array<number>(SCORE_BINS).fill(0),
  labels: 0,
  correct: 0,
});

/** The latency bin of a duration in milliseconds, from 0 to 399. Logarithmic; both ends are open. */
export const latencyBin = (latencyMs: number): number =>
  clampBin(Math.floor(Math.log(latencyMs / LATENCY_FIRST_EDGE_MS) / Math.log(LATENCY_BIN_RATIO)), LATENCY_BINS);

/** The score bin of a probability in [0, 1], from 0 to 19; 1 falls into the last. */
export const scoreBin = (score: number): number => clampBin(Math.floor(score * SCORE_BINS), SCORE_BINS);

/** Whether a score decides as the label says, both at the threshold that the monitors use. */
export const agrees = (score: number, label: number): boolean =>
  score >= DECISION_THRESHOLD === label >= DECISION_THRESHOLD;

/**
 * The q-quantile of a latency histogram in milliseconds: the geometric middle of the bin that holds it.
 *
 * @param q in (0, 1].
 * @returns null if nothing was counted.
 */
export const latencyQuantileMs = (latencyCounts: readonly number[], q: number): number | null => {
  const total = latencyCounts.reduce((sum, n) => sum + n, 0);
  if (total === 0) return null;
  const rank = Math.max(1, Math.ceil(q * total));
  let seen = 0;
  for (const [bin, n] of latencyCounts.entries()) {
    seen += n;
    if (seen >= rank) return LATENCY_FIRST_EDGE_MS * LATENCY_BIN_RATIO ** (bin + 0.5);
  }
  return null;
};

// A duration of 0 gives minus infinity and a NaN compares false with everything: both land in the first bin.
const clampBin = (bin: number, bins: number): number => (bin >= bins ? bins - 1 : bin > 0 ? bin : 0);
