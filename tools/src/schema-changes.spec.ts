import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { brokenPromises } from './event-schemas.js';
import { type Schema, schemaChanges } from './schema-changes.js';

const base = {
  name: z.string().max(200),
  stage: z.enum(['NONE', 'STAGING']),
  owner: z.string().nullable(),
  note: z.string().optional(),
  scores: z.array(z.object({ key: z.string(), value: z.number().min(0) })),
  by: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('person'), id: z.string() }),
    z.object({ kind: z.literal('service'), service: z.string() }),
  ]),
  labels: z.record(z.string(), z.string()),
  range: z.tuple([z.int(), z.int()]),
};
const json = (shape: z.ZodRawShape): Schema => z.toJSONSchema(z.object(shape)) as Schema;
const changes = (shape: z.ZodRawShape): string[] =>
  schemaChanges(json(base), json(shape)).map(({ path, change }) => `${path}: ${change}`);
const without = (name: keyof typeof base): z.ZodRawShape =>
  Object.fromEntries(Object.entries(base).filter(([key]) => key !== name));
const score = base.scores.element.shape;

describe('a released schema', () => {
  it('may gain optional fields and change its words', () => {
    expect(changes(base)).toEqual([]);
    expect(changes({ ...base, more: z.object({ deep: z.string() }).optional() })).toEqual([]);
    expect(changes({ ...base, name: z.string().max(200).describe('of the model') })).toEqual([]);
    expect(changes({ ...base, scores: z.array(z.object({ ...score, unit: z.string().optional() })) })).toEqual([]);
  });

  it.each<[string, z.ZodRawShape, string[]]>([
    ['gain a required field', { ...base, more: z.string() }, ['more: was added as required']],
    ['lose a required field', without('name'), ['name: was removed']],
    ['lose an optional field', without('note'), ['note: was removed']],
    ['require what was optional', { ...base, note: z.string() }, ['note: became required']],
    ['make optional what was required', { ...base, name: base.name.optional() }, ['name: is no longer required']],
    [
      'change a type',
      { ...base, name: z.number() },
      ['name: type was "string" and is "number"', 'name: maxLength was 200 and is not there'],
    ],
    ['take null away', { ...base, owner: z.string() }, ['owner: type was ["string","null"] and is "string"']],
    [
      'allow null',
      { ...base, name: base.name.nullable() },
      [
        'name: type was "string" and is not there',
        'name: maxLength was 200 and is not there',
        'name: anyOf was not there and is [{"type":"string","maxLength":200},{"type":"null"}]',
      ],
    ],
    ['take a value out of an enumeration', { ...base, stage: z.enum(['NONE']) }, ['stage: no longer allows "STAGING"']],
    [
      'add a value to one',
      { ...base, stage: z.enum(['NONE', 'STAGING', 'PRODUCTION']) },
      ['stage: newly allows "PRODUCTION"'],
    ],
    ['narrow a limit', { ...base, name: z.string().max(100) }, ['name: maxLength was 200 and is 100']],
    ['widen a limit', { ...base, name: z.string() }, ['name: maxLength was 200 and is not there']],
    ['gain a pattern', { ...base, name: z.string().max(200).regex(/^a/) }, ['name: pattern was not there and is "^a"']],
    [
      'change what is inside a list',
      { ...base, scores: z.array(z.object({ ...score, value: z.number().min(1) })) },
      ['scores[].value: minimum was 0 and is 1'],
    ],
    [
      'require more inside a list',
      { ...base, scores: z.array(z.object({ ...score, unit: z.string() })) },
      ['scores[].unit: was added as required'],
    ],
    [
      'change an alternative',
      {
        ...base,
        by: z.discriminatedUnion('kind', [
          base.by.options[0],
          z.object({ kind: z.literal('robot'), service: z.string() }),
        ]),
      },
      ['by.kind: const was "service" and is "robot"'],
    ],
    [
      'take an alternative away',
      { ...base, by: z.discriminatedUnion('kind', [base.by.options[0]]) },
      ['by: oneOf had 2 members and has 1'],
    ],
    [
      'change what a record holds',
      { ...base, labels: z.record(z.string(), z.number()) },
      ['labels: type was "string" and is "number"'],
    ],
    [
      'lengthen a tuple',
      { ...base, range: z.tuple([z.int(), z.int(), z.int()]) },
      [
        'range: prefixItems had 2 members and has 3',
        'range: minItems was 2 and is 3',
        'range: maxItems was 2 and is 3',
      ],
    ],
  ])('may not %s', (_, shape, expected) => {
    expect(changes(shape)).toEqual(expected);
  });
});

describe('a release', () => {
  const named = (version: number, shape: z.ZodRawShape): Schema => ({
    $id: `urn:kontor:event:registry:MetricsLogged:${version}`,
    ...json(shape),
  });

  it('is kept by a new version beside the old one', () => {
    expect(brokenPromises([named(1, base)], [named(1, base), named(2, without('name'))])).toEqual([]);
  });

  it('is broken by a changed or missing version, which is named with what to do', () => {
    expect(brokenPromises([named(1, base)], [named(1, without('name'))])).toEqual([
      'MetricsLogged@1 name: was removed. A released version may only gain optional fields: raise the version and add an upcaster',
    ]);
    expect(brokenPromises([named(1, base)], [named(2, base)])).toEqual([
      'MetricsLogged@1 was released and is gone; it is in the log for ever, so keep its schema',
    ]);
  });
});
