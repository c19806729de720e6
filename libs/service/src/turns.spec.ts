import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Turns } from './turns.js';

describe('Turns', () => {
  it('lets work under one key happen one after the other, and an error stops nobody', async () => {
    const turns = new Turns();
    let inside = 0;
    const order: number[] = [];
    const work = (n: number) => async () => {
      inside += 1;
      expect(inside).toBe(1);
      await nextTurn();
      inside -= 1;
      order.push(n);
      if (n === 1) throw new Error('one fails');
      return n;
    };
    const results = await Promise.allSettled([0, 1, 2].map((n) => turns.take('a', work(n))));
    expect(order).toEqual([0, 1, 2]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  it('does not let one key wait for another', async () => {
    const turns = new Turns();
    let open = (): void => undefined;
    const blocked = turns.take('a', () => new Promise<void>((resolve) => (open = resolve)));
    expect(await turns.take('b', async () => 'done')).toBe('done');
    open();
    await blocked;
  });
});
