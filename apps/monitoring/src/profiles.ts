import { createHash } from 'node:crypto';
import type { FeatureBins, WindowProfile } from '@kontor/domain/monitoring';
import { allBins, binFinder, type Bins, cellOf, type FeatureValue, ordinaryBins } from '@kontor/statistics';

/** Counts of one feature on the bins of its reference. Merging is addition, so the order of batches does not matter. */
export interface FeatureProfile {
  readonly counts: readonly number[];
  readonly outOfRange: number;
  readonly cells: WindowProfile['cells'];
}

/** One window of one revision. Complete: it saw every row. */
export interface Profile {
  readonly binsHash: string;
  readonly rows: number;
  /** Rows whose columns are known: not those of records that lost them on their way. */
  readonly described: number;
  readonly features: Readonly<Record<string, FeatureProfile>>;
  /** Rows of each column that the reference does not have; at most {@link MAX_UNKNOWN_COLUMNS}. */
  readonly unknownColumns: Readonly<Record<string, number>>;
}

/** Rows in columns: one value per row, in the same order in every column. */
export type Columns = Readonly<Record<string, readonly FeatureValue[]>>;

/** The reference bins of all features (the score among them) with the hash that profiles carry. */
export interface Reference {
  readonly binsHash: string;
  readonly features: readonly FeatureBins[];
}

/** A sender that invents column names must not grow a profile without end. */
const MAX_UNKNOWN_COLUMNS = 20;

/** A member that a record has of its own: a column may be called `constructor`. */
export const ownMember = <T>(record: Readonly<Record<string, T>>, name: string): T | undefined =>
  Object.hasOwn(record, name) ? record[name] : undefined;

/** The name under which the model's score is watched beside the features. */
export const SCORE = 'score';

/** Bins as the lookup wants them. */
export const toBins = ({ kind, edges, categories, counts }: FeatureBins): Bins => ({
  kind,
  edges,
  categories,
  hasOther: kind === 'categorical' && (counts.at(-2) ?? 0) > 0,
});

/** SHA-256 over the bins alone: the same bins merge, whatever they counted. */
export const binsHashOf = (features: readonly FeatureBins[]): string => {
  const bins = features.map(({ feature, kind, edges, categories }) => ({ feature, kind, edges, categories }));
  return `sha256:${createHash('sha256').update(JSON.stringify(bins)).digest('hex')}`;
};

const profileColumn = (bins: FeatureBins, values: readonly FeatureValue[]): FeatureProfile => {
  const shape = toBins(bins);
  const find = binFinder(shape);
  const counts = new Array<number>(allBins(shape)).fill(0);
  const cells = new Map<number, [number, number, number]>();
  let outOfRange = 0;
  for (const value of values) {
    const bin = find(value);
    counts[bin] = (counts[bin] ?? 0) + 1;
    if (bins.kind !== 'numeric' || bin >= ordinaryBins(shape)) continue;
    const number = Number(value);
    if ((bins.min !== null && number < bins.min) || (bins.max !== null && number > bins.max)) outOfRange += 1;
    const key = cellOf(number);
    const cell = cells.get(key);
    if (cell) {
      cell[0] += 1;
      cell[1] += number;
      cell[2] += number * number;
    } else cells.set(key, [1, number, number * number]);
  }
  const sorted = [...cells].sort(([a], [b]) => a - b);
  return { counts, outOfRange, cells: sorted.map(([key, sums]) => [key, ...sums] as const) };
};

/** The profile of some rows. @param rows how many there are; `described` how many of them have columns. */
export const profileOf = (
  { binsHash, features }: Reference,
  columns: Columns,
  rows: number,
  described = rows,
): Profile => {
  const known = new Set(features.map(({ feature }) => feature));
  const unknown = Object.keys(columns).filter((name) => !known.has(name));
  return {
    binsHash,
    rows,
    described,
    features: Object.fromEntries(
      features.flatMap((bins) => {
        const values = ownMember(columns, bins.feature);
        return values ? [[bins.feature, profileColumn(bins, values)]] : [];
      }),
    ),
    unknownColumns: Object.fromEntries(
      unknown.slice(0, MAX_UNKNOWN_COLUMNS).map((name) => [name, columns[name]?.length ?? 0]),
    ),
  };
};

const mergeFeatures = (a: FeatureProfile | undefined, b: FeatureProfile | undefined): FeatureProfile => {
  if (!a || !b) return a ?? b ?? { counts: [], outOfRange: 0, cells: [] };
  const cells = new Map(a.cells.map(([key, ...sums]) => [key, sums]));
  for (const [key, count, sum, squares] of b.cells) {
    const [countBefore, sumBefore, squaresBefore] = cells.get(key) ?? [0, 0, 0];
    cells.set(key, [countBefore + count, sumBefore + sum, squaresBefore + squares]);
  }
  return {
    counts: a.counts.map((count, i) => count + (b.counts[i] ?? 0)),
    outOfRange: a.outOfRange + b.outOfRange,
    cells: [...cells].sort(([x], [y]) => x - y).map(([key, sums]) => [key, ...sums] as const),
  };
};

/**
 * Both windows as one; commutative and associative, with counts exact.
 *
 * @throws Error if the bins differ: counts of other bins cannot be added.
 */
export const mergeProfiles = (a: Profile, b: Profile): Profile => {
  if (a.binsHash !== b.binsHash) throw new Error(`profiles of bins ${a.binsHash} and ${b.binsHash} cannot be merged`);
  const names = [...new Set([...Object.keys(a.features), ...Object.keys(b.features)])].sort();
  const unknown = [...new Set([...Object.keys(a.unknownColumns), ...Object.keys(b.unknownColumns)])].sort();
  return {
    binsHash: a.binsHash,
    rows: a.rows + b.rows,
    described: a.described + b.described,
    features: Object.fromEntries(
      names.map((name) => [name, mergeFeatures(ownMember(a.features, name), ownMember(b.features, name))]),
    ),
    unknownColumns: Object.fromEntries(
      unknown
        .slice(0, MAX_UNKNOWN_COLUMNS)
        .map((name) => [name, (ownMember(a.unknownColumns, name) ?? 0) + (ownMember(b.unknownColumns, name) ?? 0)]),
    ),
  };
};

/** What the change detector wants to know of one feature. @param expected rows that should have it. */
export const windowProfileOf = (
  bins: FeatureBins,
  { counts, outOfRange, cells }: FeatureProfile,
  expected: number,
): WindowProfile => {
  const specials = ordinaryBins(toBins(bins));
  const [missing = 0, nonFinite = 0, typeError = 0, , unseen = 0] = counts.slice(specials);
  const rows = counts.reduce((sum, count) => sum + count, 0);
  return { rows, expected, missing, nonFinite, typeError, unseen, outOfRange, cells };
};
