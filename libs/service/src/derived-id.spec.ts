import { describe, expect, it } from 'vitest';
import { derivedId } from './derived-id.js';

const cause = {
  process: 'governance',
  step: 0,
  eventId: '0190a0b0-0000-7000-8000-000000000001',
  recordedAt: '2026-06-01T12:00:00.123456Z',
};

describe('derivedId', () => {
  it('is the same for the same cause, today and after every release', () => {
    expect(derivedId(cause)).toBe(derivedId({ ...cause }));
    expect(derivedId(cause)).toBe('019e830e-1a7b-735e-9815-51d2e516efc1');
  });

  it('has the layout of a UUIDv7 and the time of the event', () => {
    const id = derivedId(cause);
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(parseInt(id.replace('-', '').slice(0, 12), 16)).toBe(Date.parse('2026-06-01T12:00:00.123Z'));
  });

  it.each([
    ['process', { ...cause, process: 'deployment' }],
    ['step', { ...cause, step: 1 }],
    ['event', { ...cause, eventId: '0190a0b0-0000-7000-8000-000000000002' }],
  ])('is another one for another %s', (_, other) => {
    expect(derivedId(other)).not.toBe(derivedId(cause));
  });

  it('does not meet another one in 10,000 steps of one event', () => {
    expect(new Set(Array.from({ length: 10_000 }, (_, step) => derivedId({ ...cause, step }))).size).toBe(10_000);
  });
});
