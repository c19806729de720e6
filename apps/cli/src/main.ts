import { CommanderError } from 'commander';
import { DataDirectoryInUse, ServerRefused, ServerStartError, SettingRefused } from '@kontor/embedded';
import { ArchiveDamaged, ArchiveMissing, ArchiveRefused, DatabaseRefused, MigrationRefused } from '@kontor/event-store';
import { StreamRefused } from '@kontor/messaging';
import { program } from './program.js';
import { CommandFailed, UsageError } from './usage-error.js';

/** A wrong argument or setting: nothing was done, and doing it again changes nothing. */
const USAGE_EXIT_CODE = 2;

const USAGE = [UsageError, SettingRefused] as const;

/** Their messages say all; the stack of any other error is for whoever repairs the bug. */
const EXPECTED = [
  ArchiveDamaged,
  ArchiveMissing,
  ArchiveRefused,
  CommandFailed,
  DataDirectoryInUse,
  DatabaseRefused,
  MigrationRefused,
  ServerRefused,
  ServerStartError,
  StreamRefused,
] as const;

/** What the system refuses: rights, a full disk, a limit. The message names the file, and no program can repair it. */
const REFUSED_BY_SYSTEM: readonly unknown[] = ['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT', 'EMFILE'];

/** Commander has already told the person what was wrong, with a suggestion; asking for help is no error. */
const exitCodeOf = (error: CommanderError): number => (error.exitCode === 0 ? 0 : USAGE_EXIT_CODE);

// `kontor events | head` closes the pipe. Whoever writes notices by `stdout.writable`; for `kontor up` it is no reason to stop.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

/** Tells the person. @returns the exit code */
const report = (error: unknown): number => {
  if (error instanceof CommanderError) return exitCodeOf(error);
  const isUsage = USAGE.some((kind) => error instanceof kind);
  const isRefused = error instanceof Error && 'code' in error && REFUSED_BY_SYSTEM.includes(error.code);
  const isExpected = isUsage || isRefused || EXPECTED.some((kind) => error instanceof kind);
  console.error('kontor:', isExpected ? (error as Error).message : error);
  return isUsage ? USAGE_EXIT_CODE : 1;
};

try {
  process.exitCode = await program().parse(process.argv);
} catch (error) {
  // What is still open, such as a connection to a server that never answers, must not keep a failed command alive.
  process.exit(report(error));
}
