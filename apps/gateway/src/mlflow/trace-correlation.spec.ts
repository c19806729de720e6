import { describe, expect, it } from 'vitest';
import { npmi } from './trace-correlation.js';

describe('how often two filters fit together', () => {
  it.each([
    // first, second, both, total; without and with the prior, as MLflow 3.17.2 answers.
    [6, 8, 6, 10, 0.43682920537367675, 0.34834862530456273],
    [6, 2, 0, 10, -1, -0.3941918656419393],
    [4, 2, 2, 4, 0, 0],
    [2, 2, 2, 2, 1, 1],
    [0, 2, 0, 10, undefined, undefined],
    [0, 0, 0, 0, undefined, undefined],
  ])('is a number for %d, %d, %d of %d', (first, second, both, total, plain, smoothed) => {
    const counts = { first, second, both, total };
    const nearly = (value: number | undefined) => (value === undefined ? value : (expect.closeTo(value, 12) as number));
    expect([npmi(counts), npmi(counts, 0.5)]).toEqual([plain, smoothed].map(nearly));
  });
});
