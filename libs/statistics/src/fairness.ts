import { type Interval, newcombeInterval } from './intervals.js';
import { type Confusion } from './performance.js';
import type { Proportion } from './tests.js';

/** A group below either limit is "insufficient", never 0 or 1. @source monitoring reference, section 9. */
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

const spread = (rate: Rate, groups: readonly Confusion[]): { difference: number; interval: Interval } | null => {
  const rates = groups.map(rate);
  if (rates.some(({ n }) => n === 0)) return null;
  const sorted = [...rates].sort((a, b) => a.hits / a.n - b.hits / b.n);
  const [least, greatest] = [sorted[0], sorted.at(-1)];
  if (!least || !greatest) return null;
  const difference = greatest.hits / greatest.n - least.hits / least.n;
  return { difference, interval: newcombeInterval(greatest, least) };
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
  const enough = (counts: Confusion) => size(counts) >= MIN_GROUP_ROWS && positivesOf(counts) >= MIN_GROUP_POSITIVES;
  const values = [...groups].map(([group, counts]): GroupValue => {
    const [rate] = rates;
    const { hits, n } = rate ? rate(counts) : { hits: 0, n: 0 };
    const value = enough(counts) && n > 0 ? hits / n : null;
    return { group, n: size(counts), positives: positivesOf(counts), value };
  });
  const sufficient = [...groups.values()].filter(enough);
  const shared = { metric, groups: values };
  if (sufficient.length < 2) {
    const limits = `${MIN_GROUP_ROWS} rows and ${MIN_GROUP_POSITIVES} positives`;
    return { ...shared, difference: null, interval: null, reason: `fewer than two groups with at least ${limits}` };
  }
  const spreads = rates.map((rate) => spread(rate, sufficient)).filter((value) => value !== null);
  const worst = spreads.sort((a, b) => b.difference - a.difference)[0];
  if (!worst || spreads.length < rates.length) {
    return { ...shared, difference: null, interval: null, reason: 'a group has no row that the rate is over' };
  }
  return { ...shared, ...worst, reason: null };
};
