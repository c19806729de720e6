import { describe, expect, it } from 'vitest';
import { shared } from './shared.js';

describe('a shared read', () => {
  it('answers whoever asks while one runs from the next run, once for all of them', async () => {
    const runs: (() => void)[] = [];
    const read = shared(async () => {
      const number = runs.length + 1;
      await new Promise<void>((resolve) => runs.push(resolve));
      return number;
    });
    const first = [read(), read()];
    await new Promise(setImmediate);
    const later = [read(), read(), read()];
    runs[0]?.();
    expect(await Promise.all(first)).toEqual([1, 1]);
    await new Promise(setImmediate);
    runs[1]?.();
    expect(await Promise.all(later)).toEqual([2, 2, 2]);
    expect(runs.length).toBe(2);
  });

  it('fails for those who shared it, and not for those after them', async () => {
    let runs = 0;
    const read = shared(async () => {
      runs += 1;
      if (runs === 1) throw new Error('away');
      return runs;
    });
    await expect(Promise.all([read(), read()])).rejects.toThrow('away');
    expect(await read()).toBe(2);
  });
});
