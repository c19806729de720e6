import { execFile, type ExecFileOptions } from 'node:child_process';
import { promisify } from 'node:util';
import { hold, release } from './leash.js';

const execute = promisify(execFile);

/**
 * Runs a program that prepares something, on the leash.
 * @returns its standard output
 * @throws what execFile throws: the error carries `stderr`, and `killed` if the time was over
 */
export const runProgram = async (
  command: string,
  args: readonly string[],
  options: ExecFileOptions = {},
): Promise<string> => {
  const running = execute(command, args, { ...options, encoding: 'utf8' });
  const { pid } = running.child;
  if (pid !== undefined) hold(pid);
  try {
    return (await running).stdout;
  } finally {
    if (pid !== undefined) release(pid);
  }
};
