import type { RouteEntry } from '@kontor/domain/deployment';
import { describe, expect, it } from 'vitest';
import { revisionFor, RouteTable } from './routing.js';

const digest = `sha256:${'0'.repeat(64)}`;
const revision = (revisionId: string, weightBps: number) => ({
  revisionId,
  weightBps,
  version: { modelName: 'm', version: 1, manifestDigest: digest },
  servable: { flavor: 'onnx' as const, digest, sizeBytes: 1, goldenDigest: null },
});
const entry = (streamVersion: number, canaryBps = 0): RouteEntry => ({
  workspace: 'main',
  endpoint: 'employment',
  environment: 'production',
  streamVersion,
  suspended: false,
  salt: 'kontor',
  revisions: [revision('canary', canaryBps), revision('stable', 10_000 - canaryBps)],
});

describe('the route table', () => {
  it('ignores an older and an equal version', () => {
    const table = new RouteTable();
    expect([2, 1, 2, 3].map((version) => table.apply(entry(version)))).toEqual([true, false, false, true]);
    expect(table.get('employment')?.streamVersion).toBe(3);
  });

  it('moves keys only towards the canary when its weight grows', () => {
    for (let key = 0; key < 2_000; key += 1) {
      const chosen = [0, 100, 2_500, 10_000].map((bps) => revisionFor(entry(1, bps), String(key))?.revisionId);
      expect(chosen.toSorted((a, b) => (a === b ? 0 : a === 'stable' ? -1 : 1))).toEqual(chosen);
    }
  });

  it('gives no revision where none has traffic', () => {
    expect(revisionFor({ ...entry(1), revisions: [revision('new', 0)] }, 'a')).toBeUndefined();
  });
});
