import {
  type Checkpoint,
  type Epoch,
  equalHashes,
  hasSigned,
  type LogKey,
  openCheckpoint,
  openNote,
  parseEpochLink,
  Refused,
  toBase64,
} from '@kontor/transparency-log';
import type { Problems } from './problems.js';

/** A checkpoint that the log must begin with. */
export interface Earlier {
  readonly where: string;
  readonly checkpoint: Checkpoint;
}

/** A signed note that was kept from earlier. */
export interface KeptNote {
  /** The file it is in; absent if it does not matter which. */
  readonly name?: string | undefined;
  readonly note: string;
}

const where = (name: string | undefined, size?: number): string =>
  `earlier checkpoint${size === undefined ? '' : ` of ${size}`}${name === undefined ? '' : ` (${name})`}`;

/**
 * Reads checkpoints that were kept: each must be signed, and of an epoch of the log. Sizes that two of them share must
 * share the root: a log that signs two trees of one size has lied to somebody.
 *
 * @param problems told of those that are not
 */
export const openEarlier = (
  kept: readonly KeptNote[],
  keys: readonly LogKey[],
  epochs: readonly Epoch[],
  problems: Problems,
): readonly Earlier[] =>
  kept.flatMap(({ name, note }) => {
    try {
      const { checkpoint } = openCheckpoint(note, keys);
      const { origin, size } = checkpoint;
      const epoch = epochs.findIndex((one) => one.origin === origin);
      if (epoch < 0) throw new Refused(`is of the log ${origin}`);
      const next = epochs[epoch + 1];
      if (next && size >= next.firstPosition) {
        const gone = `positions ${next.firstPosition} to ${size} were signed as ${origin} and are gone: `;
        problems.add(where(name, size), `${gone}the log was restored, and goes on from there as ${next.origin}`);
        return [];
      }
      return [{ where: where(name, size), checkpoint }];
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      problems.add(where(name), error.message);
      return [];
    }
  });

/**
 * Names each two checkpoints of one size and two roots: whoever holds the key has shown two histories.
 *
 * @returns the others
 */
export const findTwoHistories = (
  own: Checkpoint,
  earlier: readonly Earlier[],
  problems: Problems,
): readonly Earlier[] => {
  const keyOf = ({ origin, size }: Checkpoint): string => `${origin}\n${size}`;
  const known = new Map<string, Earlier>([[keyOf(own), { where: "the bundle's checkpoint", checkpoint: own }]]);
  return earlier.filter((one) => {
    const other = known.get(keyOf(one.checkpoint));
    if (!other) known.set(keyOf(one.checkpoint), one);
    if (!other || equalHashes(other.checkpoint.root, one.checkpoint.root)) return true;
    const [here, there] = [toBase64(one.checkpoint.root), toBase64(other.checkpoint.root)];
    problems.add(one.where, `two histories under one key: root ${here} here, ${there} in ${other.where}`);
    return false;
  });
};

/**
 * Checks how the epochs of a log are tied: each but the first by a note that a key of both has signed.
 *
 * @returns the checkpoints that the links name: the log must begin with them
 * @throws Refused if an epoch is not tied to the one before, or the checkpoint is of none
 */
export const openEpochs = (
  epochs: readonly Epoch[],
  { origin, size }: Checkpoint,
  keys: readonly LogKey[],
): readonly Earlier[] => {
  if (epochs[0]?.firstPosition !== 1) throw new Refused('the first epoch of a log begins at position 1');
  const current = epochs.findIndex((epoch) => epoch.origin === origin);
  const next = epochs[current + 1];
  if (current < 0 || (next && size >= next.firstPosition)) {
    throw new Refused(`the checkpoint of ${size} events is of ${origin}, which is not the epoch of position ${size}`);
  }
  return epochs.slice(1).map((epoch, index) => {
    const before = epochs[index];
    const name = `epoch ${epoch.origin}`;
    if (epoch.link === undefined || before === undefined) throw new Refused(`${name} is not tied to the one before`);
    const known = keys
      .map(({ verifier }) => verifier)
      .filter((key) => [before.origin, epoch.origin].includes(key.name));
    const { text, signatures } = openNote(epoch.link, known);
    const { common, origin: to, firstPosition } = parseEpochLink(text);
    const isSigned = [before.origin, epoch.origin].every((one) =>
      known.some((key) => key.name === one && hasSigned({ signatures }, key)),
    );
    if (!isSigned) throw new Refused(`${name} is not tied by a known key of ${before.origin} and of ${epoch.origin}`);
    if (common.origin !== before.origin || to !== epoch.origin || firstPosition !== epoch.firstPosition) {
      throw new Refused(`${name} is tied to another place than position ${epoch.firstPosition} of ${before.origin}`);
    }
    return { where: `link of ${name}`, checkpoint: common };
  });
};
