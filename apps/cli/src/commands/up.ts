import { performance } from 'node:perf_hooks';
import type { CliConfig } from '../config.js';
import { type Platform, startPlatform } from '../supervisor/platform.js';
import { print } from '../print.js';
import { CommandFailed } from '../usage-error.js';

/** Why the platform stops although nothing is wrong. */
class ShutdownRequested extends Error {
  override readonly name = 'ShutdownRequested';
}

/** Aborts at the first SIGINT, SIGTERM or SIGHUP, or when the process that started this one is gone (if it left a channel). */
const shutdownSignal = (): AbortSignal => {
  const controller = new AbortController();
  const abort = (reason: string): void => {
    controller.abort(new ShutdownRequested(reason));
  };
  // The handlers stay: a second Ctrl-C while draining must not leave anything half done. What hangs is killed by its bound.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, abort);
  if (process.channel) {
    process.once('disconnect', () => {
      abort('the process that started it is gone');
    });
    process.channel.unref();
  }
  return controller.signal;
};

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    const rejectWithReason = (): void => {
      reject(signal.reason as Error);
    };
    if (signal.aborted) rejectWithReason();
    else signal.addEventListener('abort', rejectWithReason, { once: true });
  });

const printAddresses = (config: CliConfig, { addresses }: Platform): void => {
  const lines = [
    ['page', `${addresses.gateway}/`],
    ['GraphQL', `${addresses.gateway}/graphql`],
    ['MLflow', `${addresses.gateway}   (MLFLOW_TRACKING_URI)`],
    ['inference', `${addresses.serving}/v2`],
    ['data', config.dataDir],
    [
      'access',
      config.auth === 'open' ? 'open on this machine (KONTOR_AUTH=token closes it)' : 'by token (kontor token)',
    ],
  ];
  for (const [name, value] of lines) print(`${String(name).padEnd(12)} ${value}`);
};

/** Something that uses the platform while it runs here. */
export interface Visit {
  readonly run: (addresses: Platform['addresses']) => Promise<void>;
  /** Whether the platform stops when the visit is over; otherwise it stays until a signal. */
  readonly isLast: boolean;
}

/**
 * `kontor up`: runs the platform until it is asked to stop. A `visit` that fails stops it too.
 * @throws what `startPlatform` or the visit throws, or what broke later
 */
export const up = async (config: CliConfig, visit?: Visit): Promise<void> => {
  const since = performance.now();
  const signal = shutdownSignal();
  let isVisited = visit === undefined;
  try {
    const platform = await startPlatform(config, { say: print, signal });
    print(`Kontor is up after ${((performance.now() - since) / 1000).toFixed(1)} s`);
    printAddresses(config, platform);
    try {
      const over = aborted(AbortSignal.any([signal, platform.broken]));
      if (visit) await Promise.race([visit.run(platform.addresses), over]);
      isVisited = true;
      if (!visit?.isLast) await over;
    } finally {
      print('stopping');
      await platform.stop();
    }
  } catch (error) {
    if (!(error instanceof ShutdownRequested)) throw error;
    print(`stopped (${error.message})`);
    // Whoever asked for the story must not take its interruption for its end.
    if (!isVisited) throw new CommandFailed('the story was interrupted');
  }
};
