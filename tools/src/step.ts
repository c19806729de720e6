import { spawn } from 'node:child_process';
import { performance } from 'node:perf_hooks';

/** One line of the report: what ran and how many of its parts passed and failed. */
export interface StepResult {
  readonly name: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Runs a program in `cwd` with its output on ours. @returns its exit code; 1 if a signal ended it. */
export const run = (
  command: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv = {},
): Promise<number> =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: 'inherit', env: { ...process.env, ...env } });
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });

/** Runs one check, says how long it took, and counts it as one test. */
export const step = async (name: string, body: () => Promise<boolean>): Promise<StepResult> => {
  const started = performance.now();
  const passed = await body();
  console.log(`${passed ? 'ok  ' : 'FAIL'} ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
  return { name, passed: passed ? 1 : 0, failed: passed ? 0 : 1, skipped: 0 };
};
