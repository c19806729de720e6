import { jensenShannonDistance, obrienFlemingBoundary, twoProportionZ } from '@kontor/statistics';
import { describe, expect, it } from 'vitest';
import { STRATEGY, traffic } from './endpoint.fixture.js';
import { judgeStep } from './guards.js';
import { emptyMeasurement, latencyBin, latencyQuantileMs, type RevisionMeasurement } from './measurement.js';

const FIVE = {
  steps: [100, 500, 2500, 5000, 10_000].map((weightBps) => ({ weightBps, minRows: 100, minDurationMs: 0 })),
};

const judge = (
  canary: RevisionMeasurement,
  stable: RevisionMeasurement | null,
  change: Partial<Parameters<typeof judgeStep>[0]> = {},
) =>
  judgeStep({
    strategy: FIVE,
    step: 0,
    elapsedMs: 1000,
    canary,
    stable,
    distanceAccepted: false,
    held: false,
    ...change,
  });
const guard = (judged: ReturnType<typeof judge>, name: string) => judged.guards.find((result) => result.guard === name);
const slow = (requests: number, latencyMs: number) => {
  const { latencyCounts } = emptyMeasurement();
  latencyCounts[latencyBin(latencyMs)] = requests;
  return traffic(requests, { latencyCounts });
};

describe('the formulas', () => {
  it('give z −2.247332874877473 for 5 of 1,000 against 15 of 1,000', () => {
    expect(twoProportionZ({ hits: 5, n: 1000 }, { hits: 15, n: 1000 })).toBeCloseTo(-2.247332874877473, 12);
    expect(twoProportionZ({ hits: 0, n: 10 }, { hits: 0, n: 10 })).toBe(0);
  });

  it('give the O’Brien-Fleming boundary of five looks', () => {
    const looks = [4.562, 3.226, 2.634, 2.281, 2.04];
    for (const [i, z] of looks.entries()) expect(obrienFlemingBoundary(i + 1, 5)).toBeCloseTo(z, 2);
    expect(() => obrienFlemingBoundary(6, 5)).toThrow('no look 6 of 5');
  });

  it('give a Jensen-Shannon distance from 0 to 1', () => {
    expect(jensenShannonDistance([1, 3], [10, 30])).toBe(0);
    expect(jensenShannonDistance([1, 0], [0, 5])).toBe(1);
  });

  it('give a quantile within 2 % of the truth', () => {
    for (const latencyMs of [0.5, 3, 47, 900]) {
      const p99 = latencyQuantileMs(slow(1000, latencyMs).latencyCounts, 0.99) ?? Number.NaN;
      expect(Math.abs(p99 / latencyMs - 1)).toBeLessThanOrEqual(0.021);
    }
    expect(latencyQuantileMs(emptyMeasurement().latencyCounts, 0.99)).toBeNull();
    expect([latencyBin(0), latencyBin(Number.NaN), latencyBin(1e9)]).toEqual([0, 0, 399]);
  });
});

describe('the error guard', () => {
  const more = traffic(1000, { errors: 15 });
  const fewer = traffic(1000, { errors: 5 });

  it('breaches for 15 against 5 of 1,000 at the last of five looks only', () => {
    expect([0, 1, 2, 3, 4].map((step) => judge(more, fewer, { step }).verdict)).toEqual([
      'pass',
      'pass',
      'pass',
      'pass',
      'fail',
    ]);
    expect(judge(more, fewer, { step: 4 }).reason).toBe(
      'Errors 1.50 % (15 of 1000 requests) against 0.50 % (5 of 1000): z 2.25, boundary 2.04; significantly more errors than stable.',
    );
  });

  it('asks for half a percentage point beside significance', () => {
    const a = traffic(1_000_000, { errors: 1400 });
    const b = traffic(1_000_000, { errors: 1000 });
    expect(judge(a, b, { step: 4 }).verdict).toBe('pass');
  });

  it('uses the strictest boundary before the step is complete', () => {
    expect(
      judge(more, fewer, { step: 4, strategy: { steps: FIVE.steps.map((s) => ({ ...s, minRows: 5000 })) } }).verdict,
    ).toBe('wait');
  });

  it('has a hard cap of 5 % from 20 requests on', () => {
    expect(judge(traffic(19, { errors: 2 }), traffic(19)).verdict).toBe('wait');
    expect(judge(traffic(20, { errors: 2 }), traffic(20)).verdict).toBe('fail');
    expect(judge(traffic(20, { errors: 2 }), null).verdict).toBe('fail');
  });

  it('does not blame the new revision for a failing stable one', () => {
    const judged = judge(traffic(200, { errors: 60 }), traffic(2000, { errors: 600 }));
    expect(guard(judged, 'errorRate')?.verdict).toBe('inconclusive');
    expect(judged.verdict).toBe('wait');
  });
});

