import { describe, expect, it } from 'vitest';
import { sample } from './metric-history.js';

const points = (count: number) => Array.from({ length: count }, (_, index) => index);

describe('a sample of a metric', () => {
  it('is everything if that is not too much', () => {
    expect(sample(points(3), 3)).toEqual([0, 1, 2]);
    expect(sample([], 5)).toEqual([]);
  });
  it('is spread evenly and ends with the last point', () => {
    expect(sample(points(300), 10)).toEqual([0, 30, 60, 90, 120, 150, 180, 210, 240, 299]);
    expect(sample(points(11), 4)).toEqual([0, 3, 6, 10]);
  });
  it('is the last point if there is room for one', () => expect(sample(points(300), 1)).toEqual([299]));
});
