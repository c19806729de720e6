import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, renameSync, statSync, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Exit, hold, release } from '@kontor/embedded';
import { z } from 'zod';
import { CommandFailed } from '../usage-error.js';
import { describeExit, type Running } from './component.js';

/** Folders of apps/ that `kontor up` runs. */
export type AppName = 'registry' | 'deployment' | 'monitoring' | 'governance' | 'gateway' | 'serving';

const readyMessage = z.object({ ready: z.literal(true) });

/** Migrations and the loading of models happen before an app is ready, on a busy machine six at a time. */
const READY_TIMEOUT_MS = 120_000;

/** An app answers its open requests, then ends by itself. */
const STOP_GRACE_MS = 10_000;

/** One old file is kept beside the current one. */
const LOG_LIMIT_BYTES = 10 * 1024 * 1024;

/** Lines of a dying app that its error message repeats. */
const TAIL_LINES = 12;

/** Appends to `<dataDir>/logs/<name>.log`; a file above 10 MiB becomes `.1` first. */
export const openLog = (dataDir: string, name: string): WriteStream => {
  const directory = join(dataDir, 'logs');
  mkdirSync(directory, { recursive: true });
  const file = join(directory, `${name}.log`);
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size > LOG_LIMIT_BYTES) renameSync(file, `${file}.1`);
  return createWriteStream(file, { flags: 'a' });
};

/** The compiled entry of an app. */
export const mainOf = (app: AppName): string => fileURLToPath(new URL(`../../../${app}/dist/main.js`, import.meta.url));

/**
 * Starts an app's `main` with an IPC channel and waits until it says `{ ready: true }`. It ends when the channel does; should
 * it hang, the leash ends it. Its output goes to `<dataDir>/logs/<name>.log`.
 * @throws if it ends first, or is not ready within 2 min, with its last lines
 */
export const startApp = async (options: {
  name: string;
  main: string;
  dataDir: string;
  environment: NodeJS.ProcessEnv;
}): Promise<Running> => {
  const { name, main } = options;
  // A group of its own: Ctrl-C in a terminal must reach the supervisor only, which then drains in order.
  const stdio: ('ignore' | 'pipe' | 'ipc')[] = ['ignore', 'pipe', 'pipe', 'ipc'];
  const child = fork(main, [], { env: options.environment, stdio, detached: true });
  const log = openLog(options.dataDir, name);
  const tail: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => {
      log.write(chunk);
      tail.push(...chunk.toString().split('\n').filter(Boolean));
      tail.splice(0, tail.length - TAIL_LINES);
    });
  const exited = new Promise<Exit>((resolve) => {
    child.once('close', (code, signal) => {
      if (child.pid !== undefined) release(child.pid);
      log.end();
      resolve({ code, signal });
    });
  });
  await once(child, 'spawn');
  const { pid } = child;
  if (pid === undefined) throw new Error(`${name} has no process id`);
  hold(pid);

  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_GRACE_MS);
    await exited;
    clearTimeout(timer);
  };
  const outcome = await new Promise<Exit | 'ready' | 'late'>((resolve) => {
    const timer = setTimeout(resolve, READY_TIMEOUT_MS, 'late');
    void exited.then(resolve);
    child.on('message', (message) => {
      if (!readyMessage.safeParse(message).success) return;
      clearTimeout(timer);
      resolve('ready');
    });
  });
  if (outcome === 'ready') return { pid, exited, stop };
  await stop();
  const what =
    outcome === 'late' ? `was not ready within ${String(READY_TIMEOUT_MS)} ms` : `ended (${describeExit(outcome)})`;
  throw new CommandFailed([`${name} ${what} while starting; its last lines:`, ...tail].join('\n  '));
};