describe('the latency guard', () => {
  it('compares p99 with 1.25 times stable or 20 ms more, whichever is larger', () => {
    expect(judge(slow(300, 21), slow(300, 2)).verdict).toBe('pass');
    expect(judge(slow(300, 24), slow(300, 2)).verdict).toBe('fail');
    expect(judge(slow(300, 245), slow(300, 200)).verdict).toBe('pass');
    expect(judge(slow(300, 260), slow(300, 200)).verdict).toBe('fail');
  });

  it('says that fewer than 300 requests show nothing', () => {
    expect(guard(judge(slow(299, 900), slow(300, 2)), 'latency')).toMatchObject({
      verdict: 'inconclusive',
      sentence: 'p99 needs 300 answered requests on each side; there are 299 and 300.',
    });
  });
});

describe('the output guard', () => {
  it('fails on one non-finite output', () =>
    expect(judge(traffic(500, { nonFiniteOutputs: 1 }), traffic(500)).verdict).toBe('fail'));

  it('asks a person about another distribution, and not about one of too few rows', () => {
    const scoreCounts = [...traffic(500).scoreCounts].reverse();
    expect(judge(traffic(500, { scoreCounts }), traffic(500)).verdict).toBe('inconclusive');
    expect(judge(traffic(500, { scoreCounts }), traffic(500), { distanceAccepted: true }).verdict).toBe('pass');
    const few = [...traffic(200).scoreCounts].reverse();
    expect(judge(traffic(200, { scoreCounts: few }), traffic(500)).verdict).toBe('pass');
  });
});

describe('the label guard', () => {
  it('fails on a significant loss of accuracy, and is absent without labels', () => {
    const stable = traffic(5000, { labels: 5000, correct: 4000 });
    expect(judge(traffic(400, { labels: 400, correct: 200 }), stable).verdict).toBe('fail');
    expect(judge(traffic(400, { labels: 400, correct: 316 }), stable).verdict).toBe('pass');
    expect(guard(judge(traffic(400, { labels: 49, correct: 0 }), stable), 'labels')?.verdict).toBe('inconclusive');
    expect(guard(judge(traffic(400), stable), 'labels')).toBeUndefined();
  });
});

describe('a step', () => {
  it('without traffic is never a pass and never a failure', () => {
    expect(judge(emptyMeasurement(), traffic(500)).verdict).toBe('wait');
    expect(judge(emptyMeasurement(), traffic(500), { elapsedMs: 600_000 }).verdict).toBe('inconclusive');
    expect(judge(emptyMeasurement(), null, { elapsedMs: 600_000 }).verdict).toBe('inconclusive');
  });

  it('of no rows and no time passes without measurement', () => {
    const strategy = { steps: [{ weightBps: 10_000, minRows: 0, minDurationMs: 0 }] };
    expect(judge(emptyMeasurement(), null, { strategy, elapsedMs: 0 }).verdict).toBe('pass');
  });

  it('waits for its time even with all its rows', () =>
    expect(judge(traffic(500), traffic(500), { strategy: STRATEGY, elapsedMs: 999 }).verdict).toBe('wait'));
});
