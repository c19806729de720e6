/** Counts of a binary classifier. */
export interface Confusion {
  readonly truePositives: number;
  readonly falsePositives: number;
  readonly trueNegatives: number;
  readonly falseNegatives: number;
}

/** A score at or above it is a positive prediction. */
export const DECISION_THRESHOLD = 0.5;

/**
 * Probabilities are kept this far from 0 and 1 before the logarithm, so that one certain error is not infinite.
 *
 * @source scikit-learn 1.2, `log_loss`: the default of `eps`.
 */
const LOG_LOSS_EPSILON = 1e-15;

/** Counts of scored rows. @param labels 0 or 1, one per score. @source definition. */
export const confusionOf = (labels: ArrayLike<number>, scores: ArrayLike<number>): Confusion => {
  const counts = [0, 0, 0, 0];
  for (let i = 0; i < labels.length; i += 1) {
    const cell = (labels[i] === 1 ? 2 : 0) + ((scores[i] ?? 0) >= DECISION_THRESHOLD ? 1 : 0);
    counts[cell] = (counts[cell] ?? 0) + 1;
  }
  const [trueNegatives = 0, falsePositives = 0, falseNegatives = 0, truePositives = 0] = counts;
  return { truePositives, falsePositives, trueNegatives, falseNegatives };
};

const ratio = (part: number, whole: number): number | null => (whole === 0 ? null : part / whole);

/** Share of right predictions; null for no rows. @source definition. */
export const accuracy = ({ truePositives, trueNegatives, falsePositives, falseNegatives }: Confusion): number | null =>
  ratio(truePositives + trueNegatives, truePositives + trueNegatives + falsePositives + falseNegatives);

/** Loss of one row, in nats. @source -ln of the probability of what happened, clipped by {@link LOG_LOSS_EPSILON}. */
export const logLossOf = (label: number, score: number): number => {
  const p = Math.min(1 - LOG_LOSS_EPSILON, Math.max(LOG_LOSS_EPSILON, score));
  return label === 1 ? -Math.log(p) : -Math.log(1 - p);
};

/**
 * Exact area under the ROC curve; ties count half.
 *
 * @returns null if a class is absent.
 * @source Mann and Whitney, 1947: U / (positives · negatives), by midranks.
 */
export const rocAuc = (labels: ArrayLike<number>, scores: ArrayLike<number>): number | null => {
  const order = Uint32Array.from({ length: labels.length }, (_, i) => i);
  order.sort((a, b) => (scores[a] ?? 0) - (scores[b] ?? 0));
  let [positives, ranks] = [0, 0];
  for (let start = 0, end = 0; start < order.length; start = end) {
    let tied = 0;
    while (end < order.length && scores[order[end] ?? 0] === scores[order[start] ?? 0]) {
      if (labels[order[end] ?? 0] === 1) tied += 1;
      end += 1;
    }
    positives += tied;
    ranks += (tied * (start + 1 + end)) / 2;
  }
  const negatives = order.length - positives;
  if (positives === 0 || negatives === 0) return null;
  return (ranks - (positives * (positives + 1)) / 2) / (positives * negatives);
};
