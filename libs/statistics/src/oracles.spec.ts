import { describe, expect, it } from 'vitest';
import {
  accuracy,
  benjaminiHochberg,
  binFinder,
  type Bins,
  binsOf,
  chiSquareQuantile,
  chiSquareSurvival,
  type Confusion,
  confusionOf,
  groupDifference,
  hanleyMcNeilInterval,
  jensenShannonDistance,
  kolmogorovSmirnovBinned,
  logLossOf,
  meanInterval,
  newcombeInterval,
  normalQuantile,
  normalSurvival,
  numericBin,
  numericEdges,
  obrienFlemingBoundary,
  oddsDifferences,
  psi,
  rocAuc,
  twoProportionZ,
  wilsonInterval,
} from './index.js';
import { nearlyNormal } from './nearly-normal.fixture.js';

// Oracles of SciPy 1.17.1, NumPy 2.4.6, scikit-learn 1.9.1, statsmodels 0.15.0 and fairlearn 0.15.0.

const R = nearlyNormal(1, 2000);
const C = nearlyNormal(2, 2000).map((z) => 0.3 + 1.2 * z);
const C0 = nearlyNormal(3, 2000);

const close = (actual: number | null | undefined, expected: number, relative = 1e-12) => {
  expect(Math.abs((actual ?? NaN) - expected) / Math.abs(expected), `${actual} is not ${expected}`).toBeLessThanOrEqual(
    relative,
  );
};

const binned = (edges: number[], values: readonly number[]): number[] => {
  const counts = new Array<number>(edges.length + 1).fill(0);
  for (const value of values) counts[numericBin(edges, value)] = (counts[numericBin(edges, value)] ?? 0) + 1;
  return counts;
};

const refCategories = [500, 300, 150, 50, 0];
const cur5 = [430, 310, 180, 60, 20];
const cur4 = [430, 320, 190, 60, 0];

describe('drift of a numeric feature', () => {
  const edges = numericEdges(R);
  const [reference, current, same] = [R, C, C0].map((values) => binned(edges, values)) as [
    number[],
    number[],
    number[],
  ];

  it('bins the drifted sample into the deciles of the reference', () => {
    expect(R[0]).toBe(1.086050414480269);
    expect(current).toEqual([183, 180, 140, 148, 142, 160, 181, 229, 243, 394]);
  });

  it('agrees with the oracles of PSI and Jensen-Shannon', () => {
    close(psi(reference, current)?.value, 0.1070956341, 1e-9);
    close(psi(reference, same)?.value, 0.0092085167, 1e-8);
    close(jensenShannonDistance(reference, current), 0.13840072836461806);
  });

  it('has a Kolmogorov-Smirnov distance of exactly 0.2 between 1 to 10 and 3 to 12, with a bin for each value', () => {
    close(kolmogorovSmirnovBinned([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0], [0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]), 0.2);
  });

  it('has a p of PSI that is calibrated: 5 % of samples without drift lie above the 95 % quantile', () => {
    const critical = chiSquareQuantile(0.95, 9) * (2 / 500);
    const values = Array.from({ length: 400 }, (_, i) => {
      const [one, other] = [nearlyNormal(100 + 2 * i, 500), nearlyNormal(101 + 2 * i, 500)];
      const own = [-1.2816, -0.8416, -0.5244, -0.2533, 0, 0.2533, 0.5244, 0.8416, 1.2816];
      return psi(binned(own, one), binned(own, other));
    });
    const above = values.filter((result) => (result?.value ?? 0) > critical);
    expect(above.length / values.length).toBeGreaterThan(0.02);
    expect(above.length / values.length).toBeLessThan(0.08);
    expect(above.every((result) => (result?.p ?? 1) < 0.05)).toBe(true);
  });
});

