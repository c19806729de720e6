import { randomBytes } from 'node:crypto';
import { link, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureDirectory, unusable } from './directory.js';
import { isAlive, processStartedAt } from './process-identity.js';
import { unlessMissing } from './unless-missing.js';

/** What a lock file says about its holder. */
export interface LockHolder {
  readonly pid: number;
  /** See processStartedAt; absent where the system does not tell. */
  readonly startedAt?: string;
  /** Where the holder can be reached, once it is up. */
  readonly address?: string;
}

/** Somebody else holds the lock and runs. */
export class DataDirectoryInUse extends Error {
  override readonly name = 'DataDirectoryInUse';
  constructor(
    readonly directory: string,
    readonly holder: LockHolder,
  ) {
    const where = holder.address === undefined ? 'still starting' : `at ${holder.address}`;
    super(`${directory} is in use by process ${holder.pid}, ${where}: stop it, or set KONTOR_DATA_DIR to another`);
  }
}

export interface DataDirectoryLock {
  /** Writes the address that a refused second start shows. */
  announce(address: string): Promise<void>;
  /** Gives the directory free. */
  release(): Promise<void>;
}

/**
 * Whether a lock is held: its process exists and is the one that wrote it. A process id is given out again sooner or later;
 * the time of its start tells the two apart.
 * @param startedAt of the process that has the id now; undefined if the system does not tell
 */
export const isHeld = (holder: LockHolder, now: { alive: boolean; startedAt: string | undefined }): boolean => {
  if (!now.alive) return false;
  if (holder.startedAt === undefined || now.startedAt === undefined) return true;
  return holder.startedAt === now.startedAt;
};

const LOCK_FILE = /^kontor\.lock\.(\d+)$/;

interface Found {
  readonly generation: number;
  /** undefined if the process that wrote it is gone. */
  readonly holder: LockHolder | undefined;
}

const nameOf = (generation: number): string => `kontor.lock.${generation}`;

/** undefined if the file is gone, or empty after a power failure: in a running system it has its whole content or does not exist. */
const readHolder = async (file: string): Promise<LockHolder | undefined> => {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as LockHolder;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
};

/** The newest generation, and its holder if that one runs. */
const newest = async (directory: string): Promise<Found | undefined> => {
  const generations = (await readdir(directory)).flatMap((name) => LOCK_FILE.exec(name)?.[1] ?? []).map(Number);
  if (generations.length === 0) return undefined;
  const generation = Math.max(...generations);
  const written = await readHolder(join(directory, nameOf(generation)));
  const isRunning =
    written && isHeld(written, { alive: isAlive(written.pid), startedAt: processStartedAt(written.pid) });
  return { generation, holder: isRunning ? written : undefined };
};

/**
 * The holder of a data directory's lock; undefined if nobody runs there.
 * @throws SettingRefused if it is no directory or cannot be read
 */
export const lockHolder = async (directory: string): Promise<LockHolder | undefined> => {
  const found = await unlessMissing(newest(directory)).catch((error: unknown) => {
    throw unusable('KONTOR_DATA_DIR', directory, error as Error);
  });
  return found?.holder;
};

/** Two starts at the same moment make each other look again; more than a few rounds would be a fault. */
const ATTEMPTS = 10;

/**
 * Takes the lock of a data directory, which is made if it does not exist. The lock is the file `kontor.lock.<n>` with the highest
 * n. A stale one is not removed but outbid by n + 1, made by link(2): it appears with its content or not at all, and for one of
 * two only. Replacing a stale file would need two steps, and a third process between them.
 * @throws DataDirectoryInUse with process id and address of the holder; SettingRefused if nothing can be written there
 */
export const lockDataDirectory = async (directory: string): Promise<DataDirectoryLock> => {
  await ensureDirectory('KONTOR_DATA_DIR', directory);
  const startedAt = processStartedAt(process.pid);
  const self: LockHolder = { pid: process.pid, ...(startedAt !== undefined && { startedAt }) };
  const draft = join(directory, `kontor.lock-${randomBytes(6).toString('hex')}`);
  const write = (holder: LockHolder) => writeFile(draft, `${JSON.stringify(holder)}\n`);

  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const found = await newest(directory);
    if (found?.holder) throw new DataDirectoryInUse(directory, found.holder);
    const generation = (found?.generation ?? 0) + 1;
    const file = join(directory, nameOf(generation));
    try {
      await write(self);
      await link(draft, file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw unusable('KONTOR_DATA_DIR', directory, error as Error); // a full disk, or one without links
    } finally {
      await rm(draft, { force: true });
    }
    // Somebody may have outbid a lock that was gone before we looked.
    if ((await newest(directory))?.generation !== generation) {
      await rm(file, { force: true });
      continue;
    }
    for (const name of await readdir(directory)) {
      const older = LOCK_FILE.exec(name)?.[1];
      if (older !== undefined && Number(older) < generation) await rm(join(directory, name), { force: true });
    }
    return {
      announce: async (address) => {
        await write({ ...self, address });
        await rename(draft, file);
      },
      release: () => rm(file, { force: true }),
    };
  }
  throw new Error(`${directory}: its lock changes hands all the time`);
};
