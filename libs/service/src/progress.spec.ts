import { expect, it } from 'vitest';
import { progressLine } from './progress.js';

it('shows share, rate and remaining time', () => {
  expect(progressLine('runs', { done: 250_000n, all: 1_000_000n, elapsedMs: 2_000 })).toBe(
    'runs ######.................. 25 %, 125,000 events/s, 6 s left',
  );
  expect(progressLine('runs', { done: 5n, all: 5n, elapsedMs: 1_000 })).toBe(
    `runs ${'#'.repeat(24)} 100 %, 5 events/s`,
  );
  expect(progressLine('runs', { done: 5n, all: 5n, elapsedMs: 1_000 }, 'items')).toMatch(/5 items\/s$/);
  expect(progressLine('runs', { done: 0n, all: 0n, elapsedMs: 0 })).toBe(`runs ${'#'.repeat(24)} 100 %, 0 events/s`);
});
