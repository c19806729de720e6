import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockDataDirectory } from './data-directory-lock.js';
import { ensureDirectory } from './directory.js';

describe('a directory that a setting names', () => {
  let home: string;
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'kontor-directory-'));
  });
  afterEach(async () => {
    await chmod(home, 0o700);
    await rm(home, { recursive: true });
  });

  it('is made with those above it, once, with its mode', async () => {
    const directory = join(home, 'a', 'b c', 'ü');
    await Promise.all([1, 2, 3].map(() => ensureDirectory('KONTOR_KEYS_DIR', directory, 0o700)));
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
  });

  it.runIf(process.platform === 'linux')('is refused below /proc, where none can be made', async () => {
    await expect(ensureDirectory('KONTOR_DATA_DIR', '/proc/kontor/data')).rejects.toThrow(
      /^KONTOR_DATA_DIR: "\/proc\/kontor\/data" cannot be used \(.*\); allowed is a directory that this user may read and write$/,
    );
  });

  it('is refused when a file stands in its place or above it', async () => {
    const file = join(home, 'file');
    await writeFile(file, '');
    for (const directory of [file, join(file, 'data')])
      await expect(lockDataDirectory(directory)).rejects.toThrow(`KONTOR_DATA_DIR: "${directory}" cannot be used`);
  });

  it.runIf(process.getuid?.() !== 0)('is refused when this user may not write there', async () => {
    await chmod(home, 0o500);
    for (const directory of [home, join(home, 'data')])
      await expect(lockDataDirectory(directory)).rejects.toThrow(`KONTOR_DATA_DIR: "${directory}" cannot be used`);
  });
});
