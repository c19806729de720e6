import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { platform } from 'node:os';

/** Fields 3 and 22 of /proc/<pid>/stat, counted behind the command name, which may itself hold blanks and brackets. */
const STAT_STATE = 0;
const STAT_START_TIME = 19;

/** @returns undefined if there is no such process */
const procStat = (pid: number): string[] | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
};

/** Whether a process with this id runs. A zombie does not: in a container nobody may ever reap it. */
export const isAlive = (pid: number): boolean => {
  if (platform() === 'linux') {
    const state = procStat(pid)?.[STAT_STATE];
    return state !== undefined && state !== 'Z' && state !== 'X';
  }
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

const ps = (pid: number, column: string): string | undefined => {
  try {
    return execFileSync('ps', ['-o', `${column}=`, '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined;
  } catch {
    return undefined; // ps answers 1 when the process is gone
  }
};

/**
 * What tells one process from a later one with the same id: the boot and the start within it.
 * @returns undefined if the process is gone or the system does not tell (Windows)
 */
export const processStartedAt = (pid: number): string | undefined => {
  if (platform() === 'win32') return undefined;
  if (platform() !== 'linux') return ps(pid, 'lstart');
  const ticks = procStat(pid)?.[STAT_START_TIME];
  return ticks && `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}/${ticks}`;
};

/** The command line of a process, blanks between the arguments; undefined if it is gone. */
export const commandLineOf = (pid: number): string | undefined => {
  if (platform() === 'win32') return undefined;
  if (platform() !== 'linux') return ps(pid, 'command');
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim() || undefined;
  } catch {
    return undefined;
  }
};

/** How often a wait for a process looks again. */
const POLL_MS = 25;

/** Ends a process that is no child of ours: `signal`, and SIGKILL when it is still there after `graceMs`. */
export const endProcess = async (pid: number, signal: NodeJS.Signals, graceMs: number): Promise<void> => {
  const startedAt = processStartedAt(pid);
  const isSame = (): boolean => isAlive(pid) && processStartedAt(pid) === startedAt;
  const gone = async (withinMs: number): Promise<boolean> => {
    const deadline = performance.now() + withinMs;
    while (isSame()) {
      if (performance.now() > deadline) return false;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    return true;
  };
  if (!isSame()) return;
  process.kill(pid, signal);
  if (await gone(graceMs)) return;
  process.kill(pid, 'SIGKILL');
  if (!(await gone(graceMs))) throw new Error(`process ${pid} does not end, not even by SIGKILL`);
};
