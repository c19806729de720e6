import { invalid } from './errors.js';

/** JSON as MLflow's clients send it: integers that a double cannot hold arrive as bigint. */
export type Json = null | boolean | number | bigint | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

interface ReviverContext {
  readonly source?: string;
}

/** What becomes of a number, by its value and as it was written. */
type NumberReader = (value: number, source: string) => Json;

const parseWith = (text: string, read: NumberReader): Json =>
  // The third argument of the reviver holds the number as it was written (ECMAScript 2025); TypeScript does not know it.
  JSON.parse(text, ((_key: string, value: unknown, { source }: ReviverContext) =>
    typeof value === 'number' && source !== undefined ? read(source === NAN ? NaN : value, source) : value) as (
    key: string,
    value: unknown,
  ) => unknown) as Json;

const exactInteger: NumberReader = (value, source) =>
  !Number.isSafeInteger(value) && /^-?\d+$/.test(source) ? BigInt(source) : value;

/**
 * Parses JSON without losing integers: a step of 2^62 stays exact.
 *
 * @throws SyntaxError if `text` is no JSON.
 */
export const parseJson = (text: string): Json =>
  LONG_INTEGER.test(text) ? parseWith(text, exactInteger) : (JSON.parse(text) as Json);

/** An integer of 16 digits and more may be none that a double holds. Without one there is nothing to keep: five times faster. */
const LONG_INTEGER = /(?:^|[^\d.])\d{16}/;

/** A number that stands for NaN on the way through the parser: nobody writes zero like this. */
const NAN = '0e999';

/** JSON for the words that Python's `json.dumps` writes; a number beyond the range of a double is infinite. */
const NUMBERS: Readonly<Record<string, string>> = { NaN: NAN, Infinity: '1e999', '-Infinity': '-1e999' };

/** What Python's `json.dumps` writes for numbers that JSON does not know, and strings, in which such a word is text. */
const PYTHON_NUMBERS = /"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g;

/**
 * As {@link parseJson}, but a bare NaN or Infinity, which JSON does not know, is that number.
 *
 * @throws SyntaxError if `text` is no JSON even so.
 */
export const parsePythonJson = (text: string): Json => parsePythonWith(text, parseJson, exactInteger);

/** @param parse tries the text as it is, which nearly all are. */
const parsePythonWith = (text: string, parse: (text: string) => Json, read: NumberReader): Json => {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const asJson = text.replace(PYTHON_NUMBERS, (word) => NUMBERS[word] ?? word);
    return parseWith(asJson, read);
  }
};

/**
 * As {@link parsePythonJson}, but numbers stay as they were written: 1.0 is a float there, and 1 is none. {@link spacedJson} writes
 * them so, and {@link writtenNumber} tells them.
 */
export const parseWrittenJson = (text: string): Json =>
  parsePythonWith(text, (plain) => parseWith(plain, asWritten), asWritten);

const asWritten: NumberReader = (value, source) => (Number.isFinite(value) ? rawJSON(source) : value);

/** The digits of a number that {@link parseWrittenJson} read; undefined for anything else. */
export const writtenNumber = (value: Json): string | undefined =>
  isRawJSON(value) ? (value as unknown as { readonly rawJSON: string }).rawJSON : undefined;

/** Writes JSON with each bigint as a number, as protobuf's JSON of MLflow's own server does. */
export const writeJson = (value: unknown): string => {
  try {
    // Without a function that looks at each value it costs half, and nearly no answer has a bigint.
    return JSON.stringify(value);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? rawJSON(String(item)) : item));
  }
};

const { rawJSON, isRawJSON } = JSON as unknown as {
  readonly rawJSON: (text: string) => Json;
  readonly isRawJSON: (value: unknown) => boolean;
};

export const isJsonObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !isRawJSON(value);

/** A text as Python's `json.dumps` writes it: only ASCII. */
export const asciiJson = (text: string): string =>
  JSON.stringify(text).replace(/[\x7f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** Python's text of a float: a whole one keeps its fraction. */
export const pythonFloat = (value: number): string =>
  Number.isInteger(value) ? value.toFixed(1) : String(value).toLowerCase();

interface Style {
  /** What stands after a comma and after a colon; nothing in the texts of errors, whose keys are sorted. */
  readonly between: '' | ' ';
  readonly keysOf: (value: JsonObject) => readonly string[];
  readonly numberText: (value: number) => string;
}

/** Deeper than any value of MLflow's clients; whoever walks through one by recursion survives it. */
const MAX_DEPTH = 100;

/** @throws MlflowError for a value that is nested deeper than anybody's. */
export const refuseTooDeep = (depth: number): void => {
  if (depth > MAX_DEPTH) throw invalid(`JSON values may be nested at most ${MAX_DEPTH} deep.`);
};

/** A value as Python's `json.dumps` writes it. @throws MlflowError if it is nested too deep */
const pythonJson = (value: Json, style: Style, depth = 0): string => {
  const { between, keysOf, numberText } = style;
  refuseTooDeep(depth);
  const inner = (item: Json) => pythonJson(item, style, depth + 1);
  if (Array.isArray(value)) return `[${value.map(inner).join(`,${between}`)}]`;
  if (typeof value === 'string') return asciiJson(value);
  if (!isJsonObject(value)) return typeof value === 'number' ? numberText(value) : writeJson(value);
  const fields = keysOf(value).map((key) => `${asciiJson(key)}:${between}${inner(value[key] ?? null)}`);
  return `{${fields.join(`,${between}`)}}`;
};

// NaN and infinite numbers are words in Python's JSON.
const SPACED: Style = { between: ' ', keysOf: Object.keys, numberText: String };

/** As `json.dumps(sort_keys=True, separators=(",", ":"))`: the form inside error texts. */
export const sortedJson = (value: Json): string =>
  pythonJson(value, { ...SPACED, between: '', keysOf: (object) => Object.keys(object).sort() });

/** As `json.dumps` by itself: the form of JSON that MLflow's server keeps in tags. */
export const spacedJson = (value: Json): string => pythonJson(value, SPACED);

/** As {@link spacedJson}, of a value whose numbers came as protobuf's doubles. @throws MlflowError for one that JSON does not know */
export const doublesJson = (value: Json): string => pythonJson(value, { ...SPACED, numberText: finiteFloat });

const finiteFloat = (value: number): string => {
  if (Number.isFinite(value)) return pythonFloat(value);
  throw invalid(`Invalid value ${value} for parameter 'value' supplied: numbers must be finite.`);
};

/** Python's name of a JSON value's type, as MLflow's error texts say it. */
export const pythonType = (value: Json): string => {
  if (value === null) return 'NoneType';
  const written = writtenNumber(value);
  if (written !== undefined) return /^-?\d+$/.test(written) ? 'int' : 'float';
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
