import { quantile } from './quantiles.js';

/** What one cell of a feature column may be. Null is a missing one. */
export type FeatureValue = number | string | boolean | null;

/** Fixed bins of one feature, `bins@1`. They come from the reference only. */
export interface Bins {
  readonly kind: 'numeric' | 'categorical';
  /** Inner cut points, ascending, right-closed; a point bin {v} stands as the pair v, v. */
  readonly edges: readonly number[];
  /** Names of the categories, most frequent first. */
  readonly categories: readonly string[];
  /** Whether the reference had categories beyond the cap, so that an unlisted one counts as other. */
  readonly hasOther: boolean;
}

/** Bins for PSI and for display: deciles of the reference. */
const BIN_COUNT = 10;

/** Up to this many distinct values are categories: quantiles of so few would mostly repeat. */
const MAX_DISTINCT_CATEGORICAL = 20;

/** Categories that get a bin of their own; the rest share `other`, which bounds the size of a profile. */
const MAX_CATEGORIES = 100;

/**
 * Cut points of a numeric reference: inner type-7 quantiles; a value that repeats among them or holds 1/B of the mass
 * becomes a point bin. Without point bins a constant reference has deciles that no change of its value crosses.
 *
 * @param values finite; may be empty (then there is one bin).
 * @source type-7 quantiles: R. Hyndman, Y. Fan, "Sample Quantiles in Statistical Packages", 1996. The point bins of
 * `bins@1` are this project's own.
 */
export const numericEdges = (values: ArrayLike<number>, binCount = BIN_COUNT): number[] => {
  const sorted = Float64Array.from(values).sort();
  if (sorted.length === 0) return [];
  const cuts = Array.from({ length: binCount - 1 }, (_, k) => quantile(sorted, (k + 1) / binCount));
  const points = new Set(cuts.filter((cut, i) => cuts.indexOf(cut) !== i));
  for (let start = 0, end = 0; start < sorted.length; start = end) {
    while (end < sorted.length && sorted[end] === sorted[start]) end += 1;
    if (end - start >= sorted.length / binCount) points.add(sorted[start] ?? 0);
  }
  const singles = cuts.filter((cut) => !points.has(cut));
  // -0 and 0 are one value; a Set already holds them as one, and the sum makes it positive.
  return [...singles, ...points, ...points].map((edge) => edge + 0).sort((a, b) => a - b);
};

/**
 * The bin of a finite number, from 0 to `edges.length`.
 *
 * @source binary search; right-closed bins (previous, edge], and the second of two equal edges closes the point bin.
 */
export const numericBin = (edges: readonly number[], value: number): number => {
  let low = 0;
  let high = edges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((edges[middle] ?? Infinity) < value) low = middle + 1;
    else high = middle;
  }
  return edges[low] === value && edges[low + 1] === value ? low + 1 : low;
};

/** The category that a value belongs to: 1, "1" and 1.0 are one; true and "true" are one. */
const categoryOf = (value: number | string | boolean): string => String(value);

/**
 * Bins of one reference column. Numeric if all values are numbers (or booleans) and more than 20 are distinct.
 *
 * @param categorical true for a column whose numbers are names.
 */
export const binsOf = (values: readonly FeatureValue[], categorical = false, binCount = BIN_COUNT): Bins => {
  const present = values.filter((value) => value !== null);
  const numbers = present.map((value) => (typeof value === 'boolean' ? Number(value) : value));
  const finite = numbers.filter((value) => typeof value === 'number' && Number.isFinite(value)) as number[];
  const onlyNumbers = numbers.every((value) => typeof value === 'number');
  const few = new Set(finite).size <= MAX_DISTINCT_CATEGORICAL;
  if (!categorical && onlyNumbers && !(few && finite.length > MAX_DISTINCT_CATEGORICAL)) {
    return { kind: 'numeric', edges: numericEdges(finite, binCount), categories: [], hasOther: false };
  }
  const counts = new Map<string, number>();
  for (const value of present) counts.set(categoryOf(value), (counts.get(categoryOf(value)) ?? 0) + 1);
  const names = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([name]) => name);
  const categories = names.slice(0, MAX_CATEGORIES);
  return { kind: 'categorical', edges: [], categories, hasOther: names.length > MAX_CATEGORIES };
};

/** Ordinary bins, before the special ones. */
export const ordinaryBins = ({ kind, edges, categories }: Bins): number =>
  kind === 'numeric' ? edges.length + 1 : categories.length;

/** All bins: the ordinary ones, then missing, non-finite, type error and, of categories, other and unseen. */
export const allBins = (bins: Bins): number => ordinaryBins(bins) + (bins.kind === 'numeric' ? 3 : 5);

/** Finds the bin of each value. The result is a function, so that the map of the categories is made once. */
export const binFinder = (bins: Bins): ((value: FeatureValue) => number) => {
  const specials = ordinaryBins(bins);
  const { edges } = bins;
  if (bins.kind === 'numeric') {
    return (value) => {
      if (value === null) return specials;
      const number = typeof value === 'boolean' ? Number(value) : value;
      if (typeof number === 'string') return specials + 2;
      return Number.isFinite(number) ? numericBin(edges, number) : specials + 1;
    };
  }
  const index = new Map(bins.categories.map((category, i) => [category, i]));
  const unlisted = bins.hasOther ? specials + 3 : specials + 4;
  return (value) => {
    if (value === null) return specials;
    if (typeof value === 'number' && !Number.isFinite(value)) return specials + 1;
    return index.get(categoryOf(value)) ?? unlisted;
  };
};
