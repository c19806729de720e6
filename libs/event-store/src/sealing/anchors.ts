import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { parseNote } from '@kontor/transparency-log';
import type pg from 'pg';
import { LogRewound } from '../errors.js';
import { readHead } from '../read-all.js';
import { readSealOf, type Seal } from './seal-store.js';

/** 2^53 has 16 digits, so that names sort as sizes do. */
const SIZE_DIGITS = 16;
const SUFFIX = '.checkpoint';

/** A folder outside the database with every checkpoint that was published, a file each. */
export interface Anchors {
  /** Keeps a checkpoint; returns when it is on the disk. One that is there may only grow by signatures. */
  keep(seal: Pick<Seal, 'size' | 'note'>): void;
  /** The newest one that is kept. */
  newest(): { readonly size: number; readonly note: string } | undefined;
}

/**
 * Opens `<directory>/<origin>`, with `/` written as `_`: each epoch has a folder of its own, so that no file is ever
 * written over by another history.
 */
export const openAnchors = (directory: string, origin: string): Anchors => {
  const folder = join(directory, origin.replaceAll('/', '_'));
  mkdirSync(folder, { recursive: true });
  const pathOf = (size: number): string => join(folder, `${String(size).padStart(SIZE_DIGITS, '0')}${SUFFIX}`);
  return {
    keep: ({ size, note }) => {
      const path = pathOf(size);
      if (existsSync(path)) {
        const kept = readFileSync(path, 'utf8');
        if (kept.startsWith(note)) return;
        if (!note.startsWith(kept)) throw new LogRewound(size, `${path} holds another checkpoint of that size`);
      }
      const draft = `${path}.${process.pid}`;
      writeDurably(draft, note);
      renameSync(draft, path);
      syncFolder(folder);
    },
    newest: () => {
      const name = readdirSync(folder)
        .filter((one) => one.endsWith(SUFFIX))
        .sort()
        .at(-1);
      return name === undefined
        ? undefined
        : { size: Number(name.slice(0, -SUFFIX.length)), note: readFileSync(join(folder, name), 'utf8') };
    },
  };
};

/**
 * Refuses a database that is not the one whose checkpoints were kept: a backup from before, or another history.
 *
 * @throws LogRewound
 */
export const refuseRewound = async (pool: pg.Pool, anchors: Pick<Anchors, 'newest'>): Promise<void> => {
  const kept = anchors.newest();
  if (!kept) return;
  const head = await readHead(pool);
  if (head < BigInt(kept.size)) throw new LogRewound(kept.size, `the log ends at position ${head}`);
  const seal = await readSealOf(pool, kept.size);
  if (!seal) throw new LogRewound(kept.size, 'the database does not know it');
  if (parseNote(seal.note).text !== parseNote(kept.note).text) {
    throw new LogRewound(kept.size, 'the database holds another one of that size');
  }
};

const writeDurably = (path: string, text: string): void => {
  const file = openSync(path, 'w', 0o644);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
};

/** A rename is durable when its folder is. */
const syncFolder = (folder: string): void => {
  const file = openSync(folder, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
};
