import { isAlive, lockHolder, processStartedAt } from '@kontor/embedded';
import { print } from '../print.js';
import { CommandFailed } from '../usage-error.js';

/** The supervisor gives apps 10 s and servers 20 s to end. */
const DRAIN_TIMEOUT_MS = 60_000;
const POLL_MS = 50;

/** `kontor down`: asks the platform on a data directory to drain, and waits until it has. Does nothing if none runs. */
export const down = async (dataDir: string): Promise<void> => {
  const holder = await lockHolder(dataDir);
  if (!holder) {
    print(`nothing runs on ${dataDir}`);
    return;
  }
  try {
    process.kill(holder.pid, 'SIGTERM');
  } catch (error) {
    // ESRCH: it has just ended by itself.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH')
      throw new CommandFailed(
        `process ${holder.pid} on ${dataDir} cannot be asked to stop (${(error as Error).message}): it belongs to another user`,
        { cause: error },
      );
  }
  const deadline = performance.now() + DRAIN_TIMEOUT_MS;
  while (isAlive(holder.pid) && processStartedAt(holder.pid) === holder.startedAt) {
    if (performance.now() > deadline)
      throw new CommandFailed(`process ${holder.pid} has not ended within ${DRAIN_TIMEOUT_MS / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  print(`stopped process ${holder.pid} on ${dataDir}`);
};
