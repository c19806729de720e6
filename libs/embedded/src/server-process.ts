import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { hold, release } from './leash.js';

/** The identity that a child takes; absent = the identity of this process. */
export interface ProcessUser {
  readonly uid: number;
  readonly gid: number;
}

/** How a child ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A server that is up. */
export interface RunningServer {
  /** Address with user and password. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Resolves when the process has ended, for whatever reason; never rejects. */
  readonly exited: Promise<Exit>;
  /** Clean shutdown; SIGKILL after a bounded time. Resolves when the process is gone; may be called twice. */
  stop(): Promise<void>;
}

/** Lines of a dying server that its error message repeats. */
const TAIL_LINES = 12;

/** PostgreSQL writes a checkpoint at shutdown: up to 128 MiB of dirty buffers, seconds on a slow disk. */
const STOP_GRACE_MS = 20_000;

/** How often readiness is looked at. */
const READY_POLL_MS = 20;

/** A server that ended, or was not ready in time, with the last lines it wrote. */
export class ServerStartError extends Error {
  override readonly name = 'ServerStartError';
  constructor(
    message: string,
    readonly output: string,
  ) {
    super(output ? `${message}\n${output}` : message);
  }
}

export interface ServerProcess {
  readonly pid: number;
  readonly exited: Promise<Exit>;
  stop(): Promise<void>;
  /** Waits until `isReady` answers true. @throws ServerStartError when the process ends first or `timeoutMs` is over */
  ready(isReady: () => Promise<boolean>, timeoutMs: number): Promise<void>;
}

/**
 * Spawns a server on the leash (see leash.ts); its lines go to `log`. The working directory is `/`, because the user it runs
 * as may not enter the current one.
 * @throws ServerStartError if the executable cannot be started
 */
export const spawnServer = async (options: {
  name: string;
  command: string;
  args: readonly string[];
  user?: ProcessUser | undefined;
  log: (line: string) => void;
}): Promise<ServerProcess> => {
  const { name, command, args, user, log } = options;
  // A group of its own: Ctrl-C in a terminal must reach the supervisor only, which then drains in order.
  const child = spawn(command, args, { ...user, cwd: '/', detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const tail: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on('line', (line) => {
      tail.push(line);
      if (tail.length > TAIL_LINES) tail.shift();
      log(line);
    });
  const exited = new Promise<Exit>((resolve) => {
    // 'close' and not 'exit': the last lines, which say why, have been read by then.
    child.once('close', (code, signal) => {
      if (child.pid !== undefined) release(child.pid);
      resolve({ code, signal });
    });
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) => {
      reject(new ServerStartError(`${name}: ${command} cannot be started: ${error.message}`, ''));
    });
  });
  const { pid } = child;
  if (pid === undefined) throw new ServerStartError(`${name}: ${command} has no process id`, '');
  hold(pid);
  let ended: Exit | undefined;
  void exited.then((exit) => (ended = exit));

  const stop = async (): Promise<void> => {
    if (ended) return;
    child.kill('SIGINT');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_GRACE_MS);
    await exited;
    clearTimeout(timer);
  };
  const ready = async (isReady: () => Promise<boolean>, timeoutMs: number): Promise<void> => {
    const deadline = performance.now() + timeoutMs;
    while (!(await isReady())) {
      if (ended) {
        const how = ended.signal ?? `exit code ${ended.code}`;
        throw new ServerStartError(`${name} ended while starting (${how})`, tail.join('\n'));
      }
      if (performance.now() > deadline) {
        await stop();
        throw new ServerStartError(`${name} was not ready within ${timeoutMs} ms`, tail.join('\n'));
      }
      await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
    }
  };
  return { pid, exited, stop, ready };
};
