import { cellQuantile, type Cells } from '@kontor/statistics';
import type { MeasuredChange } from './commands.js';
import type { FeatureBins } from './events.js';

/** Fewer rows than this say nothing about a source: a share of 20 % is then uncertain by about 8 percentage points. */
export const CHANGE_MIN_ROWS = 100;

/** Factors between units that people mix up: months, days, hours, dozens, per cent, metric prefixes, imperial units. */
const UNIT_FACTORS = [7, 12, 24, 30.4375, 52, 60, 100, 365.25, 1000, 3600, 86_400, 1e6, 2.54, 0.3048, 0.0254];
const NATURAL_FACTORS = [1.609344, 2.2046226, 4.184, 28.349523, 0.45359237];

/** Quantiles of cells are within 2 %; a drift of the world moves a few per cent more. */
const FACTOR_TOLERANCE = 0.1;

/** Deciles without the outermost: a few wild values do not hide a changed unit. */
const DECILES = [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8];

/** Share of rows that must be affected before a source counts as changed, beyond what the reference had. */
const FLOOD_SHARE = 0.2;
const MISSING_SHARE = 0.2;
const UNSEEN_SHARE = 0.1;
const TYPE_ERROR_SHARE = 0.05;
const OUT_OF_RANGE_SHARE = 0.2;

