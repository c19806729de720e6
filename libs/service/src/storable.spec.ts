import { describe, expect, it } from 'vitest';
import { findUnstorable } from './storable.js';

const nested = (depth: number): unknown => JSON.parse('['.repeat(depth) + ']'.repeat(depth));

describe('a value that can be stored', () => {
  it('is any other JSON: every plane of Unicode, control characters, great and small numbers', () => {
    const value = { a: ['zoë 模型 🙂\u0001\n', 1.7976931348623157e308, -5e-324, null, true, {}], ['__proto__']: 'x' };
    expect(findUnstorable(value)).toBeUndefined();
    expect(findUnstorable(nested(64))).toBeUndefined();
  });

  it.each<[string, unknown, string, string]>([
    ['U+0000 in a text', { a: [{ b: 'x\0y' }] }, 'a.0.b', 'U+0000'],
    ['U+0000 in a name', { a: { 'x\0y': 1 } }, 'a', 'a name in it must hold no U+0000'],
    ['half of a surrogate pair', ['ok', '\ud83d'], '1', 'surrogate'],
    ['a number that JSON.parse reads as infinity', JSON.parse('{"n":1e999}'), 'n', '1.8e308'],
    ['65 levels', nested(65), '', 'at most 64'],
    ['100,000 levels', nested(100_000), '', 'at most 64'],
  ])('is not %s', (_, value, path, problem) => {
    expect(findUnstorable(value)).toMatchObject({ path, problem: expect.stringContaining(problem) as string });
  });
});
