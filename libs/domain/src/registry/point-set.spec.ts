import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hasPoint, NO_POINTS, type PointSet, withPoints } from './point-set.js';

/** As the points of a run are: alike but for a few characters. */
const alike = (n: number): string => `${1_760_000_000_000 + n} ${n} 0.${n} metric`;

describe('a set of points', () => {
  it('holds what was put into it and nothing else, in every version of it', () => {
    const batches = fc.array(fc.array(fc.oneof(fc.nat(60).map(alike), fc.string()), { maxLength: 20 }), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(batches, fc.array(fc.string()), (added, others) => {
        let points: PointSet = NO_POINTS;
        const known = new Set<string>();
        const versions = [{ points, known: new Set(known) }];
        for (const batch of added) {
          points = withPoints(points, batch);
          for (const point of batch) known.add(point);
          versions.push({ points, known: new Set(known) });
        }
        for (const version of versions)
          for (const point of [...added.flat(), ...others])
            expect(hasPoint(version.points, point)).toBe(version.known.has(point));
      }),
    );
  });

  it('tells a million points apart, in few levels and 64 bytes each', () => {
    const count = 1_000_000;
    let points: PointSet = NO_POINTS;
    for (let from = 0; from < count; from += 1_000)
      points = withPoints(
        points,
        Array.from({ length: 1_000 }, (_, n) => alike(from + n)),
      );
    expect(points.reduce((sum, { size }) => sum + size, 0)).toBe(count);
    expect(points.length).toBeLessThan(12);
    expect(points.reduce((sum, { words }) => sum + words.byteLength, 0)).toBeLessThanOrEqual(64 * count);
    for (let n = 0; n < count; n += 997) {
      expect(hasPoint(points, alike(n))).toBe(true);
      expect(hasPoint(points, alike(count + n))).toBe(false);
    }
  });
});