describe('bins@1', () => {
  it('gives a constant reference a point bin, so that a change is seen', () => {
    const reference = new Array<number>(100).fill(5);
    const current = [
      ...new Array<number>(80).fill(5),
      ...new Array<number>(15).fill(4),
      ...new Array<number>(5).fill(6),
    ];
    const edges = numericEdges(reference);
    expect(edges).toEqual([5, 5]);
    expect(binned(edges, reference)).toEqual([0, 100, 0]);
    expect(binned(edges, current)).toEqual([15, 80, 5]);
    const result = psi(binned(edges, reference), binned(edges, current));
    close(result?.value, 0.6693329585, 1e-9);
    close(result?.p, 5.405e-8, 1e-3);
  });

  it('gives the zeros of a zero-inflated reference a point bin', () => {
    const zeros = (n: number, upTo: number) => [
      ...new Array<number>(n).fill(0),
      ...Array.from({ length: upTo }, (_, i) => i + 1),
    ];
    const edges = numericEdges(zeros(70, 30));
    const result = psi(binned(edges, zeros(70, 30)), binned(edges, zeros(50, 50)));
    expect(result?.bins).toBe(4);
    close(result?.value, 0.274508, 1e-5);
  });

  it('puts missing, non-finite and wrongly typed values into bins of their own', () => {
    const bins: Bins = { kind: 'numeric', edges: [1], categories: [], hasOther: false };
    expect([null, NaN, -Infinity, 'x', -0, 1, 1.5, true].map(binFinder(bins))).toEqual([2, 3, 3, 4, 0, 0, 1, 0]);
  });

  it('takes few distinct values as categories and counts an unknown one as unseen', () => {
    const bins = binsOf(Array.from({ length: 60 }, (_, i) => (i % 3) + 1));
    expect(bins.kind).toBe('categorical');
    const find = binFinder(bins);
    expect([find(1), find('1'), find(9), find(null)]).toEqual([0, 0, 7, 3]);
  });

  it('caps the categories, and then an unlisted one is other', () => {
    const bins = binsOf(Array.from({ length: 150 }, (_, i) => `c${i}`));
    expect(bins.categories).toHaveLength(100);
    expect(binFinder(bins)('new')).toBe(103);
  });

  it('has one bin for an empty reference', () => {
    expect(numericEdges([])).toEqual([]);
    expect(psi([0], [5])).toBeNull();
  });
});

describe('drift of categories', () => {
  it('agrees with the oracles', () => {
    close(psi(refCategories, cur5)?.value, 0.09217431735188841);
    close(psi(refCategories, cur4)?.value, 0.023023128136228907);
    close(jensenShannonDistance(refCategories, cur5), 0.11521547426031974);
  });
});

describe('tests and intervals', () => {
  it('agrees with the two-proportion z test', () => {
    close(twoProportionZ({ hits: 480, n: 1000 }, { hits: 450, n: 1000 }), 1.344939935763293);
  });

  it('agrees with the Benjamini-Hochberg adjustment', () => {
    const adjusted = benjaminiHochberg([0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216]);
    [0.01, 0.04, 0.084, 0.084, 0.084, 0.1, 0.10571428571428571, 0.216, 0.216, 0.216].forEach((p, i) =>
      close(adjusted[i], p),
    );
  });

  it('agrees with Wilson intervals', () => {
    const eight = wilsonInterval({ hits: 8, n: 10 });
    close(eight.low, 0.49016247153664183);
    close(eight.high, 0.9433178485456247);
    expect(wilsonInterval({ hits: 0, n: 20 }).low).toBe(0);
    close(wilsonInterval({ hits: 0, n: 20 }).high, 0.1611251580528194);
  });

  it('agrees with the intervals of a difference, of an area under the curve and of a mean', () => {
    // Newcombe 1998, table II (a), method 10.
    const difference = newcombeInterval({ hits: 56, n: 70 }, { hits: 48, n: 80 });
    expect([difference.low.toFixed(4), difference.high.toFixed(4)]).toEqual(['0.0524', '0.3339']);
    // Hanley and McNeil 1982, with their Q1 = A/(2-A) and Q2 = 2A²/(1+A), worked out by hand for 51 and 58 rows.
    const area = hanleyMcNeilInterval(0.893, 51, 58, 1);
    close(area.high - 0.893, 0.032512, 1e-4);
    close(0.893 - area.low, area.high - 0.893, 1e-9);
    expect(hanleyMcNeilInterval(1, 5, 5)).toEqual({ low: 1, high: 1 });
    // 1, 2, 3, 4: mean 2.5, variance 5/3.
    const mean = meanInterval(4, 10, 30, 1);
    close(mean.high - 2.5, Math.sqrt(5 / 3 / 4));
  });

  it('agrees with the p-values of the z test and of χ²', () => {
    close(2 * normalSurvival(1.344939935763293), 0.17864463220348226, 1e-9);
    close(chiSquareSurvival(29.06911526689422, 4), 7.568689928275617e-6, 1e-9);
    close(chiSquareSurvival(11.528951756655742, 3), 0.009183953522776336, 1e-9);
    close(chiSquareSurvival(1.8088634308109737, 1), 0.1786446322034783, 1e-9);
  });

  it('has the quantiles and far tails of the normal and the χ² law', () => {
    close(normalQuantile(0.975), 1.959963984540054);
    close(normalSurvival(10), 7.619853024160527e-24);
    close(chiSquareQuantile(0.95, 9), 16.918977604620448);
    close(chiSquareQuantile(0.95, 9) * (2 / 100), 0.338, 2e-3);
  });

  it('has the boundaries of O’Brien and Fleming', () => {
    close(obrienFlemingBoundary(1, 3), 2.004 * Math.sqrt(3));
    expect(() => obrienFlemingBoundary(4, 3)).toThrow('no look 4 of 3');
  });
});

