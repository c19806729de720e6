import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DataDirectoryInUse, lockDataDirectory, lockHolder } from './data-directory-lock.js';
import { processStartedAt } from './process-identity.js';

describe('the lock of a data directory', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'kontor-lock-'));
  });
  afterEach(async () => {
    await rm(directory, { recursive: true });
  });

  it('refuses a second start with process id and address of the first', async () => {
    const lock = await lockDataDirectory(directory);
    await lock.announce('http://127.0.0.1:4000');
    const refused = await lockDataDirectory(directory).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(DataDirectoryInUse);
    expect((refused as Error).message).toContain(`process ${process.pid}, at http://127.0.0.1:4000`);
  });

  it('is free after its release, and nothing stays behind', async () => {
    await (await lockDataDirectory(directory)).release();
    expect(await lockHolder(directory)).toBeUndefined();
    expect(await readdir(directory)).toEqual([]);
    await (await lockDataDirectory(directory)).release();
  });

  it('is taken over from a process that was killed', async () => {
    const child = spawn('sleep', ['600'], { stdio: 'ignore' });
    await once(child, 'spawn');
    const pid = child.pid ?? 0;
    await writeFile(join(directory, 'kontor.lock.7'), JSON.stringify({ pid, startedAt: processStartedAt(pid) }));
    await expect(lockDataDirectory(directory)).rejects.toThrow(`process ${pid}`);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await lockDataDirectory(directory);
    expect(await readdir(directory)).toEqual(['kontor.lock.8']);
  });

  it('is taken over when the process id belongs to another program now', async () => {
    await writeFile(join(directory, 'kontor.lock.1'), JSON.stringify({ pid: process.pid, startedAt: 'boot-0/1' }));
    await lockDataDirectory(directory);
    expect(await lockHolder(directory)).toEqual({ pid: process.pid, startedAt: processStartedAt(process.pid) });
  });

  it('is taken over when a power failure left it empty', async () => {
    await writeFile(join(directory, 'kontor.lock.1'), '');
    await lockDataDirectory(directory);
    expect((await lockHolder(directory))?.pid).toBe(process.pid);
  });

  it('goes to exactly one of twenty that find it stale at once', async () => {
    for (let round = 0; round < 20; round++) {
      await rm(directory, { recursive: true });
      const first = await lockDataDirectory(directory);
      await first.release();
      await writeFile(join(directory, 'kontor.lock.3'), JSON.stringify({ pid: process.pid, startedAt: 'boot-0/1' }));
      const results = await Promise.allSettled(Array.from({ length: 20 }, () => lockDataDirectory(directory)));
      expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
    }
  });
});
