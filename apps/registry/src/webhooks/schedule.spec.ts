import { describe, expect, it } from 'vitest';
import { isDelivered, nextTryMs, type Outcome } from './schedule.js';

const HOUR_MS = 3_600_000;
const NOTHING: Outcome = { status: null };

/** How long each further try waits, until the message is given up. */
const waits = (outcome: Outcome, { chance = 0, queuedMs = 0, nowMs = 0 } = {}): number[] => {
  const found: number[] = [];
  for (let tries = 1; tries < 20; tries += 1) {
    const dueMs = nextTryMs(outcome, { tries, queuedMs, nowMs, chance });
    if (dueMs === undefined) break;
    found.push(dueMs - nowMs);
    nowMs = dueMs;
  }
  return found;
};

describe('a message that was not taken', () => {
  it('is tried four times as by MLflow, then with growing waits within a day', () => {
    const seconds = [0, 2, 4, 300, 1800, 7200, 21_600, 43_200];
    expect(waits(NOTHING)).toEqual(seconds.map((wait) => wait * 1000));
    expect(waits({ status: 503 }, { chance: 0.5 }).slice(0, 4)).toEqual([0, 2500, 4500, 300_000]);
    expect(waits(NOTHING).reduce((sum, wait) => sum + wait)).toBeLessThanOrEqual(24 * HOUR_MS);
  });

  it.each([429, 500, 502, 503, 504])('is tried again after %d', (status) => {
    expect(waits({ status })).toHaveLength(8);
  });

  it.each([301, 302, 307, 308, 400, 401, 403, 404, 410, 501, 505])('is given up at once after %d', (status) => {
    expect(waits({ status })).toEqual([]);
  });

  it('waits for as long as the target asks, and not less than its turn', () => {
    const nowMs = Date.parse('2026-11-23T09:00:00Z');
    const first = (retryAfter: string, tries = 1) =>
      (nextTryMs({ status: 503, retryAfter }, { tries, queuedMs: nowMs, nowMs, chance: 0 }) ?? NaN) - nowMs;
    expect(first('7')).toBe(7000);
    expect(first('Mon, 23 Nov 2026 09:01:00 GMT')).toBe(60_000);
    expect(first('Mon, 23 Nov 2026 08:00:00 GMT')).toBe(0);
    expect(first('soon')).toBe(0);
    expect(first('1', 4)).toBe(300_000);
    expect(first(String(25 * 3600))).toBeNaN();
  });

  it('has only its quick tries if it waited behind others for a day', () => {
    expect(waits(NOTHING, { nowMs: 30 * HOUR_MS })).toEqual([0, 2000, 4000]);
    expect(waits(NOTHING, { nowMs: 12 * HOUR_MS })).toHaveLength(7);
    expect(waits({ status: 503, retryAfter: '60' }, { nowMs: 30 * HOUR_MS })).toEqual([]);
  });
});

it('is delivered by a status of 2xx', () => {
  expect([200, 202, 204, 299].every((status) => isDelivered({ status }))).toBe(true);
  expect([null, 199, 300, 302, 404, 500].some((status) => isDelivered({ status }))).toBe(false);
});
