// Plain JavaScript, like the two programs that import it: they run before anything is compiled.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { clearInterval, setInterval } from 'node:timers';

/** How often an end is looked for: unnoticed by a person, and too seldom to cost anything. */
const POLL_MS = 500;

/** Fields of /proc/<pid>/stat behind the command name, which may itself hold blanks and brackets. */
const STATE = 0;
const PARENT = 1;
const START_TIME = 19;

const onLinux = (pid) => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const end = stat.lastIndexOf(')');
  const fields = stat.slice(end + 2).split(' ');
  if (fields[STATE] === 'Z' || fields[STATE] === 'X') return undefined; // dead; in a container perhaps never reaped
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return {
    command: stat.slice(stat.indexOf('(') + 1, end),
    parent: Number(fields[PARENT]),
    startedAt: `${boot}/${fields[START_TIME]}`,
  };
};

const elsewhere = (pid) => {
  const column = (name) => execFileSync('ps', ['-o', `${name}=`, '-p', String(pid)], { encoding: 'utf8' }).trim();
  return {
    command: column('comm'),
    parent: Number(column('ppid')),
    startedAt: column('lstart').replaceAll(/\s+/g, '-'),
  };
};

const onWindows = (pid) => {
  process.kill(pid, 0);
  return { command: '', parent: 0, startedAt: '' };
};

/** @returns command, parent and start of a process; undefined if there is none with this id */
const lookUp = (pid) => {
  try {
    if (process.platform === 'linux') return onLinux(pid);
    return process.platform === 'win32' ? onWindows(pid) : elsewhere(pid);
  } catch {
    return undefined; // gone, also between two looks
  }
};

/** A process id with what tells it from a later process with the same id; without blanks. */
export const nameProcess = (pid) => `${pid}@${lookUp(pid)?.startedAt ?? ''}`;

/** Whether the process that `nameProcess` named still runs. */
export const isRunning = (name) => {
  const [pid, startedAt] = name.split('@');
  const now = lookUp(Number(pid));
  return now !== undefined && now.startedAt === startedAt;
};

/**
 * Calls `gone` once when the npm that runs this program is no more. npm hands on the signals it gets, but kill -9 leaves it no
 * time to; then this program, or the shell that npm puts in between, gets another parent.
 *
 * To be called only where npm's end means the program's: what a shell started (`nohup … &`) may outlive that shell. On Windows,
 * where a process keeps the id of a dead parent, nothing is watched.
 */
export const onRunnerGone = (gone) => {
  if (process.platform === 'win32') return;
  const parent = process.ppid;
  const between = lookUp(parent);
  const runner = between && /sh$/.test(between.command) ? between.parent : undefined;
  const timer = setInterval(() => {
    if (process.ppid === parent && (runner === undefined || lookUp(parent)?.parent === runner)) return;
    clearInterval(timer);
    gone();
  }, POLL_MS);
  timer.unref();
};
