import { describe, expect, it } from 'vitest';
import { loadFailure } from './deployment/revision-report.js';
import { GOLDEN_TOLERANCE, goldenDifference } from './golden.js';

const digest = `sha256:${'a'.repeat(64)}`;

describe('golden outputs', () => {
  it('near 1000 may differ by the spacing of 32-bit floats', () => {
    const goldenMaxDifference = goldenDifference(1000, 1000 + 2 ** -14);
    expect(goldenMaxDifference).toBeCloseTo(6.1e-8, 9);
    const servable = { flavor: 'onnx', digest, sizeBytes: 1, goldenDigest: digest } as const;
    expect(loadFailure(servable, { digest, goldenRows: 1, goldenMaxDifference })).toBeUndefined();
  });

  it('near 0 are compared absolutely, and NaN is never within the tolerance', () => {
    expect(goldenDifference(0, 2e-5)).toBe(2e-5);
    expect(goldenDifference(1, Number.NaN) <= GOLDEN_TOLERANCE).toBe(false);
  });
});
