import { describe, expect, it } from 'vitest';
import { eventually } from './eventually.js';
import { uuidv7 } from './ids.js';
import { prng } from './prng.js';

describe('prng', () => {
  it('gives the same numbers for the same seed', () => {
    const [one, same, other] = [prng(4711), prng(4711), prng(4712)];
    const numbers = Array.from({ length: 100 }, one);
    expect(Array.from({ length: 100 }, same)).toEqual(numbers);
    expect(Array.from({ length: 100 }, other)).not.toEqual(numbers);
  });

  it('stays in [0, 1) and fills it evenly', () => {
    const next = prng(1);
    const tenths = new Array<number>(10).fill(0);
    for (let i = 0; i < 100_000; i++) {
      const tenth = Math.floor(next() * 10);
      tenths[tenth] = (tenths[tenth] ?? 0) + 1;
    }
    expect(tenths).toHaveLength(10);
    // 10,000 expected, standard deviation 95; the seed is fixed, so this never fails by chance.
    for (const count of tenths) expect(Math.abs(count - 10_000)).toBeLessThan(400);
  });
});

describe('uuidv7', () => {
  it('has version 7, variant 10 and the time of now', () => {
    const before = Date.now();
    const id = uuidv7();
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const time = parseInt(id.replace('-', '').slice(0, 12), 16);
    expect(time).toBeGreaterThanOrEqual(before);
    expect(time).toBeLessThanOrEqual(Date.now());
  });

  it('never repeats', () => {
    expect(new Set(Array.from({ length: 10_000 }, uuidv7)).size).toBe(10_000);
  });
});

describe('eventually', () => {
  it('answers with the first fact', async () => {
    const answers = [undefined, false, 'fact', 'later'] as const;
    let asked = 0;
    expect(await eventually(() => answers[asked++])).toBe('fact');
  });

  it('asks again after an error and ends with the last one', async () => {
    let asked = 0;
    const look = (): never => {
      throw new Error(`error ${String(++asked)}`);
    };
    await expect(eventually(look, { timeoutMs: 30 })).rejects.toThrow(/^error [2-9]$/);
  });
});
