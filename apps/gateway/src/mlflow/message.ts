import { invalid, MlflowError } from './errors.js';
import {
  isJsonObject,
  type Json,
  type JsonObject,
  parsePythonJson,
  parseWrittenJson,
  pythonType,
  sortedJson,
} from './json.js';

type Kind = 'string' | 'int64' | 'double' | 'bool' | 'enum' | 'object' | 'json' | 'map' | 'message';

/** One field of a request message, as MLflow's protobuf files declare it. */
export interface Field {
  readonly kind: Kind;
  readonly required?: true;
  readonly repeated?: true;
  readonly fields?: Fields;
  readonly values?: readonly string[];
  /** Whether an unknown name of an enum is refused instead of dropped. */
  readonly known?: true;
}
export type Fields = Readonly<Record<string, Field>>;

type Scalar<F extends Field> = F extends { kind: 'message'; fields: infer Inner extends Fields }
  ? Message<Inner>
  : {
      string: string;
      int64: bigint;
      double: number;
      bool: boolean;
      enum: string;
      object: JsonObject;
      json: Json;
      map: Readonly<Record<string, string>>;
      message: never;
    }[F['kind']];

type Value<F extends Field> = F extends { repeated: true }
  ? readonly Scalar<F>[]
  : F extends { required: true }
    ? Scalar<F>
    : Scalar<F> | undefined;

/** The typed content of a request with these fields. */
export type Message<F extends Fields> = { readonly [Name in keyof F]: Value<F[Name]> };

export const string = { kind: 'string' } as const;
export const int64 = { kind: 'int64' } as const;
export const double = { kind: 'double' } as const;
export const bool = { kind: 'bool' } as const;
/** A JSON object that is read elsewhere. */
export const object = { kind: 'object' } as const;
/** Any JSON but null, which counts as absent. */
export const json = { kind: 'json' } as const;
/** Texts by name. */
export const map = { kind: 'map' } as const;
export const oneOf = <const Values extends readonly string[]>(...values: Values) => ({ kind: 'enum', values }) as const;
/** As {@link oneOf}, but an unknown name is refused. */
export const knownOf = <const Values extends readonly string[]>(...values: Values) =>
  ({ kind: 'enum', values, known: true }) as const;
export const message = <const Inner extends Fields>(fields: Inner) => ({ kind: 'message', fields }) as const;
export const required = <const F extends Field>(field: F) => ({ ...field, required: true }) as const;
export const repeated = <const F extends Field>(field: F) => ({ ...field, repeated: true }) as const;

const MORE = 'See the API docs for more information about request parameters.';

/** The refusal of a field that is absent. */
export const missingValue = (path: string) => invalid(`Missing value for required parameter '${path}'. ${MORE}`);

class WrongValue extends MlflowError {
  constructor(
    readonly path: string,
    value: Json,
  ) {
    // Two spaces after the colon, as MLflow writes it.
    super(
      'INVALID_PARAMETER_VALUE',
      `Invalid value ${sortedJson(value)} for parameter '${path}' supplied:  Hint: Value was of type '${pythonType(value)}'. ${MORE}`,
    );
  }
}

/** The refusal of a value that the field's type cannot hold. */
export const wrongValue = (path: string, value: Json) => new WrongValue(path, value);

/**
 * Reads a request body or query into a message.
 *
 * Unknown fields are ignored, lower camel case is accepted beside snake case (but not both, and it does not satisfy a
 * required field), `null` and, for required fields, the empty string count as absent, int64 may be a number or a
 * decimal string, an unknown enum name counts as absent.
 *
 * @param text that the input was parsed from, if there is one: a refusal shows its numbers as they are written there.
 * @source MLflow 3.18.0, mlflow/server/handlers.py, `_get_request_message`.
 * @throws MlflowError INVALID_PARAMETER_VALUE that names the field by its path, such as `metrics[0].value`.
 */
