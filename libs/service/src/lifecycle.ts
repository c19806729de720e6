import { ConfigError } from './define-config.js';

/** Longer than any request: a process that hangs while it drains is ended. */
const DRAIN_MS = 10_000;
const USAGE_EXIT_CODE = 2;

/** A process that runs until it is asked to stop. */
export interface Running {
  /** Addresses for the process that started this one. */
  readonly addresses?: Readonly<Record<string, string>>;
  /** Takes nothing new, finishes what was begun. */
  stop(): Promise<void>;
  /** Rejects when the process cannot go on: a restart is better then. */
  readonly failed?: Promise<never>;
}

/** Never returns. */
const fail = (error: unknown): never => {
  const isUsage = error instanceof ConfigError;
  process.stderr.write(`${isUsage ? error.message : error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(isUsage ? USAGE_EXIT_CODE : 1);
};

/**
 * Starts a process and tells its parent, then waits for SIGTERM, SIGINT or the end of the channel to the parent, so
 * that no child outlives it.
 *
 * A wrong setting ends the process with exit code 2 and one line per variable; any other failure with its stack.
 */
export const runProcess = async (start: () => Promise<Running>): Promise<void> => {
  const running = await start().catch(fail);
  running.failed?.catch(fail);
  let stopping = false;
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    setTimeout(() => process.exit(1), DRAIN_MS).unref();
    running.stop().then(() => process.exit(0), fail);
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  process.once('disconnect', stop);
  process.send?.({ ready: true, addresses: running.addresses ?? {} });
};
