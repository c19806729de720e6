import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { isJsonObject, type Json, type JsonObject } from './json.js';

// OpenTelemetry's messages of spans, as protobuf and as JSON. Both are read into what protobuf's JSON would be with names in
// snake case and ids in base64: as MLflow's clients read a span.
//
// The tables say all that is needed, so no code is generated from .proto files; @bufbuild/protobuf reads what is on the wire.

type Scalar = 'string' | 'bytes' | 'id' | 'bool' | 'double' | 'int64' | 'fixed64';

interface Field {
  readonly name: string;
  readonly type: Scalar | readonly string[] | (() => Message);
  readonly repeated?: true;
}
/** Fields by their numbers. */
type Message = Readonly<Record<number, Field>>;

const one = (name: string, type: Field['type']): Field => ({ name, type });
const many = (name: string, type: () => Message): Field => ({ name, type, repeated: true });

/** @source opentelemetry-proto 1.9, common/v1/common.proto, resource/v1/resource.proto */
const ANY_VALUE: Message = {
  1: one('string_value', 'string'),
  2: one('bool_value', 'bool'),
  3: one('int_value', 'int64'),
  4: one('double_value', 'double'),
  5: one('array_value', () => ({ 1: many('values', () => ANY_VALUE) })),
  6: one('kvlist_value', () => ({ 1: many('values', () => KEY_VALUE) })),
  7: one('bytes_value', 'bytes'),
};
const KEY_VALUE: Message = { 1: one('key', 'string'), 2: one('value', () => ANY_VALUE) };
const attributes = many('attributes', () => KEY_VALUE);
const RESOURCE: Message = { 1: attributes };

/** @source opentelemetry-proto 1.9, trace/v1/trace.proto */
const EVENT: Message = { 1: one('time_unix_nano', 'fixed64'), 2: one('name', 'string'), 3: attributes };
const LINK: Message = {
  1: one('trace_id', 'id'),
  2: one('span_id', 'id'),
  3: one('trace_state', 'string'),
  4: attributes,
};
const STATUS_CODES = ['STATUS_CODE_UNSET', 'STATUS_CODE_OK', 'STATUS_CODE_ERROR'];
const STATUS: Message = { 2: one('message', 'string'), 3: one('code', STATUS_CODES) };
const KINDS = ['UNSPECIFIED', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER'].map(
  (kind) => `SPAN_KIND_${kind}`,
);
const SPAN: Message = {
  1: one('trace_id', 'id'),
  2: one('span_id', 'id'),
  3: one('trace_state', 'string'),
  4: one('parent_span_id', 'id'),
  5: one('name', 'string'),
  6: one('kind', KINDS),
  7: one('start_time_unix_nano', 'fixed64'),
  8: one('end_time_unix_nano', 'fixed64'),
  9: attributes,
  11: many('events', () => EVENT),
  13: many('links', () => LINK),
  15: one('status', () => STATUS),
};
const SCOPE_SPANS: Message = { 2: many('spans', () => SPAN) };
const RESOURCE_SPANS: Message = { 1: one('resource', () => RESOURCE), 2: many('scope_spans', () => SCOPE_SPANS) };
/** @source opentelemetry-proto 1.9, collector/trace/v1/trace_service.proto */
const REQUEST: Message = { 1: many('resource_spans', () => RESOURCE_SPANS) };

/** What is not of this form. */
export class OtlpInvalid extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'OtlpInvalid';
  }
}

/** Messages inside of messages: values may hold values. Deeper ones are a program gone wild, or an attack. */
const MAX_DEPTH = 100;

const checkDepth = (depth: number): void => {
  if (depth > MAX_DEPTH) throw new OtlpInvalid(`it is nested more than ${MAX_DEPTH} times`);
};

/** A text that PostgreSQL and JSON can hold. */
const wellFormed = (text: string): string => text.toWellFormed().replaceAll('\0', '\ufffd');

/** Numbers that JSON cannot write are words in protobuf's. */
const doubleOf = (value: number): Json => (Number.isFinite(value) ? value : String(value));

const fromWire = (reader: BinaryReader, type: Scalar | readonly string[]): Json | undefined => {
  switch (type) {
    case 'string':
      return wellFormed(reader.string());
    case 'bytes':
    case 'id':
      return Buffer.from(reader.bytes()).toString('base64');
    case 'bool':
      return reader.bool();
    case 'double':
      return doubleOf(reader.double());
    case 'int64':
      return BigInt(reader.int64());
    case 'fixed64':
      return BigInt(reader.fixed64());
    default:
      return type[reader.int32()];
  }
};

/** How each type travels; anything else is another version's field, or no such message. */
const WIRE_TYPES: Readonly<Record<Scalar, WireType>> = {
  ...{ string: WireType.LengthDelimited, bytes: WireType.LengthDelimited, id: WireType.LengthDelimited },
  ...{ bool: WireType.Varint, int64: WireType.Varint, double: WireType.Bit64, fixed64: WireType.Bit64 },
};

