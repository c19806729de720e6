import { z } from 'zod';
import type { EventMeta } from './event.js';

/** The annotation of a schema whose value is about a person; it stands in the JSON Schema too. */
export const PERSONAL_ANNOTATION = 'x-kontor-personal';

/** What a reader sees of personal data whose key was destroyed. */
export const ERASED = '[erased]';

/** Personal data as the log stores it: key version `<subject>/<n>`, IV and ciphertext with its tag, both base64. */
export interface Encrypted {
  readonly $enc: { readonly k: string; readonly iv: string; readonly ct: string };
}

/** Whose a personal value is, and when it is one. */
interface Mark {
  /** `actor`: who sent the command. Else the JSON Pointer of the person's id in the same data. */
  readonly subject: string;
  /** Personal only if fields beside it have one of these values. */
  readonly when?: Readonly<Record<string, readonly string[]>>;
}

/** Where personal data stands in an event, and whose it is. */
export interface PersonalField {
  /** JSON Pointer. @source RFC 6901 */
  readonly pointer: string;
  /** See {@link personal}. */
  readonly subject: string;
}

/**
 * Marks the value of a schema as personal: it is encrypted before it is stored.
 *
 * @param mark whose it is (`actor`: who sent the command; else the JSON Pointer of the person's id in the same data), and
 *   values of fields beside it without which it is not personal.
 */
export const personal = <Schema extends z.ZodType>(schema: Schema, mark: Mark = { subject: 'actor' }): Schema =>
  schema.meta({ [PERSONAL_ANNOTATION]: mark }) as Schema;

const markOf = (schema: z.core.$ZodType): Mark | undefined =>
  z.globalRegistry.get(schema)?.[PERSONAL_ANNOTATION] as Mark | undefined;

/** The schemas in which a mark is looked for. */
const partsOf = (schema: z.core.$ZodType): readonly z.core.$ZodType[] => {
  if (schema instanceof z.ZodObject) return Object.values(schema.shape as z.core.$ZodShape);
  if (schema instanceof z.ZodArray) return [schema.element];
  return schema instanceof z.ZodNullable || schema instanceof z.ZodOptional ? [schema.unwrap()] : [];
};

/** How many marks {@link personalFields} can find below a schema. */
export const countPersonal = (schema: z.core.$ZodType): number =>
  markOf(schema) === undefined ? partsOf(schema).reduce((sum, part) => sum + countPersonal(part), 0) : 1;

const counts = new WeakMap<z.core.$ZodType, number>();

/** Most values cannot hold personal data, and those are not walked. */
const canHold = (schema: z.core.$ZodType): boolean => {
  const count = counts.get(schema) ?? countPersonal(schema);
  counts.set(schema, count);
  return count > 0;
};

