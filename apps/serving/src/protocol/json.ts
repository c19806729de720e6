import { ProtocolError } from './protocol-error.js';

/** Deeper than any tensor of MAX_RANK inside a request. */
const MAX_DEPTH = 16;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const COLON = 0x3a;

/** The index of the quote that ends the string beginning at `start`; the text's length if none does. */
const endOfString = (text: string, start: number): number => {
  for (let index = start + 1; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === BACKSLASH) index += 1;
    else if (code === QUOTE) return index;
  }
  return text.length;
};

const isSpace = (code: number): boolean => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;

const isKey = (text: string, afterString: number): boolean => {
  let index = afterString;
  while (isSpace(text.charCodeAt(index))) index += 1;
  return text.charCodeAt(index) === COLON;
};

const decoder = new TextDecoder('utf-8', { fatal: true });

const invalid = (message: string, cause?: unknown): ProtocolError =>
  new ProtocolError('INVALID_JSON', message, cause === undefined ? undefined : { cause });

/**
 * Refuses what `JSON.parse` would accept silently: a key that occurs twice in one object (the last would win), the key
 * `__proto__`, and nesting that no request needs. One pass without recursion, before anything is built.
 */
const inspect = (text: string): void => {
  const keysOfOpenObjects: (Set<string> | null)[] = [];
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      keysOfOpenObjects.push(code === OPEN_BRACE ? new Set() : null);
      if (keysOfOpenObjects.length > MAX_DEPTH) {
        throw invalid(`The body nests deeper than ${MAX_DEPTH} levels at character ${index}.`);
      }
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      keysOfOpenObjects.pop();
    } else if (code === QUOTE) {
      const end = endOfString(text, index);
      const keys = keysOfOpenObjects.at(-1);
      if (keys && isKey(text, end + 1)) {
        const raw = text.slice(index, end + 1);
        // Two spellings of one key ("a" and "\u0061") are one key. A broken escape is left to JSON.parse below.
        const key = raw.includes('\\') ? unescape(raw) : raw.slice(1, -1);
        if (key === '__proto__') throw new ProtocolError('INVALID_REQUEST', 'The key __proto__ is not allowed.');
        if (keys.has(key)) {
          throw new ProtocolError(
            'DUPLICATE_KEY',
            `The key ${JSON.stringify(key.slice(0, 100))} occurs twice in one object.`,
          );
        }
        keys.add(key);
      }
      index = end;
    }
  }
};

const unescape = (raw: string): string => {
  try {
    return String(JSON.parse(raw));
  } catch (error) {
    throw invalid(`The body is not valid JSON: ${raw.slice(0, 100)} is no string.`, error);
  }
};

/**
 * Parses the bytes of a request body.
 *
 * @throws ProtocolError INVALID_JSON, DUPLICATE_KEY or INVALID_REQUEST
 */
export const parseJson = (bytes: Uint8Array): unknown => {
  if (bytes.length === 0) throw invalid('The body is empty; a JSON object is expected.');
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch (error) {
    throw invalid('The body is not valid UTF-8.', error);
  }
  inspect(text);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(`The body is not valid JSON: ${(error as Error).message.slice(0, 200)}.`, error);
  }
};
