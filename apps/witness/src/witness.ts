import {
  type Checkpoint,
  EMPTY_ROOT,
  equalHashes,
  formatNote,
  formatSignature,
  type LogKey,
  openCheckpoint,
  parseAddCheckpoint,
  parseCheckpoint,
  parseNote,
  Refused,
  type Signer,
  verifyConsistency,
} from '@kontor/transparency-log';
import type { Memory } from './memory.js';

/** A request that is not co-signed, with the status that the protocol gives it. */
export class NotCosigned extends Error {
  override readonly name = 'NotCosigned';
  constructor(
    readonly status: 400 | 403 | 404 | 409 | 422,
    message: string,
  ) {
    super(message);
  }
}

/** The request builds on another checkpoint than the one that was co-signed last. The log learns which that is. */
export class OtherSize extends NotCosigned {
  constructor(readonly rememberedSize: number) {
    super(409, `the last checkpoint that was co-signed has ${rememberedSize} events`);
  }
}

/** Lets a malformed part of a request be answered with a status. */
const orElse = <Result>(status: NotCosigned['status'], read: () => Result): Result => {
  try {
    return read();
  } catch (error) {
    if (error instanceof Refused) throw new NotCosigned(status, error.message);
    throw error;
  }
};

/**
 * Co-signs checkpoints of the logs that it knows, if each begins with the one before. So a log that shows two people two
 * histories finds no witness for the second.
 *
 * @source C2SP tlog-witness, "add-checkpoint": the checks, their order and their answers.
 */
export class Witness {
  /** @param logs the keys of the logs, old and new ones. @param signer makes the signer of a moment */
  constructor(
    private readonly logs: readonly LogKey[],
    private readonly memory: Memory,
    private readonly signer: (unixS: number) => Signer,
  ) {}

  /**
   * @param body as {@link parseAddCheckpoint} reads it.
   * @returns the lines of the co-signature, once they are stored.
   * @throws NotCosigned
   */
  addCheckpoint(body: string, unixS: number): string {
    const { oldSize, proof, checkpoint: note } = orElse(400, () => parseAddCheckpoint(body));
    const { text } = orElse(400, () => parseNote(note));
    const claimed = orElse(400, () => parseCheckpoint(text));
    const { origin, size } = claimed;
    if (!this.logs.some(({ verifier }) => verifier.name === origin))
      throw new NotCosigned(404, `this witness does not know the log ${JSON.stringify(origin)}`);
    // An old key does not count for a new size: whoever has stolen it finds no witness.
    orElse(403, () => openCheckpoint(note, this.logs));
    if (oldSize > size) throw new NotCosigned(400, `old ${oldSize} is larger than the checkpoint, which has ${size}`);
    const signature = this.signer(unixS).sign(text);
    this.memory.update(origin, (remembered) => {
      const old: Checkpoint = { origin, size: remembered?.size ?? 0, root: remembered?.root ?? EMPTY_ROOT };
      if (oldSize !== old.size) throw new OtherSize(old.size);
      if (!follows(old, claimed, proof)) {
        throw new NotCosigned(422, `no proof that the ${size} events begin with the ${oldSize} that were co-signed`);
      }
      return { size, root: claimed.root, note: formatNote(text, [signature]) };
    });
    return formatSignature(signature);
  }
}

const follows = (old: Checkpoint, { size, root }: Checkpoint, proof: readonly Uint8Array[]): boolean =>
  (size > 0 || equalHashes(root, EMPTY_ROOT)) &&
  verifyConsistency({ oldSize: old.size, oldRoot: old.root, size, root }, proof);
