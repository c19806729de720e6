import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { LoadRequest, LoadResult } from './http-load.js';

const program = fileURLToPath(new URL('./http-load.js', import.meta.url));

export interface LoadOptions {
  readonly url: string;
  readonly requests: readonly LoadRequest[];
  readonly connections: number;
  readonly seconds: number;
  /** A connection per call instead of one that is kept. */
  readonly isFresh?: boolean;
}

/** Sends requests in turns from a process of its own. */
export const load = async (options: LoadOptions): Promise<LoadResult> => {
  const { url, requests, connections, seconds, isFresh = false } = options;
  const directory = await mkdtemp(join(tmpdir(), 'kontor-load-'));
  try {
    const file = join(directory, 'requests.json');
    await writeFile(file, JSON.stringify(requests));
    const args = [program, url, file, `${connections}`, `${seconds}`, isFresh ? 'fresh' : 'kept'];
    const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 64 * 2 ** 20 });
    return JSON.parse(stdout) as LoadResult;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
};
