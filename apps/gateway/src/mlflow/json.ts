/** JSON as MLflow's clients send it: integers that a double cannot hold arrive as bigint. */
export type Json = null | boolean | number | bigint | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

interface ReviverContext {
  readonly source?: string;
}

/**
 * Parses JSON without losing integers: a step of 2^62 stays exact.
 *
 * @throws SyntaxError if `text` is no JSON.
 */
export const parseJson = (text: string): Json =>
  // The third argument of the reviver holds the number as it was written (ECMAScript 2025); TypeScript does not know it.
  JSON.parse(text, ((_key: string, value: unknown, { source }: ReviverContext) =>
    typeof value === 'number' && !Number.isSafeInteger(value) && source !== undefined && /^-?\d+$/.test(source)
      ? BigInt(source)
      : value) as (key: string, value: unknown) => unknown) as Json;

/** What Python's `json.dumps` writes for numbers that JSON does not know, and strings, in which such a word is text. */
const PYTHON_NUMBERS = /"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g;

/**
 * As {@link parseJson}, but a bare NaN or Infinity, which JSON does not know, is the text of that name.
 *
 * @throws SyntaxError if `text` is no JSON even so.
 */
export const parsePythonJson = (text: string): Json => {
  try {
    return parseJson(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return parseJson(text.replace(PYTHON_NUMBERS, (word) => (word.startsWith('"') ? word : `"${word}"`)));
  }
};

/** Writes JSON with each bigint as a number, as protobuf's JSON of MLflow's own server does. */
export const writeJson = (value: unknown): string =>
  JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? rawJSON(String(item)) : item));

const { rawJSON } = JSON as unknown as { readonly rawJSON: (text: string) => unknown };

export const isJsonObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A value as Python's `json.dumps(sort_keys=True, separators=(",", ":"))` writes it: the form inside error texts. */
export const sortedJson = (value: Json): string => {
  if (Array.isArray(value)) return `[${value.map(sortedJson).join(',')}]`;
  if (!isJsonObject(value)) return writeJson(value);
  const fields = Object.keys(value).sort();
  return `{${fields.map((key) => `${JSON.stringify(key)}:${sortedJson(value[key] ?? null)}`).join(',')}}`;
};

/** Python's name of a JSON value's type, as MLflow's error texts say it. */
export const pythonType = (value: Json): string => {
  if (value === null) return 'NoneType';
  if (Array.isArray(value)) return 'list';
  switch (typeof value) {
    case 'string':
      return 'str';
    case 'boolean':
      return 'bool';
    case 'bigint':
      return 'int';
    case 'number':
      return Number.isInteger(value) ? 'int' : 'float';
    default:
      return 'dict';
  }
};
