import { cellQuantile, type Cells, RELATIVE_WIDTH } from '@kontor/statistics';
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
const REFUSED_SHARE = 0.2;

/** Fewer requests than this may be one caller who tries again and again. */
const REFUSED_MIN_REQUESTS = 20;

/** One feature of one window, on the bins of its reference. */
export interface WindowProfile {
  /** Rows that were sent with the feature, as a value or as a missing one. */
  readonly rows: number;
  /** Rows that should have had it: all of the revisions that take it. */
  readonly expected: number;
  readonly missing: number;
  readonly nonFinite: number;
  readonly typeError: number;
  readonly unseen: number;
  /** Finite values strictly outside the reference's least and greatest. */
  readonly outOfRange: number;
  /** Cells with the sum of squares behind the sum: it tells one repeated value from many near each other. */
  readonly cells: readonly (readonly [cell: number, count: number, sum: number, squares: number])[];
}

/** Requests of a window that were refused because of one input: a source that changes its schema fails at the door. */
export interface RefusedInput {
  readonly input: string;
  /** The door's machine code, such as MISSING_INPUT. */
  readonly code: string;
  readonly requests: number;
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

/** Whether a cell is one repeated value: values that fill it differ by far more. */
const isOneValue = ([, count, sum, squares]: WindowProfile['cells'][number]): boolean => {
  const mean = sum / count;
  const filled = (RELATIVE_WIDTH * mean) ** 2 / 12; // variance of a uniform distribution over the cell
  return squares / count - mean * mean <= filled / 10;
};

const floodOf = (
  reference: Cells,
  window: WindowProfile['cells'],
): { value: number; before: number; after: number } | null => {
  const total = (cells: Cells): number => cells.reduce((sum, [, count]) => sum + count, 0);
  const [all, referenceAll] = [total(window), total(reference)];
  const before = new Map(reference.map(([cell, count]) => [cell, count / referenceAll]));
  for (const one of window) {
    const [cell, count, sum] = one;
    const share = { before: before.get(cell) ?? 0, after: count / all };
    if (share.after - share.before >= FLOOD_SHARE && isOneValue(one)) return { value: sum / count, ...share };
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

/** How an input was wrong, in words. */
const REFUSALS: Readonly<Record<string, string>> = {
  MISSING_INPUT: 'is absent',
  UNKNOWN_INPUT: 'is an input that the model does not have',
  INVALID_TENSOR: 'has another datatype or shape than the model takes',
  INVALID_VALUE: 'has values that its datatype does not allow',
};

const refusedChanges = (refused: readonly RefusedInput[], requests: number): MeasuredChange[] =>
  refused
    .filter(({ requests: own }) => own >= REFUSED_MIN_REQUESTS && own / requests >= REFUSED_SHARE)
    .map(({ input, code, requests: own }) => ({
      feature: input,
      change: 'schema',
      sentence: `${input} ${REFUSALS[code] ?? `is wrong (${code})`} in ${own} of ${requests} requests, which were refused`,
      numbers: { requests: own, windowRequests: requests },
    }));

/** What a window has for {@link sourceChanges}. */
export interface SourceWindow {
  /** Rows whose columns are known. */
  readonly rows: number;
  /** Per feature of the baseline; one that is absent was never sent. */
  readonly profiles: ReadonlyMap<string, WindowProfile>;
  /** Rows of each column that the baseline does not have, of columns that every revision was sent. */
  readonly unknownColumns: ReadonlyMap<string, number>;
  /** All requests, the refused ones among them. */
  readonly requests: number;
  readonly refused: readonly RefusedInput[];
}

/**
 * Sudden changes upstream, feature by feature: unit, default value, type, column, missing, unseen, out of range.
 *
 * One window is enough, so each rule needs a share that no drift of the world reaches within a window. Of fewer than
 * {@link CHANGE_MIN_ROWS} rows nothing is said; of refused requests a few suffice, for they are no matter of chance.
 */
export const sourceChanges = (
  features: readonly FeatureBins[],
  { rows, profiles, unknownColumns, requests, refused }: SourceWindow,
): MeasuredChange[] => {
  const atTheDoor = refusedChanges(refused, requests);
  if (rows < CHANGE_MIN_ROWS) return atTheDoor;
  const schema = (feature: string, sentence: string, numbers: MeasuredChange['numbers']): MeasuredChange => ({
    feature,
    change: 'schema',
    sentence,
    numbers,
  });
  const known = features.flatMap((bins): MeasuredChange[] => {
    const { feature } = bins;
    const profile = profiles.get(feature);
    if (profile === undefined || profile.rows === 0) {
      return [schema(feature, `${feature} is absent from all ${rows} rows`, { rows: 0, windowRows: rows })];
    }
    const absent = profile.expected - profile.rows;
    if (profile.expected >= CHANGE_MIN_ROWS && absent / profile.expected >= MISSING_SHARE) {
      const sentence = `${feature} is absent from ${absent} of ${profile.expected} rows`;
      return [schema(feature, sentence, { rows: profile.rows, windowRows: profile.expected })];
    }
    const change = profile.rows < CHANGE_MIN_ROWS ? null : changeOf(bins, profile);
    return change === null ? [] : [change];
  });
  const unknown = [...unknownColumns]
    .filter(([, present]) => present / rows >= UNSEEN_SHARE)
    .map(([feature, present]) => {
      const sentence = `${feature} is a column that the reference does not have, in ${present} of ${rows} rows`;
      return schema(feature, sentence, { rows: present, windowRows: rows });
    });
  return [...known, ...unknown, ...atTheDoor];
};
