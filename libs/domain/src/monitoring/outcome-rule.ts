import { benjaminiHochberg, normalQuantile, normalSurvival, oddsDifferences, twoProportionZ } from '@kontor/statistics';
import type { MeasuredOutcomes } from './commands.js';
import { MAX_ADJUSTED_P } from './drift-rule.js';
import type { Outcome } from './events.js';

/** Two percentage points: three times the chance error of a window of 3,000 labels at an accuracy of 0.83. */
export const ACCURACY_THRESHOLD = 0.02;

/** Ten percentage points between two groups' error rates: this project's own choice. */
export const ODDS_THRESHOLD = 0.1;

/** An outcome this many times worse than its threshold is critical, as PSI is from 0.25 at a threshold of 0.1. */
export const CRITICAL_FACTOR = 2.5;

type Proportion = MeasuredOutcomes['accuracy'];
type Measured = Omit<Outcome, 'pAdjusted' | 'verdict' | 'sentence'> & {
  /** What was seen, in words. */
  readonly seen: string;
  /** Why the labels are too few to say anything, or null. */
  readonly tooFew: string | null;
};

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/**
 * The fewest labels at which a drop of the threshold would be evident.
 *
 * @source one-sided two-proportion z test at {@link MAX_ADJUSTED_P}, with the variance of the reference.
 */
const minimalLabels = ({ hits, n }: Proportion): number => {
  const share = hits / n;
  const variance = share * (1 - share);
  if (variance === 0) return 1;
  const room = (ACCURACY_THRESHOLD / normalQuantile(1 - MAX_ADJUSTED_P)) ** 2 / variance - 1 / n;
  return room <= 0 ? Infinity : Math.ceil(1 / room);
};

const accuracyOf = ({ accuracy, reference }: MeasuredOutcomes): Measured[] => {
  if (reference === null || reference.n === 0 || accuracy.n === 0) return [];
  const [value, expected] = [accuracy.hits / accuracy.n, reference.hits / reference.n];
  const needed = minimalLabels(reference);
  const least = needed === Infinity ? 'a larger labelled baseline is' : `at least ${needed} are`;
  return [
    {
      metric: 'accuracy',
      attribute: null,
      value,
      reference: expected,
      effect: expected - value,
      p: normalSurvival(twoProportionZ(reference, accuracy)),
      threshold: ACCURACY_THRESHOLD,
      n: accuracy.n,
      seen: `Accuracy is ${percent(value)} of ${accuracy.n} labelled rows instead of ${percent(expected)} in the baseline`,
      tooFew: accuracy.n < needed ? `Accuracy: ${accuracy.n} labelled rows; ${least} needed.` : null,
    },
  ];
};

const oddsOf = ({ attribute, groups }: MeasuredOutcomes['attributes'][number]): Measured => {
  const pairs = oddsDifferences(new Map(groups.map(({ group, ...counts }) => [group, counts])));
  // The greatest difference may be one between two small groups, and chance; a smaller one that is evident goes first.
  const counting = pairs.filter(({ difference }) => difference >= ODDS_THRESHOLD).sort((a, b) => a.p - b.p);
  const [pair] = counting.length > 0 ? counting : pairs;
  const n = groups.reduce(
    (sum, { truePositives, falsePositives, trueNegatives, falseNegatives }) =>
      sum + truePositives + falsePositives + trueNegatives + falseNegatives,
    0,
  );
  const shared = {
    metric: 'equalizedOddsDifference' as const,
    attribute,
    reference: null,
    threshold: ODDS_THRESHOLD,
    n,
  };
  if (!pair) {
    const tooFew = `${attribute}: fewer than two groups have labels enough to be compared.`;
    return { ...shared, value: null, effect: null, p: null, seen: '', tooFew };
  }
  const { rate, higher, lower, difference, p } = pair;
  const points = (100 * difference).toFixed(1);
  const seen = `The ${rate} of ${attribute} ${higher} is ${points} points above that of ${attribute} ${lower} in ${n} labelled rows`;
  return { ...shared, value: difference, effect: difference, p, seen, tooFew: null };
};

/**
 * The outcomes of one window judged together: effect at or above the threshold, and evidence after Benjamini-Hochberg,
 * and labels enough. An effect that chance could have made is "insufficient", neither "none" nor "degraded".
 *
 * @returns nothing about accuracy if the baseline has no labels.
 */
export const judgeOutcomes = (measured: MeasuredOutcomes): Outcome[] => {
  const all = [...accuracyOf(measured), ...measured.attributes.map(oddsOf)];
  const tested = all.filter(({ p }) => p !== null);
  const adjusted = benjaminiHochberg(tested.map(({ p }) => p ?? 1));
  return all.map((one): Outcome => {
    const { seen, tooFew, ...outcome } = one;
    const pAdjusted = adjusted[tested.indexOf(one)] ?? null;
    const { effect, threshold } = outcome;
    if (tooFew !== null || effect === null || pAdjusted === null) {
      return { ...outcome, pAdjusted, verdict: 'insufficient', sentence: tooFew ?? '' };
    }
    const sentence = `${seen} (threshold ${percent(threshold)}, adjusted p ${pAdjusted.toPrecision(3)}).`;
    if (effect < threshold) return { ...outcome, pAdjusted, verdict: 'none', sentence };
    return { ...outcome, pAdjusted, verdict: pAdjusted < MAX_ADJUSTED_P ? 'degraded' : 'insufficient', sentence };
  });
};
