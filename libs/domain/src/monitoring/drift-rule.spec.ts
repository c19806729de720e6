import { isRejected } from '@kontor/event-sourcing';
import { psi } from '@kontor/statistics';
import { describe, expect, it } from 'vitest';
import { judgeDrift, minimalRows } from './drift-rule.js';
import type { MonitoringEvent } from './events.js';
import { byService, closing, monitorDefinition } from './fixture.js';
import { monitor } from './monitor.js';

/** Seeded: the same draws in every run. */
const draws = (seed: number) => {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
};

describe('the alert rule is honest', () => {
  const sample = (next: () => number, n: number, tilt = 0): number[] => {
    const counts = new Array<number>(10).fill(0);
    for (let i = 0; i < n; i += 1) {
      const bin = Math.min(9, Math.floor((next() * (1 - tilt) + tilt * Math.sqrt(next())) * 10));
      counts[bin] = (counts[bin] ?? 0) + 1;
    }
    return counts;
  };
  const measured = (feature: string, reference: number[], n: number, current: number[]) => {
    const result = psi(reference, current);
    const base = closing(1, { value: result?.value ?? 0, p: result?.p ?? 1, n }).drift.features;
    return base.map((own) => ({ ...own, feature, bins: result?.bins ?? 0 }));
  };

  it('raises no alert in 100 windows of 50 features without drift (seed 4711)', () => {
    const next = draws(4711);
    const references = Array.from({ length: 50 }, () => sample(next, 10_000));
    let events: MonitoringEvent[] = [{ type: 'MonitorDefined', data: monitorDefinition }];
    let raised = 0;
    for (let window = 0; window < 100; window += 1) {
      const features = references.flatMap((reference, i) => measured(`f${i}`, reference, 500, sample(next, 500)));
      const start = new Date(Date.UTC(2016, 0, 1 + window)).toISOString();
      const base = closing(1, { value: 0, p: 1 });
      const data = { ...base, window: { start, end: start }, drift: { ...base.drift, features } };
      const state = events.reduce(monitor.evolve, monitor.initialState);
      const decision = monitor.decide(byService('CloseWindow', data), state);
      if (isRejected(decision)) throw new Error(decision.rejection.code);
      raised += decision.filter(({ type }) => type === 'AlertRaised').length;
      events = [...events, ...decision];
    }
    expect(raised).toBe(0);
  });

  it('stays silent about a tiny shift however many rows show it', () => {
    const next = draws(7);
    const [own] = judgeDrift(measured('AGEP', sample(next, 70_000), 70_000, sample(next, 70_000, 0.06)), 0.1);
    expect(own?.pAdjusted).toBeLessThan(0.01);
    expect(own?.verdict).toBe('none');
  });

  it('knows the fewest rows of the reference tables', () => {
    // The smallest n = m at which 5 % of windows without drift stay below 0.1.
    expect(minimalRows(10, 338, 0.1)).toBeGreaterThan(338);
    expect(minimalRows(10, 339, 0.1)).toBeLessThanOrEqual(339);
    expect(minimalRows(30, 851, 0.1)).toBeGreaterThan(851);
    expect(minimalRows(30, 852, 0.1)).toBeLessThanOrEqual(852);
    expect(minimalRows(10, 100, 0.1)).toBe(Infinity);
  });
});