const wireTypeOf = ({ type }: Field): WireType => {
  if (typeof type === 'string') return WIRE_TYPES[type];
  return typeof type === 'function' ? WireType.LengthDelimited : WireType.Varint;
};

/** A message that is being read: the values of a repeated field gather in its list. */
class Reading {
  readonly #fields: Record<string, Json> = {};
  readonly #lists = new Map<string, Json[]>();

  add({ name, repeated }: Field, value: Json): void {
    if (!repeated) {
      this.#fields[name] = value;
      return;
    }
    const list = this.#lists.get(name) ?? [];
    this.#lists.set(name, list);
    list.push(value);
  }

  get message(): JsonObject {
    return { ...this.#fields, ...Object.fromEntries(this.#lists) };
  }
}

const readWire = (reader: BinaryReader, message: Message, end: number, depth = 0): JsonObject => {
  checkDepth(depth);
  const reading = new Reading();
  while (reader.pos < end) {
    const [number, wireType] = reader.tag();
    const field = message[number];
    if (field === undefined || wireType !== wireTypeOf(field)) {
      reader.skip(wireType, number);
      continue;
    }
    const { type } = field;
    const value =
      typeof type === 'function'
        ? readWire(reader, type(), reader.uint32() + reader.pos, depth + 1)
        : fromWire(reader, type);
    if (value !== undefined) reading.add(field, value);
  }
  if (reader.pos !== end) throw new OtlpInvalid('a message is longer than what holds it');
  return reading.message;
};

const wrong = (path: string, value: Json): never => {
  throw new OtlpInvalid(
    `${path} cannot be ${JSON.stringify(value, (_, item: unknown) => (typeof item === 'bigint' ? String(item) : item)).slice(0, 100)}`,
  );
};

const INTEGER = /^-?\d{1,20}$/;

const fromJson = (type: Scalar | readonly string[], value: Json, path: string): Json | undefined => {
  switch (type) {
    case 'string':
      return typeof value === 'string' ? wellFormed(value) : wrong(path, value);
    case 'bytes':
      return typeof value === 'string' ? Buffer.from(value, 'base64').toString('base64') : wrong(path, value);
    case 'id':
      if (typeof value !== 'string' || !/^(?:[0-9a-f]{2})*$/i.test(value)) return wrong(path, value);
      return Buffer.from(value, 'hex').toString('base64');
    case 'bool':
      return typeof value === 'boolean' ? value : wrong(path, value);
    case 'double':
      if (typeof value === 'number') return doubleOf(value);
      return ['NaN', 'Infinity', '-Infinity'].includes(String(value)) ? value : wrong(path, value);
    case 'int64':
    case 'fixed64': {
      const isWhole = typeof value === 'bigint' || Number.isSafeInteger(value);
      if (!isWhole && !(typeof value === 'string' && INTEGER.test(value))) return wrong(path, value);
      const integer = BigInt(value as string | number | bigint);
      const fits = type === 'int64' ? BigInt.asIntN(64, integer) : BigInt.asUintN(64, integer);
      return fits === integer ? integer : wrong(path, value);
    }
    default:
      if (typeof value === 'number') return type[value];
      return type.find((name) => name === value);
  }
};

/** `start_time_unix_nano` as JSON writes it. */
const camel = (name: string): string => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

const readJson = (input: Json, message: Message, path: string, depth = 0): JsonObject => {
  checkDepth(depth);
  if (!isJsonObject(input)) return wrong(path, input);
  const reading = new Reading();
  for (const field of Object.values(message)) {
    const { name, type, repeated } = field;
    const key = [camel(name), name].find((spelling) => Object.hasOwn(input, spelling)) ?? name;
    const value = Object.hasOwn(input, key) ? (input[key] ?? null) : null;
    if (value === null) continue;
    const at = path === '' ? key : `${path}.${key}`;
    if (repeated && !Array.isArray(value)) return wrong(at, value);
    for (const item of repeated ? (value as readonly Json[]) : [value]) {
      const read = typeof type === 'function' ? readJson(item, type(), at, depth + 1) : fromJson(type, item, at);
      if (read !== undefined) reading.add(field, read);
    }
  }
  return reading.message;
};

/** A request of protobuf's bytes. @throws OtlpInvalid if they are none. */
export const readOtlpProtobuf = (bytes: Uint8Array): JsonObject => {
  try {
    return readWire(new BinaryReader(bytes), REQUEST, bytes.length);
  } catch (error) {
    // What the reader finds at fault has no class of its own.
    if (error instanceof OtlpInvalid) throw error;
    throw new OtlpInvalid('these bytes are no message', { cause: error });
  }
};

/** A request as JSON, with ids in hex. @source OTLP 1.9, JSON Protobuf Encoding. @throws OtlpInvalid if it is none. */
export const readOtlpJson = (json: Json): JsonObject => readJson(json, REQUEST, '');
