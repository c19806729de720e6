import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { CliConfig } from '../config.js';
import type { RunFile } from '../supervisor/run-file.js';
import { readerUrl } from './log-database.js';

/** Exit code of a process that a signal ended, as shells report it. */
const SIGNAL_EXIT_BASE = 128;

/** Runs a program of the gateway with the gateway's own rights. @returns its exit code */
const runGatewayProgram = async (
  program: 'replay' | 'rebuild',
  args: readonly string[],
  config: CliConfig,
  run: Pick<RunFile, 'addresses'>,
): Promise<number> => {
  const main = fileURLToPath(new URL(`../../../gateway/dist/${program}.js`, import.meta.url));
  const env = { ...config.environment, KONTOR_PG_URL: await readerUrl(config, run), KONTOR_DATA_DIR: config.dataDir };
  const child = spawn(process.execPath, [main, ...args], { env, stdio: 'inherit' });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => {
      resolve(code ?? SIGNAL_EXIT_BASE);
    });
  });
};

/**
 * `kontor replay --verify`: folds the log into every read model beside the live ones and compares them.
 * @returns the exit code: 0 only if all are identical
 */
export const replay = (config: CliConfig, run: Pick<RunFile, 'addresses'>): Promise<number> =>
  runGatewayProgram('replay', ['--verify'], config, run);

/**
 * `kontor rebuild <projection>`: makes a read model anew from the log while the old rows serve, compares and swaps.
 * @returns the exit code: 0; 1 if it failed or the rows that it replaced were not what the log gives; 2 for a wrong name
 */
export const rebuild = (name: string, config: CliConfig, run: Pick<RunFile, 'addresses'>): Promise<number> =>
  runGatewayProgram('rebuild', [name], config, run);