const step = (pointer: string, name: string): string =>
  `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;

type Members = Readonly<Record<string, unknown>>;

/**
 * Where personal data stands in a value that the schema accepts. Marks are found in objects, in arrays and in what may be null
 * or absent; a spec of the domain proves that there are no others.
 */
export const personalFields = (
  schema: z.core.$ZodType,
  value: unknown,
  pointer = '',
  beside: Members = {},
): readonly PersonalField[] => {
  if (value === null || value === undefined || !canHold(schema)) return [];
  const mark = markOf(schema);
  if (mark) {
    const { subject, when = {} } = mark;
    return Object.entries(when).every(([name, values]) => values.some((wanted) => wanted === beside[name]))
      ? [{ pointer, subject }]
      : [];
  }
  if (schema instanceof z.ZodArray) {
    const { element } = schema;
    return (value as readonly unknown[]).flatMap((item, index) =>
      personalFields(element, item, step(pointer, String(index))),
    );
  }
  if (schema instanceof z.ZodObject) {
    const members = value as Members;
    return Object.entries(schema.shape as z.core.$ZodShape).flatMap(([name, member]) =>
      personalFields(member, members[name], step(pointer, name), members),
    );
  }
  return partsOf(schema).flatMap((inner) => personalFields(inner, value, pointer, beside));
};

const namesOf = (pointer: string): readonly string[] =>
  pointer
    .split('/')
    .slice(1)
    .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));

/** The value at a JSON Pointer; undefined if there is none. */
export const valueAt = (value: unknown, pointer: string): unknown =>
  namesOf(pointer).reduce(
    (at, name) => (typeof at === 'object' && at !== null ? (at as Members)[name] : undefined),
    value,
  );

/** The value with the one at a pointer replaced. @throws Error if nothing stands there. */
export const replacedAt = (value: unknown, pointer: string, replacement: unknown): unknown => {
  const [name, ...rest] = namesOf(pointer);
  if (name === undefined) return replacement;
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name))
    throw new Error(`nothing at ${pointer}`);
  const members = value as Members;
  const inner = replacedAt(members[name], rest.map((part) => step('', part)).join(''), replacement);
  return Array.isArray(value)
    ? value.map((item: unknown, index) => (String(index) === name ? inner : item))
    : { ...members, [name]: inner };
};

/** Personal data as readers of the log hand it on: one text that says by itself where it stood, so that it may move. */
export interface EncryptedText {
  /** `<subject>/<n>` */
  readonly k: string;
  readonly iv: string;
  readonly ct: string;
  /** Event id and JSON Pointer in the stored event. */
  readonly at: readonly [string, string];
}

const ENCRYPTED_START = '{"$enc":{"k":';

/** Whether a text would be taken for encrypted personal data. No command may bring one. */
export const looksEncrypted = (text: string): boolean => text.startsWith(ENCRYPTED_START);

const encryptedText = ({ $enc: { k, iv, ct } }: Encrypted, at: EncryptedText['at']): string =>
  JSON.stringify({ $enc: { k, iv, ct, at } });

/** The data of a stored event with an encrypted text where its meta names an encrypted value: a text again, as the schema says. */
export const withEncryptedTexts = (
  { eventId, meta }: { readonly eventId: string; readonly meta: EventMeta },
  data: unknown,
): unknown =>
  (meta.encrypted ?? []).reduce<unknown>(
    (changed, pointer) =>
      replacedAt(changed, pointer, encryptedText(valueAt(data, pointer) as Encrypted, [eventId, pointer])),
    data,
  );

/** All encrypted texts in a JSON value. */
export const encryptedTextsIn = (value: unknown): readonly EncryptedText[] => {
  if (typeof value === 'string') return looksEncrypted(value) ? [parseEncrypted(value)] : [];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(encryptedTextsIn) : [];
};

/** A copy of the JSON value with every encrypted text replaced. */
export const withoutEncryptedTexts = (value: unknown, open: (encrypted: EncryptedText) => unknown): unknown => {
  if (typeof value === 'string') return looksEncrypted(value) ? open(parseEncrypted(value)) : value;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item: unknown) => withoutEncryptedTexts(item, open));
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, withoutEncryptedTexts(member, open)]));
};

const parseEncrypted = (text: string): EncryptedText => (JSON.parse(text) as { readonly $enc: EncryptedText }).$enc;

/** What a personal value is in JSON Schema: the form in which it is stored. Undefined for a schema without a mark. */
export const storedPersonalSchema = (
  schema: z.core.$ZodType,
  plain: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> | undefined => {
  const mark = markOf(schema);
  if (!mark) return undefined;
  const base64 = { type: 'string', contentEncoding: 'base64' };
  const $enc = {
    type: 'object',
    properties: { k: { type: 'string' }, iv: base64, ct: base64 },
    required: ['k', 'iv', 'ct'],
    additionalProperties: false,
  };
  const stored = { type: 'object', properties: { $enc }, required: ['$enc'], additionalProperties: false };
  return { [PERSONAL_ANNOTATION]: mark, ...(mark.when ? { anyOf: [plain, stored] } : stored) };
};
