import { describe, expect, it } from 'vitest';
import { formatVersion, isAtLeast, NATS_FLOOR, parseVersion, POSTGRES_FLOOR } from './version.js';

describe('versions', () => {
  it.each([
    ['nats-server: v2.15.1', [2, 15, 1]],
    ['nats-server: v2.14.0-RC.2', [2, 14, 0]],
    ['18.4 (Debian 18.4-1.pgdg12+1)', [18, 4, 0]],
    ['18.4', [18, 4, 0]],
    ['command not found', undefined],
    ['', undefined],
  ])('reads %j', (text, version) => {
    expect(parseVersion(text)).toEqual(version);
  });

  it('compares number by number, not letter by letter', () => {
    expect(isAtLeast([2, 14, 0], NATS_FLOOR)).toBe(true);
    expect(isAtLeast([2, 9, 10], NATS_FLOOR)).toBe(false);
    expect(isAtLeast([3, 0, 0], NATS_FLOOR)).toBe(true);
    expect(isAtLeast([17, 9, 9], POSTGRES_FLOOR)).toBe(false);
    expect(isAtLeast([2, 15, 1], [2, 15, 2])).toBe(false);
  });

  it('is written as it is read', () => {
    expect(formatVersion([2, 15, 1])).toBe('2.15.1');
  });
});
