import { type Interval, newcombeInterval } from './intervals.js';
import { type Confusion } from './performance.js';
import { normalSurvival } from './special-functions.js';
import { type Proportion, twoProportionZ } from './tests.js';

/** A group below either limit is "insufficient", never 0 or 1: the rate of a few rows is chance. The limits are our own. */
const MIN_GROUP_ROWS = 30;
const MIN_GROUP_POSITIVES = 10;

export const fairnessMetrics = [
  'demographicParityDifference',
  'equalOpportunityDifference',
  'equalizedOddsDifference',
  'accuracyDifference',
] as const;
export type FairnessMetric = (typeof fairnessMetrics)[number];

export interface GroupValue {
  readonly group: string;
  readonly n: number;
  readonly positives: number;
  /** The group's rate; of the two rates of equalised odds, the one in which the groups differ more. */
  readonly value: number | null;
}

export interface FairnessResult {
  readonly metric: FairnessMetric;
  /** Greatest minus least over the sufficient groups; null with a reason if there are fewer than two. */
  readonly difference: number | null;
  readonly interval: Interval | null;
  readonly reason: string | null;
  readonly groups: readonly GroupValue[];
}

type Rate = (counts: Confusion) => Proportion;

const size = (counts: Confusion): number =>
  counts.truePositives + counts.falsePositives + counts.trueNegatives + counts.falseNegatives;
const positivesOf = (counts: Confusion): number => counts.truePositives + counts.falseNegatives;

const selection: Rate = (c) => ({ hits: c.truePositives + c.falsePositives, n: size(c) });
const truePositiveRate: Rate = (c) => ({ hits: c.truePositives, n: positivesOf(c) });
const falsePositiveRate: Rate = (c) => ({ hits: c.falsePositives, n: c.falsePositives + c.trueNegatives });
const correct: Rate = (c) => ({ hits: c.truePositives + c.trueNegatives, n: size(c) });

const RATES: Readonly<Record<FairnessMetric, readonly Rate[]>> = {
  demographicParityDifference: [selection],
  equalOpportunityDifference: [truePositiveRate],
  equalizedOddsDifference: [truePositiveRate, falsePositiveRate],
  accuracyDifference: [correct],
};

const enough = (counts: Confusion): boolean =>
  size(counts) >= MIN_GROUP_ROWS && positivesOf(counts) >= MIN_GROUP_POSITIVES;

interface Spread {
  readonly rate: Rate;
  readonly difference: number;
  readonly interval: Interval;
}

const spread = (rate: Rate, groups: readonly Confusion[]): Spread | null => {
  const rates = groups.map(rate);
  if (rates.some(({ n }) => n === 0)) return null;
  const sorted = [...rates].sort((a, b) => a.hits / a.n - b.hits / b.n);
  const [least, greatest] = [sorted[0], sorted.at(-1)];
  if (!least || !greatest) return null;
  const difference = greatest.hits / greatest.n - least.hits / least.n;
  return { rate, difference, interval: newcombeInterval(greatest, least) };
};

/**
 * One difference between groups: the greatest minus the least rate. Equalised odds takes the worse of its two rates.
 *
 * The interval is of the two extreme groups as if they had been named before; with many groups it is too narrow.
 *
 * @source definitions of fairlearn's between-group metrics; interval by Newcombe.
 */
export const groupDifference = (metric: FairnessMetric, groups: ReadonlyMap<string, Confusion>): FairnessResult => {
  const rates = RATES[metric];
  const valuesBy = (rate: Rate | undefined): GroupValue[] =>
    [...groups].map(([group, counts]) => {
      const { hits, n } = rate ? rate(counts) : { hits: 0, n: 0 };
      const value = enough(counts) && n > 0 ? hits / n : null;
      return { group, n: size(counts), positives: positivesOf(counts), value };
    });
  const unknown = (reason: string): FairnessResult => ({
    metric,
    difference: null,
    interval: null,
    reason,
    groups: valuesBy(rates[0]),
  });
  const sufficient = [...groups.values()].filter(enough);
  if (sufficient.length < 2) {
    return unknown(`fewer than two groups with at least ${MIN_GROUP_ROWS} rows and ${MIN_GROUP_POSITIVES} positives`);
  }
  const spreads = rates.map((rate) => spread(rate, sufficient)).filter((value) => value !== null);
  const worst = spreads.sort((a, b) => b.difference - a.difference)[0];
  if (!worst || spreads.length < rates.length) return unknown('a group has no row that the rate is over');
  const { rate, difference, interval } = worst;
  return { metric, difference, interval, reason: null, groups: valuesBy(rate) };
};

/** Two groups whose error rates are compared. */
export interface OddsDifference {
  readonly rate: 'true positive rate' | 'false positive rate';
  readonly higher: string;
  readonly lower: string;
  readonly difference: number;
  /** Two-sided, times the number of comparisons, at most 1. */
  readonly p: number;
}

/**
 * Both rates of equalised odds between every two sufficient groups, greatest difference first.
 *
 * With many groups the greatest difference is large by chance alone. So each comparison carries a p that is corrected
 * for all of them, and a difference counts only with its own p.
 *
 * @returns none for fewer than two groups with {@link MIN_GROUP_ROWS} rows and {@link MIN_GROUP_POSITIVES} positives.
 * @source two-proportion z test; C. E. Bonferroni, 1936, for the correction.
 */
export const oddsDifferences = (groups: ReadonlyMap<string, Confusion>): OddsDifference[] => {
  const sufficient = [...groups].filter(([, counts]) => enough(counts));
  const rates = [
    ['true positive rate', truePositiveRate],
    ['false positive rate', falsePositiveRate],
  ] as const;
  const comparisons = sufficient.length * (sufficient.length - 1); // pairs, times two rates
  return rates
    .flatMap(([name, rate]) =>
      sufficient.flatMap(([group, counts], i) =>
        sufficient.slice(i + 1).flatMap(([other, otherCounts]): OddsDifference[] => {
          const [a, b] = [rate(counts), rate(otherCounts)];
          if (a.n === 0 || b.n === 0) return [];
          const difference = a.hits / a.n - b.hits / b.n;
          const [higher, lower] = difference >= 0 ? [group, other] : [other, group];
          const p = Math.min(1, 2 * normalSurvival(Math.abs(twoProportionZ(a, b))) * comparisons);
          return [{ rate: name, higher, lower, difference: Math.abs(difference), p }];
        }),
      ),
    )
    .sort((a, b) => b.difference - a.difference);
};
