import { fromBase64, type Hash, HASH_BYTES, toBase64 } from './hash.js';
import { Refused } from './note.js';

/** A tree at one size: what a log signs. */
export interface Checkpoint {
  /** Name of the log, without scheme. */
  readonly origin: string;
  readonly size: number;
  readonly root: Hash;
}

/** The text of a checkpoint. Extension lines are not written: no monitor can audit them. @source C2SP tlog-checkpoint */
export const formatCheckpoint = ({ origin, size, root }: Checkpoint): string =>
  `${origin}\n${size}\n${toBase64(root)}\n`;

/**
 * Reads the text of a checkpoint; extension lines are passed over.
 *
 * @throws Refused if it is none, or larger than 2^53 - 1.
 */
export const parseCheckpoint = (text: string): Checkpoint => {
  const [origin = '', sizeText = '', rootText = '', ...extensions] = text.split('\n');
  const size = /^(0|[1-9]\d{0,15})$/.test(sizeText) ? Number(sizeText) : NaN;
  const root = fromBase64(rootText, HASH_BYTES);
  if (origin === '' || !Number.isSafeInteger(size) || root === undefined || extensions.at(-1) !== '') {
    throw new Refused('a checkpoint has the lines origin, size and root, each ended by a newline');
  }
  return { origin, size, root };
};
