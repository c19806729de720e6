import type { Datatype } from './tensor.js';

const INTEGER_RANGE = {
  UINT8: [0, 2 ** 8 - 1],
  UINT16: [0, 2 ** 16 - 1],
  UINT32: [0, 2 ** 32 - 1],
  INT8: [-(2 ** 7), 2 ** 7 - 1],
  INT16: [-(2 ** 15), 2 ** 15 - 1],
  INT32: [-(2 ** 31), 2 ** 31 - 1],
} as const;

const BIG_RANGE = {
  INT64: [-(2n ** 63n), 2n ** 63n - 1n],
  UINT64: [0n, 2n ** 64n - 1n],
} as const;

/** One BYTES element; far above a category's name, far below what would starve other requests. */
const MAX_BYTES_LENGTH = 65_536;

/** A value that is refused, and what would be allowed. */
export interface Problem {
  readonly problem: string;
}

const kindOf = (value: unknown): string => {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object') return 'an object';
  return typeof value === 'string' ? `the text ${JSON.stringify(value.slice(0, 40))}` : String(value);
};

const bigInteger = (value: unknown, datatype: 'INT64' | 'UINT64'): bigint | Problem => {
  const [low, high] = BIG_RANGE[datatype];
  if (typeof value === 'number') {
    if (!Number.isInteger(value)) return { problem: `is ${String(value)}; ${datatype} takes whole numbers` };
    if (!Number.isSafeInteger(value)) {
      return { problem: 'is beyond ±(2^53 − 1), where JSON numbers lose digits; send it as a text of digits' };
    }
  } else if (typeof value !== 'string' || !/^-?\d{1,20}$/.test(value)) {
    return { problem: `is ${kindOf(value)}; ${datatype} takes whole numbers, or texts of digits` };
  }
  const big = BigInt(value);
  return big >= low && big <= high ? big : { problem: `is ${big.toString()}; ${datatype} is from ${low} to ${high}` };
};

/**
 * Reads one JSON value as an element of a datatype. Nothing is coerced: a text is no number, 1 is no boolean, null is
 * no value (missing values are refused: a tree model would answer them with a plausible number).
 */
export const readElement = (value: unknown, datatype: Datatype): number | bigint | string | Problem => {
  switch (datatype) {
    case 'FP32':
    case 'FP64': {
      if (typeof value !== 'number') return { problem: `is ${kindOf(value)}; ${datatype} takes finite numbers` };
      const rounded = datatype === 'FP32' ? Math.fround(value) : value;
      return Number.isFinite(rounded) ? value : { problem: `is outside the range of ${datatype}` };
    }
    case 'INT64':
    case 'UINT64':
      return bigInteger(value, datatype);
    case 'BOOL':
      return typeof value === 'boolean' ? Number(value) : { problem: `is ${kindOf(value)}; BOOL takes true and false` };
    case 'BYTES':
      if (typeof value !== 'string') return { problem: `is ${kindOf(value)}; BYTES takes texts` };
      // Half a surrogate pair has no UTF-8: native code would be given another text.
      if (!value.isWellFormed()) return { problem: 'has half a surrogate pair; BYTES takes texts of whole characters' };
      if (value.includes('\0')) return { problem: 'has a character U+0000, at which onnxruntime ends a text' };
      return value.length <= MAX_BYTES_LENGTH
        ? value
        : { problem: `has ${value.length} characters; at most ${MAX_BYTES_LENGTH} are allowed` };
    default: {
      const [low, high] = INTEGER_RANGE[datatype];
      if (typeof value !== 'number' || !Number.isInteger(value)) {
        return { problem: `is ${kindOf(value)}; ${datatype} takes whole numbers` };
      }
      return value >= low && value <= high ? value : { problem: `is ${value}; ${datatype} is from ${low} to ${high}` };
    }
  }
};