/** One feature of one window, on the bins of its reference. */
export interface WindowProfile {
  readonly rows: number;
  readonly missing: number;
  readonly nonFinite: number;
  readonly typeError: number;
  readonly unseen: number;
  /** Finite values strictly outside the reference's least and greatest. */
  readonly outOfRange: number;
  readonly cells: Cells;
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const number = (value: number): string => String(Number(value.toPrecision(4)));

/** The counts behind the ordinary bins of a reference: missing, non-finite, type error (and unseen). */
const referenceShares = ({ kind, counts }: FeatureBins): { n: number; missing: number; typeError: number } => {
  const n = counts.reduce((sum, count) => sum + count, 0);
  const specials = counts.slice(kind === 'numeric' ? -3 : -5);
  const [missing = 0, , typeError = 0] = specials;
  return n === 0 ? { n, missing: 0, typeError: 0 } : { n, missing: missing / n, typeError: typeError / n };
};

/**
 * The factor between two distributions if they differ by a constant one, near a factor between units or (with the shape
 * preserved at every decile) any other of at least 2.
 */
const unitFactor = (reference: Cells, window: Cells): number | null => {
  const ratios: number[] = [];
  for (const q of DECILES) {
    const [before, after] = [cellQuantile(reference, q), cellQuantile(window, q)];
    if (before !== null && after !== null && before !== 0) ratios.push(after / before);
  }
  // Half of the values at zero leave too few deciles to recognise a shape.
  if (ratios.length < 4 || ratios.some((ratio) => ratio <= 0)) return null;
  const middle = [...ratios].sort((a, b) => a - b)[Math.floor(ratios.length / 2)] ?? 1;
  const constant = ratios.every((ratio) => Math.abs(ratio / middle - 1) <= 2 * FACTOR_TOLERANCE);
  if (!constant) return null;
  const factors = [...UNIT_FACTORS, ...NATURAL_FACTORS].flatMap((factor) => [factor, 1 / factor]);
  const near = factors
    .filter((factor) => Math.abs(middle / factor - 1) <= FACTOR_TOLERANCE)
    .sort((a, b) => Math.abs(middle / a - 1) - Math.abs(middle / b - 1))[0];
  if (near !== undefined && Math.abs(Math.log(middle)) > Math.log(1.5)) return near;
  return middle >= 2 || middle <= 0.5 ? middle : null;
};

const floodOf = (reference: Cells, window: Cells): { value: number; before: number; after: number } | null => {
  const total = (cells: Cells) => cells.reduce((sum, [, count]) => sum + count, 0);
  const [all, referenceAll] = [total(window), total(reference)];
  const before = new Map(reference.map(([cell, count]) => [cell, count / referenceAll]));
  for (const [cell, count, sum] of window) {
    const share = { before: before.get(cell) ?? 0, after: count / all };
    if (share.after - share.before >= FLOOD_SHARE) return { value: sum / count, ...share };
  }
  return null;
};

const numericChange = (bins: FeatureBins, profile: WindowProfile): MeasuredChange | null => {
  const { feature } = bins;
  const unit = unitFactor(bins.cells, profile.cells);
  if (unit !== null) {
    const [before, after] = [cellQuantile(bins.cells, 0.5) ?? 0, cellQuantile(profile.cells, 0.5) ?? 0];
    const times = `${feature} is ${unit.toFixed(unit < 1 ? 4 : 1)} times its reference`;
    return {
      feature,
      change: 'unit',
      sentence: `${times}: median ${number(after)} instead of ${number(before)} in ${profile.rows} rows`,
      numbers: { factor: unit, median: after, referenceMedian: before, rows: profile.rows },
    };
  }
  const flood = floodOf(bins.cells, profile.cells);
  if (flood !== null) {
    const { value, before, after } = flood;
    return {
      feature,
      change: 'defaultFlood',
      sentence: `${feature} is ${number(value)} in ${percent(after)} of ${profile.rows} rows instead of ${percent(before)}`,
      numbers: { value, share: after, referenceShare: before, rows: profile.rows },
    };
  }
  const outside = profile.outOfRange / profile.rows;
  if (outside < OUT_OF_RANGE_SHARE) return null;
  return {
    feature,
    change: 'outOfRange',
    sentence: `${feature} is outside its reference range ${bins.min} to ${bins.max} in ${percent(outside)} of ${profile.rows} rows`,
    numbers: { share: outside, rows: profile.rows },
  };
};

const changeOf = (bins: FeatureBins, profile: WindowProfile): MeasuredChange | null => {
  const { feature, kind } = bins;
  const { rows } = profile;
  const reference = referenceShares(bins);
  const share = { type: profile.typeError / rows, missing: profile.missing / rows, unseen: profile.unseen / rows };
  if (share.type - reference.typeError >= TYPE_ERROR_SHARE) {
    return {
      feature,
      change: 'schema',
      sentence: `${feature} has another type than in the reference in ${percent(share.type)} of ${rows} rows`,
      numbers: { share: share.type, referenceShare: reference.typeError, rows },
    };
  }
  if (share.missing - reference.missing >= MISSING_SHARE) {
    return {
      feature,
      change: 'missing',
      sentence: `${feature} is missing in ${percent(share.missing)} of ${rows} rows instead of ${percent(reference.missing)}`,
      numbers: { share: share.missing, referenceShare: reference.missing, rows },
    };
  }
  if (kind === 'numeric') return numericChange(bins, profile);
  if (share.unseen < UNSEEN_SHARE) return null;
  return {
    feature,
    change: 'unseen',
    sentence: `${feature} has values that the reference never had in ${percent(share.unseen)} of ${rows} rows`,
    numbers: { share: share.unseen, rows },
  };
};

/**
 * Sudden changes upstream, feature by feature: unit, default value, type, column, missing, unseen, out of range.
 *
 * One window is enough, so each rule needs a share that no drift of the world reaches within a window.
 *
 * @param profiles per feature of the baseline, of the rows that were sent; one that is absent was never sent.
 * @param unknownColumns rows of each column that the baseline does not have.
 * @param rows of the window; with fewer than {@link CHANGE_MIN_ROWS} nothing is said.
 */
export const sourceChanges = (
  features: readonly FeatureBins[],
  profiles: ReadonlyMap<string, WindowProfile>,
  unknownColumns: ReadonlyMap<string, number>,
  rows: number,
): MeasuredChange[] => {
  if (rows < CHANGE_MIN_ROWS) return [];
  const known = features.flatMap((bins): MeasuredChange[] => {
    const { feature } = bins;
    const profile = profiles.get(feature);
    if (profile === undefined || profile.rows === 0) {
      const sentence = `${feature} is absent from all ${rows} rows`;
      return [{ feature, change: 'schema', sentence, numbers: { rows: 0, windowRows: rows } }];
    }
    const change = profile.rows < CHANGE_MIN_ROWS ? null : changeOf(bins, profile);
    return change === null ? [] : [change];
  });
  const unknown = [...unknownColumns].map(([feature, present]): MeasuredChange => {
    const sentence = `${feature} is a column that the reference does not have, in ${present} of ${rows} rows`;
    return { feature, change: 'schema', sentence, numbers: { rows: present, windowRows: rows } };
  });
  return [...known, ...unknown];
};