describe('performance', () => {
  const y = [1, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0, 1];
  const p = [0.9, 0.4, 0.65, 0.4, 0.2, 0.55, 0.8, 0.1, 0.3, 0.35, 0.6, 0.7];
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;

  it('agrees with scikit-learn', () => {
    const counts = confusionOf(y, p);
    expect(counts).toEqual({ trueNegatives: 4, falsePositives: 2, falseNegatives: 2, truePositives: 4 });
    close(accuracy(counts), 2 / 3);
    close(rocAuc(y, p), 0.8194444444444444);
    close(mean(y.map((label, i) => logLossOf(label, p[i] ?? 0))), 0.5184280415104768);
    close((logLossOf(1, 0) + logLossOf(0, 1)) / 2, 34.53917619362578);
  });

  it('says nothing where nothing is defined', () => {
    const none = confusionOf([], []);
    expect([accuracy(none), rocAuc([1, 1], [0.1, 0.2])]).toEqual([null, null]);
  });
});

describe('fairness', () => {
  const group = (tp: number, fp: number, fn: number, tn: number): Confusion => ({
    truePositives: tp,
    falsePositives: fp,
    falseNegatives: fn,
    trueNegatives: tn,
  });
  const groups = new Map([
    ['A', group(40, 10, 10, 40)],
    ['B', group(24, 6, 16, 54)],
  ]);

  it('agrees with fairlearn', () => {
    close(groupDifference('demographicParityDifference', groups).difference, 0.2);
    close(groupDifference('equalOpportunityDifference', groups).difference, 0.2, 1e-9);
    close(groupDifference('equalizedOddsDifference', groups).difference, 0.2, 1e-9);
    close(groupDifference('accuracyDifference', groups).difference, 0.02);
  });

  it('shows the rate of equalised odds in which the groups differ more, with its interval', () => {
    const same = new Map([
      ['A', group(40, 20, 10, 30)],
      ['B', group(40, 10, 10, 40)],
    ]);
    const result = groupDifference('equalizedOddsDifference', same);
    close(result.difference, 0.2);
    expect(result.groups.map(({ value }) => value)).toEqual([0.4, 0.2]);
    expect(result.interval).toEqual(newcombeInterval({ hits: 20, n: 50 }, { hits: 10, n: 50 }));
  });

  it('compares every two groups in both rates, each p corrected for all comparisons', () => {
    const [worst, ...others] = oddsDifferences(groups);
    expect(worst).toMatchObject({ rate: 'true positive rate', higher: 'A', lower: 'B' });
    close(worst?.difference, 0.2, 1e-9);
    close(worst?.p, 2 * 2 * normalSurvival(twoProportionZ({ hits: 40, n: 50 }, { hits: 24, n: 40 })));
    expect(others).toHaveLength(1);
    expect(oddsDifferences(new Map([...groups, ['C', group(1, 0, 0, 0)]]))).toHaveLength(2);
    expect(oddsDifferences(new Map([['A', group(40, 10, 10, 40)]]))).toEqual([]);
  });

  it('has the selection rates of fairlearn behind its differences', () => {
    const { groups: rates } = groupDifference('demographicParityDifference', groups);
    expect(rates.map(({ value }) => value)).toEqual([0.5, 0.3]);
    close(twoProportionZ({ hits: 50, n: 100 }, { hits: 30, n: 100 }), 2.886751345948129);
  });

  it('calls a small group insufficient instead of 0 or 1', () => {
    const result = groupDifference('accuracyDifference', new Map([...groups, ['C', group(1, 0, 0, 0)]]));
    expect(result.groups[2]?.value).toBeNull();
    close(result.difference, 0.02);
    expect(groupDifference('accuracyDifference', new Map([['A', group(40, 10, 10, 40)]])).difference).toBeNull();
  });
});
