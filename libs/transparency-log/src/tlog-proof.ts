import { fromBase64, type Hash, HASH_BYTES, toBase64 } from './hash.js';
import { Refused } from './note.js';

const FIRST_LINE = 'c2sp.org/tlog-proof@v1';
/** A tree of 2^63 leaves has paths of 63 hashes. */
const MAX_HASHES = 63;

/** A proof that travels: which leaf, its path, and the signed checkpoint that the path leads to. */
export interface TlogProof {
  /** Counts from 0. */
  readonly index: number;
  /** From the leaf's sibling upward. */
  readonly hashes: readonly Hash[];
  /** The signed note. */
  readonly checkpoint: string;
}

/** @source C2SP tlog-proof, "Format" */
export const formatTlogProof = ({ index, hashes, checkpoint }: TlogProof): string =>
  `${FIRST_LINE}\nindex ${index}\n${hashes.map((hash) => `${toBase64(hash)}\n`).join('')}\n${checkpoint}`;

/** Reads a proof, without believing it. @throws Refused if it is none */
export const parseTlogProof = (text: string): TlogProof => {
  const split = text.indexOf('\n\n');
  const [first = '', ...lines] = text.slice(0, Math.max(split, 0)).split('\n');
  if (split < 0 || first !== FIRST_LINE) throw new Refused(`a proof begins with the line "${FIRST_LINE}"`);
  if (lines[0]?.startsWith('extra ')) lines.shift();
  const [, digits = ''] = /^index (0|[1-9]\d{0,15})$/.exec(lines.shift() ?? '') ?? [];
  const index = digits === '' ? NaN : Number(digits);
  if (!Number.isSafeInteger(index)) throw new Refused('a proof has a line "index" with the number of the leaf');
  if (lines.length > MAX_HASHES) throw new Refused(`a proof has at most ${MAX_HASHES} hashes`);
  const hashes = lines.map((line) => {
    const hash = fromBase64(line, HASH_BYTES);
    if (!hash) throw new Refused(`"${line}" is no hash of ${HASH_BYTES} bytes in base64`);
    return hash;
  });
  return { index, hashes, checkpoint: text.slice(split + 2) };
};
