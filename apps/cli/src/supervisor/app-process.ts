import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type Exit, hold, release } from '@kontor/embedded';
import { z } from 'zod';
import { CommandFailed, UsageError } from '../usage-error.js';
import { describeExit, type Running } from './component.js';
import { openLog } from './log-file.js';

/** Folders of apps/ that `kontor up` runs. */
export type AppName = 'registry' | 'deployment' | 'monitoring' | 'governance' | 'gateway' | 'serving';

const readyMessage = z.object({ ready: z.literal(true) });

/** Migrations and the loading of models happen before an app is ready, on a busy machine six at a time. */
const READY_TIMEOUT_MS = 120_000;

/** An app answers its open requests, then ends by itself. */
const STOP_GRACE_MS = 10_000;

/** An app ends with it when a setting is wrong, after one line for each. @source libs/service/src/lifecycle.ts */
const USAGE_EXIT_CODE = 2;

/**
 * Node would let the space of what is young grow to 64 MiB and more, and keep it. With 8 MiB a half, the gateway and the registry
 * at rest take some 300 MiB instead of 360, and no more CPU for a request. @source our benchmark, `npm run bench -- mlflow`
 */
const YOUNG_SPACE = '--max-semi-space-size=8';

/** Lines of a dying app that its error message repeats. */
const TAIL_LINES = 12;

/** The compiled entry of an app. */
export const mainOf = (app: AppName): string => fileURLToPath(new URL(`../../../${app}/dist/main.js`, import.meta.url));

/**
 * Starts an app's `main` with an IPC channel and waits until it says `{ ready: true }`. It ends when the channel does; should
 * it hang, the leash ends it. `signal` ends it while it is starting. Its output goes to `<dataDir>/logs/<name>.log`.
 * @throws UsageError if it says that a setting is wrong; CommandFailed, with its last lines, if it ends first for another
 * reason or is not ready within 2 min
 */
export const startApp = async (options: {
  name: string;
  main: string;
  dataDir: string;
  environment: NodeJS.ProcessEnv;
  signal: AbortSignal;
}): Promise<Running> => {
  const { name, main, signal } = options;
  // A group of its own: Ctrl-C in a terminal must reach the supervisor only, which then drains in order.
  const stdio: ('ignore' | 'pipe' | 'ipc')[] = ['ignore', 'pipe', 'pipe', 'ipc'];
  const child = fork(main, [], {
    ...{ env: options.environment, execArgv: [...process.execArgv, YOUNG_SPACE] },
    ...{ stdio, detached: true },
  });
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
      log.close();
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
  const abort = (): void => void child.kill('SIGKILL'); // it has not begun to work
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort);
  const outcome = await new Promise<Exit | 'ready' | 'late'>((resolve) => {
    const timer = setTimeout(resolve, READY_TIMEOUT_MS, 'late');
    const settle = (how: Exit | 'ready'): void => {
      clearTimeout(timer);
      resolve(how);
    };
    void exited.then(settle);
    child.on('message', (message) => {
      if (readyMessage.safeParse(message).success) settle('ready');
    });
  });
  signal.removeEventListener('abort', abort);
  if (outcome === 'ready') return { pid, exited, stop };
  await stop();
  signal.throwIfAborted();
  if (outcome !== 'late' && outcome.code === USAGE_EXIT_CODE) throw new UsageError(`${name}: ${tail.join('\n')}`);
  const what = outcome === 'late' ? `was not ready within ${READY_TIMEOUT_MS} ms` : `ended (${describeExit(outcome)})`;
  throw new CommandFailed([`${name} ${what} while starting; its last lines:`, ...tail].join('\n  '));
};