export const readMessage = <const F extends Fields>(fields: F, input: JsonObject, text = ''): Message<F> => {
  try {
    return readFields(fields, input, '');
  } catch (error) {
    const written =
      error instanceof WrongValue && text !== '' ? valueAt(parseWrittenJson(text), error.path) : undefined;
    throw error instanceof WrongValue && written !== undefined ? wrongValue(error.path, written) : error;
  }
};

/** What stands at a path such as `metrics[0].value`. */
const valueAt = (root: Json, path: string): Json | undefined =>
  path
    .split(/[.[\]]+/)
    .filter((part) => part !== '')
    .reduce<Json | undefined>(
      (value, part) =>
        Array.isArray(value) ? value[Number(part)] : isJsonObject(value) ? own(value, part) : undefined,
      root,
    );

const readFields = <const F extends Fields>(fields: F, input: JsonObject, parent: string): Message<F> => {
  const { named, knowsOldId } = layoutOf(fields);
  const known = knowsOldId && !input['run_id'] && input['run_uuid'] ? withRunId(input) : input;
  const read: Record<string, unknown> = {};
  for (const one of named) read[one.name] = readField(one, known, `${parent}${one.name}`);
  return read as Message<F>;
};

interface Named {
  readonly name: string;
  readonly camel: string;
  readonly field: Field;
}

/** What all requests with these fields have in common. A batch asks for it once for each of its thousand metrics. */
interface Layout {
  readonly named: readonly Named[];
  /** Whether `run_uuid` may stand for `run_id`. */
  readonly knowsOldId: boolean;
}

const layouts = new WeakMap<Fields, Layout>();

const layoutOf = (fields: Fields): Layout => {
  const known = layouts.get(fields);
  if (known) return known;
  const camelOf = (name: string) => name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  const layout = {
    named: Object.entries(fields).map(([name, field]) => ({ name, camel: camelOf(name), field })),
    knowsOldId: ['run_id', 'run_uuid'].every((name) => Object.hasOwn(fields, name)),
  };
  layouts.set(fields, layout);
  return layout;
};

/** Old clients send `run_uuid`. */
const withRunId = ({ run_uuid = '', ...others }: JsonObject): JsonObject => ({ ...others, run_id: run_uuid });

const readField = ({ name, camel, field }: Named, input: JsonObject, path: string): unknown => {
  const snakeValue = own(input, name);
  const camelValue = camel === name ? undefined : own(input, camel);
  if (snakeValue !== undefined && camelValue !== undefined) {
    throw invalid(`Request specifies both '${name}' and '${camel}'; provide only one of them.`);
  }
  if (field.required && (snakeValue === undefined || snakeValue === null || snakeValue === ''))
    throw missingValue(path);
  const value = snakeValue ?? camelValue ?? undefined;
  if (!field.repeated) return value === undefined ? undefined : readScalar(field, value, path, path);
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw wrongValue(path, value);
  return value.map((item: Json, index) => {
    if (field.kind === 'message' && !isJsonObject(item)) throw wrongValue(`${path}[${index}]`, item);
    return readScalar(field, item, `${path}[${index}]`, path, value);
  });
};

const own = (input: JsonObject, name: string): Json | undefined =>
  Object.hasOwn(input, name) ? input[name] : undefined;

