import type { LabelRecord } from '@kontor/domain/monitoring';
import { describe, expect, it } from 'vitest';
import { StepTraffic } from './step-traffic.js';

const id = (n: number) => `01975b00-0000-7000-8000-${n.toString().padStart(12, '0')}`;
const record = (n: number, change: object = {}) => ({
  predictionId: id(n),
  workspace: 'default',
  endpoint: 'credit',
  revisionId: 'v2',
  modelName: 'credit',
  version: 2,
  eventTimeMs: 0,
  rows: 2,
  errorStatus: 0,
  latencyMs: 3,
  nonFiniteOutputs: 0,
  features: {},
  scores: [0.2, 0.9],
  ...change,
});
const label = (n: number, row: number, value: LabelRecord['value']) => ({
  predictionId: id(n),
  workspace: 'default',
  endpoint: 'credit',
  labelName: 'employed',
  row,
  value,
  revision: 0,
  observedAtMs: 0,
});

describe('the traffic of a step', () => {
  it('counts canary and stable apart and leaves other revisions out', () => {
    const traffic = new StepTraffic({ canary: 'v2', stable: 'v1' });
    traffic.addRecord(record(1));
    traffic.addRecord(record(2, { revisionId: 'v1', errorStatus: 500, scores: [] }));
    traffic.addRecord(record(3, { revisionId: 'v0' }));
    expect(traffic.canary).toMatchObject({ requests: 1, rows: 2, errors: 0 });
    expect(traffic.stable).toMatchObject({ requests: 1, rows: 2, errors: 1 });
    // A failed request has neither a latency worth comparing nor scores.
    expect(traffic.stable?.latencyCounts.some((n) => n > 0)).toBe(false);
    expect(traffic.canary.scoreCounts.reduce((sum, n) => sum + n, 0)).toBe(2);
  });

  it('counts each row’s first label once, and none of unknown predictions', () => {
    const traffic = new StepTraffic({ canary: 'v2', stable: null });
    traffic.addRecord(record(1));
    for (const one of [label(1, 0, 0), label(1, 1, true), label(1, 1, false), label(1, 9, 1), label(7, 0, 1)]) {
      traffic.addLabel(one);
    }
    expect(traffic.canary).toMatchObject({ labels: 2, correct: 2 });
  });
});
