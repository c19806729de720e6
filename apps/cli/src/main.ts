import { CommanderError } from 'commander';
import { DataDirectoryInUse, ServerRefused, ServerStartError } from '@kontor/embedded';
import { program } from './program.js';
import { CommandFailed, UsageError } from './usage-error.js';

/** A wrong argument or setting: nothing was done, and doing it again changes nothing. */
const USAGE_EXIT_CODE = 2;

/** Their messages say all; the stack of any other error is for whoever repairs the bug. */
const EXPECTED = [CommandFailed, DataDirectoryInUse, ServerRefused, ServerStartError] as const;

/** Commander has already told the person what was wrong, with a suggestion; asking for help is no error. */
const exitCodeOf = (error: CommanderError): number => (error.exitCode === 0 ? 0 : USAGE_EXIT_CODE);

// `kontor events | head` closes the pipe. Whoever writes notices by `stdout.writable`; for `kontor up` it is no reason to stop.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

try {
  process.exitCode = await program().parse(process.argv);
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = exitCodeOf(error);
  else if (error instanceof UsageError) {
    console.error(`kontor: ${error.message}`);
    process.exitCode = USAGE_EXIT_CODE;
  } else {
    const isExpected = EXPECTED.some((kind) => error instanceof kind);
    console.error('kontor:', isExpected ? (error as Error).message : error);
    process.exitCode = 1;
  }
}
