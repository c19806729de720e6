import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { revisionOfBucket, splitBucket } from './split.js';

const sha256 = (text: string): Uint8Array => createHash('sha256').update(text).digest();

describe('split@1', () => {
  it('gives the buckets of the oracle', () => {
    expect(['0', '1', '2', '3', '4'].map((key) => splitBucket(sha256, 'kontor', key))).toEqual([
      9092, 4582, 5482, 1425, 4514,
    ]);
  });

  it('puts 10,001 of 100,000 keys below 1,000', () => {
    let below = 0;
    for (let key = 0; key < 100_000; key += 1) if (splitBucket(sha256, 'kontor', String(key)) < 1000) below += 1;
    expect(below).toBe(10_001);
  });

  it('moves keys only towards the newest revision when its weight grows', () => {
    const at = (weightBps: number, bucket: number) =>
      revisionOfBucket(
        [
          { id: 'new', weightBps },
          { id: 'old', weightBps: 10_000 - weightBps },
        ],
        bucket,
      )?.id;
    const weight = fc.nat(10_000);
    fc.assert(
      fc.property(weight, weight, fc.nat(9999), (a, b, bucket) => {
        const [less, more] = a < b ? [a, b] : [b, a];
        return at(less, bucket) === 'old' || at(more, bucket) === 'new';
      }),
    );
  });

  it('gives no revision where none has traffic, and never one of weight 0', () => {
    expect(revisionOfBucket([{ weightBps: 0 }], 0)).toBeUndefined();
    expect(revisionOfBucket([{ weightBps: 0 }, { weightBps: 10_000 }], 0)).toEqual({ weightBps: 10_000 });
  });
});
