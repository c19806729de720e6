import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { keepRunning, pause } from './keep-running.js';

describe('keepRunning', () => {
  it('shows the last failure until the part runs again', async () => {
    const stopping = new AbortController();
    const { signal } = stopping;
    const failures: unknown[] = [];
    let broken = true;
    const part = keepRunning({
      name: 'routes',
      run: async () => {
        if (broken) throw new Error('the bucket is away');
        await pause(60_000, signal);
      },
      signal,
      onFailure: (error) => failures.push(error),
      restartMs: 1,
      steadyMs: 1,
    });
    while (failures.length < 2) await nextTurn();
    expect(part.problem).toBe('routes: the bucket is away');
    broken = false;
    while (part.problem !== undefined) await nextTurn();
    stopping.abort();
    await part.ended;
    expect(part.problem).toBeUndefined();
  });
});
