import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  cellOf,
  cellQuantile,
  chiSquareSurvival,
  hanleyMcNeilInterval,
  type Interval,
  kolmogorovSmirnovBinned,
  meanInterval,
  newcombeInterval,
  numericBin,
  numericEdges,
  RELATIVE_WIDTH,
} from './index.js';
import { nearlyNormal } from './nearly-normal.fixture.js';
import type { Proportion } from './tests.js';

/** What `oracles/write-oracles.py` wrote with SciPy, statsmodels and NumPy. */
interface Oracles {
  readonly newcombe: readonly (Interval & { readonly first: [number, number]; readonly second: [number, number] })[];
  readonly hanleyMcNeil: readonly (Interval & {
    readonly auc: number;
    readonly positives: number;
    readonly negatives: number;
  })[];
  readonly mean: readonly (Interval & { readonly values: readonly number[] })[];
  readonly chiSquareSurvival: readonly [x: number, df: number, p: number][];
  readonly kolmogorovSmirnov: readonly {
    readonly seeds: [number, number];
    readonly rows: number;
    readonly shift: number;
    readonly scale: number;
    readonly exact: number;
    readonly atDeciles: number;
  }[];
  readonly cells: readonly [value: number, cell: number][];
  readonly latencies: {
    readonly seed: number;
    readonly rows: number;
    readonly quantiles: readonly [q: number, value: number][];
  };
}

const oracles = JSON.parse(
  readFileSync(new URL('../oracles/oracles.json', import.meta.url), 'utf8'),
) as unknown as Oracles;

const isNear = (actual: Interval, wanted: Interval) => {
  expect(Math.abs(actual.low - wanted.low), `${actual.low} is not ${wanted.low}`).toBeLessThan(1e-10);
  expect(Math.abs(actual.high - wanted.high), `${actual.high} is not ${wanted.high}`).toBeLessThan(1e-10);
};

describe('intervals', () => {
  it.each(oracles.newcombe)('of the difference of $first and $second are those of statsmodels', (wanted) => {
    const [first, second] = [wanted.first, wanted.second].map(([hits, n]) => ({ hits, n })) as [Proportion, Proportion];
    isNear(newcombeInterval(first, second), wanted);
  });

  it.each(oracles.hanleyMcNeil)('of an area of $auc follow from exponential scores', (wanted) => {
    isNear(hanleyMcNeilInterval(wanted.auc, wanted.positives, wanted.negatives), wanted);
  });

  it.each(oracles.mean)('of the mean of $values are those of statsmodels', (wanted) => {
    const sum = wanted.values.reduce((total, value) => total + value, 0);
    const squares = wanted.values.reduce((total, value) => total + value * value, 0);
    isNear(meanInterval(wanted.values.length, sum, squares), wanted);
  });
});

describe('the survival function of χ²', () => {
  it.each(oracles.chiSquareSurvival)('at %d with %d degrees of freedom is that of SciPy', (x, df, p) => {
    expect(Math.abs(chiSquareSurvival(x, df) / p - 1)).toBeLessThan(1e-9);
  });
});

describe('the binned Kolmogorov-Smirnov distance', () => {
  const distance = (wanted: Oracles['kolmogorovSmirnov'][number], bins: number) => {
    const reference = nearlyNormal(wanted.seeds[0], wanted.rows);
    const current = nearlyNormal(wanted.seeds[1], wanted.rows).map((z) => wanted.shift + wanted.scale * z);
    const edges = numericEdges(reference, bins);
    const countsOf = (values: readonly number[]) => {
      const found = values.map((value) => numericBin(edges, value));
      return Array.from({ length: edges.length + 1 }, (_, bin) => found.filter((each) => each === bin).length);
    };
    return kolmogorovSmirnovBinned(countsOf(reference), countsOf(current)) ?? NaN;
  };

  it.each(oracles.kolmogorovSmirnov)('of samples $seeds is the greatest difference at the deciles', (wanted) => {
    expect(distance(wanted, 10)).toBeCloseTo(wanted.atDeciles, 12);
  });

  it.each(oracles.kolmogorovSmirnov)(
    'of samples $seeds in 256 bins is below that of SciPy by 1/256 at most',
    (wanted) => {
      expect(distance(wanted, 256)).toBeLessThanOrEqual(wanted.exact + 1e-12);
      expect(distance(wanted, 256)).toBeGreaterThan(wanted.exact - 1 / 256);
    },
  );
});

describe('logarithmic cells', () => {
  it.each(oracles.cells)('put %d into cell %d, as exact fractions do', (value, cell) => {
    expect(cellOf(value)).toBe(cell);
  });

  it.each(oracles.latencies.quantiles)('have a quantile %d within their width of that of NumPy', (q, wanted) => {
    const cells = new Map<number, [count: number, sum: number]>();
    for (const z of nearlyNormal(oracles.latencies.seed, oracles.latencies.rows)) {
      const value = Math.exp(z / 2 + 2);
      const [count, sum] = cells.get(cellOf(value)) ?? [0, 0];
      cells.set(cellOf(value), [count + 1, sum + value]);
    }
    const rising = [...cells].sort(([a], [b]) => a - b).map(([cell, [count, sum]]) => [cell, count, sum] as const);
    expect(Math.abs((cellQuantile(rising, q) ?? NaN) / wanted - 1)).toBeLessThanOrEqual(RELATIVE_WIDTH);
  });
});
