import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { CliConfig } from '../config.js';
import type { RunFile } from '../supervisor/run-file.js';
import { readerUrl } from './log-database.js';

/** Exit code of a process that a signal ended, as shells report it. */
const SIGNAL_EXIT_BASE = 128;

/**
 * `kontor replay --verify`: rebuilds every read model from the log beside the live ones and compares them, in a process of the
 * gateway with the gateway's own rights.
 * @returns the exit code of that process: 0 only if all are identical
 */
export const replay = async (config: CliConfig, run: Pick<RunFile, 'addresses'>): Promise<number> => {
  const main = fileURLToPath(new URL('../../../gateway/dist/replay.js', import.meta.url));
  const env = { ...config.environment, KONTOR_PG_URL: await readerUrl(config, run), KONTOR_DATA_DIR: config.dataDir };
  const child = spawn(process.execPath, [main, '--verify'], { env, stdio: 'inherit' });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => {
      resolve(code ?? SIGNAL_EXIT_BASE);
    });
  });
};
