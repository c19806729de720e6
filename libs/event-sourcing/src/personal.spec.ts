import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  countPersonal,
  looksEncrypted,
  personal,
  personalFields,
  replacedAt,
  encryptedTextsIn,
  valueAt,
  withoutEncryptedTexts,
} from './personal.js';
import { readData } from './upcast.js';

const tag = z.strictObject({
  key: z.string(),
  value: personal(z.string(), { subject: 'actor', when: { key: ['user'] } }),
});
const schema = z.strictObject({
  by: z.string(),
  comment: personal(z.string(), { subject: '/by' }).nullable(),
  tags: z.array(tag),
  'a/b~c': z.strictObject({ note: personal(z.string()).optional() }),
});
const value = {
  by: 'p1',
  comment: 'hm',
  tags: [
    { key: 'team', value: 'risk' },
    { key: 'user', value: 'ada' },
  ],
  'a/b~c': { note: 'x' },
};

describe('personal fields', () => {
  it('are found by the marks of the schema, where the field beside them says so', () => {
    expect(countPersonal(schema)).toBe(3);
    expect(personalFields(schema, value)).toEqual([
      { pointer: '/comment', subject: '/by' },
      { pointer: '/tags/1/value', subject: 'actor' },
      { pointer: '/a~1b~0c/note', subject: 'actor' },
    ]);
  });

  it('are none where the value is absent, null or not personal', () => {
    expect(personalFields(schema, { ...value, comment: null, tags: [], 'a/b~c': {} })).toEqual([]);
    expect(personalFields(z.strictObject({ by: z.string() }), value)).toEqual([]);
  });

  it('are replaced at their pointers and nowhere else', () => {
    expect(replacedAt(value, '/a~1b~0c/note', 'y')).toEqual({ ...value, 'a/b~c': { note: 'y' } });
    expect(valueAt(replacedAt(value, '/tags/1/value', 1), '/tags')).toEqual([value.tags[0], { key: 'user', value: 1 }]);
    expect(() => replacedAt(value, '/tags/2/value', 1)).toThrow('nothing at');
    expect(valueAt(value, '/tags/2/value')).toBeUndefined();
  });
});

describe('an event with encrypted values', () => {
  const eventId = '01975b00-0000-7000-8000-000000000001';
  const $enc = { k: 'a/b/1', iv: 'aXY=', ct: 'Y3Q=' };

  it('is read with a text in their place that knows where it stood, also after an upcaster has moved it', () => {
    const meta = { correlationId: eventId, actorKind: 'person', encrypted: ['/tags/0/value'] } as const;
    const event = { eventId, type: 'Old', schemaVersion: 1, meta };
    const moved = readData({ Old: [(data) => ({ user: valueAt(data, '/tags/0/value') })] }, event, {
      tags: [{ key: 'user', value: { $enc } }],
    });
    expect(encryptedTextsIn(moved)).toEqual([{ ...$enc, at: [eventId, '/tags/0/value'] }]);
    expect(withoutEncryptedTexts({ moved, other: [1, null] }, ({ k }) => k)).toEqual({
      moved: { user: 'a/b/1' },
      other: [1, null],
    });
  });

  it('has no other encrypted texts: what only looks like one is what its sender wrote', () => {
    const meta = { correlationId: eventId, actorKind: 'person' } as const;
    const data = { facts: { $enc } };
    expect(readData({}, { eventId, type: 'T', schemaVersion: 1, meta }, data)).toBe(data);
  });
});

it('any JSON without an encrypted text stays as it is', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (json) => {
      expect(withoutEncryptedTexts(json, () => 'opened')).toEqual(json);
    }),
  );
  expect(looksEncrypted('{"$enc":{"k":"a/1"')).toBe(true);
});
