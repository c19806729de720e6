import { expect, it } from 'vitest';
import { gathered, inOrder, inParallel } from './in-order.js';

it('gives results in the order of the items, with no more under way than allowed', async () => {
  let underWay = 0;
  let most = 0;
  const work = async (item: number): Promise<number> => {
    most = Math.max(most, ++underWay);
    // Later items are ready earlier.
    for (let turn = 0; turn < 10 - item; turn++) await Promise.resolve();
    underWay -= 1;
    return item * 2;
  };
  expect(await inParallel([1, 2, 3, 4, 5], 3, work)).toEqual([2, 4, 6, 8, 10]);
  expect(most).toBe(3);
});

it('fails where the failed item stands, when all that was under way has ended', async () => {
  const ended: number[] = [];
  const seen: number[] = [];
  const work = async (item: number): Promise<number> => {
    await Promise.resolve();
    ended.push(item);
    if (item === 2) throw new Error('two');
    return item;
  };
  const all = async () => {
    for await (const item of inOrder([1, 2, 3, 4], 3, work)) seen.push(item);
  };
  await expect(all()).rejects.toThrow('two');
  expect(seen).toEqual([1]);
  expect(ended).toEqual([1, 2, 3, 4]);
  expect(await gathered(inOrder([], 3, work))).toEqual([]);
});
