import { fromBase64, type Hash, HASH_BYTES, toBase64 } from './hash.js';
import { Refused } from './note.js';

/** A tree of 2^63 leaves has no longer proof. @source C2SP tlog-witness, "add-checkpoint" */
const MAX_PROOF_HASHES = 63;

/** What a log asks a witness: to co-sign a checkpoint that follows the one which the witness knows. */
export interface AddCheckpoint {
  /** Size of the checkpoint that the witness has co-signed last, 0 before the first. */
  readonly oldSize: number;
  /** That the tree of the new checkpoint begins with that of the old one. */
  readonly proof: readonly Hash[];
  /** The signed note. */
  readonly checkpoint: string;
}

/** The body of the request. @source C2SP tlog-witness, "add-checkpoint" */
export const formatAddCheckpoint = ({ oldSize, proof, checkpoint }: AddCheckpoint): string =>
  `old ${oldSize}\n${proof.map((hash) => `${toBase64(hash)}\n`).join('')}\n${checkpoint}`;

/**
 * Reads the body of the request; the note in it is not looked at.
 *
 * @throws Refused if it is none.
 * @source C2SP tlog-witness, "add-checkpoint"
 */
export const parseAddCheckpoint = (body: string): AddCheckpoint => {
  const end = body.indexOf('\n\n');
  const [first = '', ...lines] = body.slice(0, Math.max(end, 0)).split('\n');
  const [, size] = /^old (0|[1-9]\d{0,15})$/.exec(first) ?? [];
  const oldSize = Number(size);
  if (!Number.isSafeInteger(oldSize)) {
    throw new Refused(
      'a request begins with "old <size>", lines of hashes and an empty line; then comes the checkpoint',
    );
  }
  if (lines.length > MAX_PROOF_HASHES) throw new Refused(`a proof has at most ${MAX_PROOF_HASHES} hashes`);
  const proof = lines.map((line) => {
    const hash = fromBase64(line, HASH_BYTES);
    if (!hash) throw new Refused(`"${line.slice(0, 100)}" is no hash: 32 bytes in base64 are needed`);
    return hash;
  });
  return { oldSize, proof, checkpoint: body.slice(end + 2) };
};
