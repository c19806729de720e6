import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { latest, parsePosition } from './position.js';
import { parseStreamId, streamId } from './stream-id.js';
import { newestVersion, upcast } from './upcast.js';

describe('position', () => {
  it('reads decimal integers of the size of a bigint column and nothing else', () => {
    expect(parsePosition('0')).toBe(0n);
    expect(parsePosition('9223372036854775807')).toBe(9_223_372_036_854_775_807n);
    for (const text of ['', '-1', '01', '1.0', '1e3', ' 1', '9223372036854775808', '0x10', '١']) {
      expect(parsePosition(text), text).toBeUndefined();
    }
  });

  it('merges two positions to the later one, in any order', () => {
    const position = fc.bigInt({ min: 0n });
    fc.assert(
      fc.property(position, position, (a, b) => {
        const later = latest(a, b);
        return later === latest(b, a) && later >= a && later >= b && (later === a || later === b);
      }),
    );
  });
});

describe('stream id', () => {
  it('gives any id back, however it is written', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (id) => {
        const parts = { workspace: 'default', context: 'registry', aggregate: 'registered-model', id };
        return parseStreamId(streamId(parts)).id === id;
      }),
    );
  });

  it('refuses parts that would break the pattern', () => {
    expect(() => streamId({ workspace: 'A b', context: 'registry', aggregate: 'run', id: '1' })).toThrow(
      'not a stream id',
    );
    expect(() => streamId({ workspace: 'a', context: 'registry', aggregate: 'run', id: '' })).toThrow(
      'not a stream id',
    );
    expect(() => parseStreamId('a/b')).toThrow('not a stream id');
  });
});

describe('upcast', () => {
  const upcasters = {
    RunStarted: [
      (data: unknown) => ({ ...(data as object), b: 2 }),
      (data: unknown) => ({ ...(data as object), c: 3 }),
    ],
  };

  it('lifts old data through every later version', () => {
    expect(upcast(upcasters, 'RunStarted', 1, { a: 1 })).toEqual({ a: 1, b: 2, c: 3 });
    expect(upcast(upcasters, 'RunStarted', 3, { a: 1 })).toEqual({ a: 1 });
    expect(newestVersion(upcasters, 'RunStarted')).toBe(3);
    expect(newestVersion(upcasters, 'RunFinished')).toBe(1);
  });

  it('refuses an event of a newer program', () => {
    expect(() => upcast(upcasters, 'RunStarted', 4, {})).toThrow('reads up to RunStarted@3');
  });
});
