import { z } from 'zod';

/** Few of each kind, so that events meet on the same rows. */
const TEXTS: readonly string[] = [
  'a',
  'b',
  'A1',
  '1',
  '2',
  'ümlaut "quoted" / slashed',
  `m-${'0'.repeat(32)}`,
  `sha256:${'1'.repeat(64)}`,
  `sha256:${'2'.repeat(64)}`,
  'a'.repeat(32),
  'b'.repeat(32),
  '01975b00-0000-7000-8000-0000000000a1',
  '01975b00-0000-7000-8000-0000000000a2',
  '2026-06-01T12:00:00.000Z',
  '2026-06-02T12:00:00.000Z',
];
/** Refinements that no JSON Schema can say are met by chance. */
const TRIES = 200;

interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: JsonSchema | boolean;
  readonly propertyNames?: JsonSchema;
  readonly items?: JsonSchema;
  readonly prefixItems?: readonly JsonSchema[];
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
}

const known = new Map<z.ZodType, JsonSchema>();

/**
 * Random data of an event, made from its own schema: whatever a type allows will be seen.
 *
 * @throws Error if none of many tries fits the schema.
 */
export const randomEvent = (schema: z.ZodType, chance: () => number): unknown => {
  const shape = known.get(schema) ?? (z.toJSONSchema(schema) as JsonSchema);
  known.set(schema, shape);
  let problem: unknown;
  for (let n = 0; n < TRIES; n += 1) {
    const parsed = schema.safeParse(randomValue(shape, chance));
    if (parsed.success) return parsed.data;
    problem = parsed.error;
  }
  throw new Error(`no random event fits: ${String(problem)}`);
};

const randomValue = (schema: JsonSchema, chance: () => number): unknown => {
  const pick = <Item>(items: readonly Item[]): Item => {
    const item = items[Math.floor(chance() * items.length)];
    if (item === undefined) throw new Error(`nothing fits ${JSON.stringify(schema)}`);
    return item;
  };
  if ('const' in schema) return schema.const;
  if (schema.enum) return pick(schema.enum);
  const options = schema.anyOf ?? schema.oneOf;
  if (options) return randomValue(pick(options), chance);
  const type = typeof schema.type === 'object' ? pick(schema.type) : schema.type;
  switch (type) {
    case 'string': {
      const pattern = new RegExp(schema.pattern ?? '', 'u');
      const { minLength = 0, maxLength = Infinity } = schema;
      return pick(TEXTS.filter((text) => pattern.test(text) && text.length >= minLength && text.length <= maxLength));
    }
    case 'integer':
    case 'number': {
      const least = schema.minimum ?? schema.exclusiveMinimum ?? 0;
      const from = least < -1_000_000 ? -1 : least;
      const step = type === 'integer' ? Math.ceil(chance() * 3) : chance();
      return Math.min(from + step, schema.maximum ?? Infinity);
    }
    case 'boolean':
      return chance() < 0.5;
    case 'null':
      return null;
    case 'array': {
      if (schema.prefixItems) return schema.prefixItems.map((item) => randomValue(item, chance));
      const length = Math.min(Math.max(schema.minItems ?? 0, Math.floor(chance() * 3)), schema.maxItems ?? Infinity);
      return Array.from({ length }, () => randomValue(schema.items ?? {}, chance));
    }
    case 'object': {
      const entries = Object.entries(schema.properties ?? {})
        .filter(([name]) => schema.required?.includes(name) === true || chance() < 0.5)
        .map(([name, member]): [string, unknown] => [name, randomValue(member, chance)]);
      const { additionalProperties: further, propertyNames } = schema;
      if (typeof further === 'object' && schema.properties === undefined) {
        entries.push([String(randomValue(propertyNames ?? { type: 'string' }, chance)), randomValue(further, chance)]);
      }
      return Object.fromEntries(entries);
    }
    default:
      return pick([1, 'a', true, null]);
  }
};
