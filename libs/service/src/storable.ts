import { looksEncrypted } from '@kontor/event-sourcing';

/** Deeper than any command of ours; a recursive reader anywhere behind us survives it. */
const MAX_DEPTH = 64;

/** What the log, its hashes or a read model could not hold, and where it stands. */
export interface Unstorable {
  readonly path: string;
  readonly problem: string;
}

/**
 * Whether parsed JSON can be hashed, stored and read back as it is.
 *
 * PostgreSQL's text holds no U+0000, UTF-8 no half of a surrogate pair, and `1e999` is read as infinity, which JSON cannot
 * write again. Such a value would be refused late as our own failure, or come back as another one.
 *
 * @returns the first thing that cannot, in order of the document; undefined if there is none.
 */
export const findUnstorable = (value: unknown): Unstorable | undefined => {
  const found = find(value, 0);
  return found && { path: found.path.join('.'), problem: found.problem };
};

interface Found {
  readonly path: readonly string[];
  readonly problem: string;
}

/** The path is made on the way back, because nearly always there is none. */
const find = (value: unknown, depth: number): Found | undefined => {
  const at = (problem: string): Found => ({ path: [], problem });
  if (typeof value === 'string') {
    // Readers would take it for personal data that this program has encrypted.
    if (looksEncrypted(value)) return at('must not begin as an encrypted text does');
    return isStorable(value) ? undefined : at(TEXT);
  }
  if (typeof value === 'number' && !Number.isFinite(value)) return at('must be a number between -1.8e308 and 1.8e308');
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth === MAX_DEPTH) return at(TOO_DEEP);
  for (const key of Object.keys(value)) {
    if (!isStorable(key)) return at(`a name in it ${TEXT}`);
    const found = find((value as Readonly<Record<string, unknown>>)[key], depth + 1);
    if (found) return found.problem === TOO_DEEP ? found : { ...found, path: [key, ...found.path] };
  }
  return undefined;
};

const TOO_DEEP = `must be nested at most ${MAX_DEPTH} deep`;
const TEXT = 'must hold no U+0000 and no half of a surrogate pair';

const isStorable = (text: string): boolean => !text.includes('\0') && text.isWellFormed();
