/**
 * A place in the log: 1, 2, 3 … without a gap. 0 stands before the first event.
 *
 * A bigint inside the program and a decimal string outside it, never a `number`: doubles lose integers above 2^53.
 */
export type Position = bigint;

/** The position before the first event. */
export const BEGINNING: Position = 0n;

/**
 * Reads a position that came from outside.
 *
 * @returns undefined unless `text` is a decimal integer from 0 to 2^63 - 1 (PostgreSQL's bigint) without leading zeros.
 */
export const parsePosition = (text: string): Position | undefined => {
  if (!/^(0|[1-9]\d{0,18})$/.test(text)) return undefined;
  const position = BigInt(text);
  return position <= 9_223_372_036_854_775_807n ? position : undefined;
};

/** The later of two positions. Two consistency tokens of one log merge this way. */
export const latest = (a: Position, b: Position): Position => (a > b ? a : b);