/** @param list that the value is in: MLflow names it as a whole. */
const readScalar = (field: Field, value: Json, path: string, whole: string, list?: readonly Json[]): unknown => {
  switch (field.kind) {
    case 'string':
      if (typeof value !== 'string') break;
      // PostgreSQL's text holds every character but these, so no row can match them and none can keep them.
      if (value.includes('\0'))
        throw invalid(`Invalid value for parameter '${path}' supplied: it holds the character U+0000.`);
      if (!value.isWellFormed())
        throw invalid(`Invalid value for parameter '${path}' supplied: it holds half of a character beyond U+FFFF.`);
      return value;
    case 'int64': {
      const integer = readInt64(value);
      if (integer !== undefined) return integer;
      break;
    }
    case 'double': {
      const number = readDouble(value);
      if (number !== undefined) return number;
      break;
    }
    case 'bool':
      if (typeof value === 'boolean') return value;
      if (value === 'true' || value === 'false') return value === 'true';
      break;
    case 'enum': {
      const { values = [] } = field;
      // Numbers of enums begin at 1 in all messages that are served.
      const name = typeof value === 'number' ? values[value - 1] : values.find((known) => known === value);
      if (name === undefined && field.known)
        throw invalid(
          `Invalid value ${sortedJson(value)} for parameter '${path}' supplied: must be one of ${values.join(', ')}.`,
        );
      // A name that is unknown counts as absent; anything else is a wrong type.
      if (name !== undefined || typeof value === 'string') return name;
      break;
    }
    case 'object':
      if (isJsonObject(value)) return value;
      break;
    case 'json':
      return value;
    case 'map':
      if (isJsonObject(value))
        return Object.fromEntries(
          Object.entries(value).map(([name, item]) => {
            const at = `${path}.${name}`;
            return [readScalar(string, name, at, at), readScalar(string, item, at, at)];
          }),
        ) as Readonly<Record<string, string>>;
      break;
    case 'message':
      if (isJsonObject(value)) return readFields(field.fields ?? {}, value, `${path}.`);
      break;
  }
  throw wrongValue(whole, list ?? value);
};

const INT64_LIMIT = 1n << 63n;
const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

const readInt64 = (value: Json): bigint | undefined => {
  const isWhole = typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value));
  const isText = typeof value === 'string' && /^[+-]?\d{1,40}$/.test(value);
  // As protobuf's JSON: also a decimal that is whole.
  const isDecimal = typeof value === 'string' && DECIMAL.test(value) && Number.isInteger(Number(value));
  if (!isWhole && !isText && !isDecimal) return undefined;
  const integer = BigInt(isDecimal && !isText ? Number(value) : value);
  return integer >= -INT64_LIMIT && integer < INT64_LIMIT ? integer : undefined;
};

const SPECIAL_DOUBLES: Readonly<Record<string, number>> = { NaN, Infinity, '-Infinity': -Infinity };

const readDouble = (value: Json): number | undefined => {
  switch (typeof value) {
    case 'number':
      return value;
    case 'bigint':
      return Number(value);
    case 'boolean':
      return value ? 1 : 0;
    case 'string':
      if (Object.hasOwn(SPECIAL_DOUBLES, value)) return SPECIAL_DOUBLES[value];
      return DECIMAL.test(value) ? Number(value) : undefined;
    default:
      return undefined;
  }
};

/**
 * The JSON object of a body. What is no JSON counts as empty, so that the answer names the first missing field; a JSON
 * text inside a JSON string is read too, as old clients send it.
 *
 * @throws MlflowError if the body is JSON but no object.
 */
export const readBody = (text: string): JsonObject => {
  const outer = tryParse(text);
  const value = typeof outer === 'string' ? tryParse(outer) : outer;
  if (value === undefined || value === null) return {};
  if (!isJsonObject(value)) throw invalid(`The request body must be a JSON object, got ${pythonType(value)}.`);
  return value;
};

const tryParse = (text: string): Json | undefined => {
  try {
    return parsePythonJson(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
};

/** Query parameters as a message's JSON: a list for repeated fields, the first value for single ones. */
export const readQuery = (fields: Fields, query: URLSearchParams): JsonObject => {
  const input: Record<string, Json> = {};
  for (const name of new Set(query.keys())) {
    const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    const field = Object.hasOwn(fields, snake) ? fields[snake] : undefined;
    const first = query.get(name) ?? '';
    if (field?.kind === 'bool') {
      if (!/^(?:true|false)$/i.test(first))
        throw invalid(`Invalid boolean value: ${first}, must be 'true' or 'false'.`);
      input[name] = first.toLowerCase() === 'true';
    } else {
      input[name] = field?.repeated ? query.getAll(name) : first;
    }
  }
  return input;
};
