import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { someAtATime } from './some-at-a-time.js';

const ITEMS = Array.from({ length: 10 }, (_, n) => n);

describe('work for some items at a time', () => {
  it('is done for all of them, never for more at once, with the results in their order', async () => {
    let [running, most] = [0, 0];
    const begun: number[] = [];
    const results = await someAtATime(3, ITEMS, async (item) => {
      begun.push(item);
      most = Math.max(most, ++running);
      for (let n = item % 3; n >= 0; n -= 1) await turn();
      running -= 1;
      return item * 2;
    });
    expect(results).toEqual(ITEMS.map((item) => item * 2));
    expect(begun).toEqual(ITEMS);
    expect(most).toBe(3);
    expect(await someAtATime(3, [], () => Promise.reject(new Error('never')))).toEqual([]);
  });

  it('begins no more of it after one has failed', async () => {
    const begun: number[] = [];
    const failing = someAtATime(2, ITEMS, async (item) => {
      begun.push(item);
      await turn();
      if (item === 2) throw new Error('broken');
    });
    await expect(failing).rejects.toThrow('broken');
    await turn();
    expect(begun.length).toBeLessThanOrEqual(4);
  });
});
