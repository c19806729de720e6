import { type Checkpoint, parseCheckpoint, formatCheckpoint } from './checkpoint.js';
import { Refused } from './note.js';

/**
 * A part of a log under one origin. A log that was restored to before a checkpoint that others hold goes on under another
 * origin: what was signed beyond the restore is lost, and nobody may take the new events for it.
 */
export interface Epoch {
  /** Stands in the leaves of this epoch, and in the checkpoints that are signed in it. */
  readonly origin: string;
  /** Counts from 1. */
  readonly firstPosition: number;
  /** The signed note that ties it to the epoch before; absent for the first. */
  readonly link?: string | undefined;
}

/** What an epoch says of the one before, signed with a key of both. */
export interface EpochLink {
  /** The last checkpoint of the epoch before that the log still begins with. */
  readonly common: Checkpoint;
  readonly origin: string;
  /** The positions before it have survived; counts from 1. */
  readonly firstPosition: number;
}

const FIRST_LINE = 'kontor/epoch-link/1';

/** The text of the note that ties two epochs. */
export const formatEpochLink = ({ common, origin, firstPosition }: EpochLink): string =>
  `${FIRST_LINE}\n${formatCheckpoint(common)}${origin}\n${firstPosition}\n`;

/** @throws Refused if it is none */
export const parseEpochLink = (text: string): EpochLink => {
  const [first, oldOrigin = '', size = '', root = '', origin = '', position = '', ...rest] = text.split('\n');
  if (first !== FIRST_LINE || origin === '' || !/^[1-9]\d{0,14}$/.test(position) || rest.join('\n') !== '') {
    throw new Refused(
      `a link of epochs has the lines "${FIRST_LINE}", old origin, size, root, new origin and position`,
    );
  }
  const common = parseCheckpoint(`${oldOrigin}\n${size}\n${root}\n`);
  if (common.size >= Number(position)) throw new Refused('an epoch begins after the last common checkpoint');
  return { common, origin, firstPosition: Number(position) };
};

/** The epoch of a position: the last one that has begun. `epochs` in order, the first one begins at 1. */
export const epochAt = (epochs: readonly Epoch[], position: number): Epoch | undefined =>
  epochs.findLast(({ firstPosition }) => firstPosition <= position);
