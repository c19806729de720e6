import { setTimeout as delay } from 'node:timers/promises';

/** Long enough not to spin while PostgreSQL or NATS restarts, short enough that nobody waits for it. */
const RESTART_MS = 1000;

/** A part without end has no other sign of success than that it goes on. */
const STEADY_MS = 5000;

export interface KeepRunningOptions {
  /** Begins the problem that readiness shows. */
  readonly name: string;
  /** Works until the signal aborts. */
  readonly run: () => Promise<void>;
  readonly signal: AbortSignal;
  /** Told each time the part failed. */
  readonly onFailure: (error: unknown) => void;
  /** How long to wait after a failure. */
  readonly restartMs?: number;
  /** How long the part must run without failing until the last failure counts as over. */
  readonly steadyMs?: number;
}

/** Waits, or less if the signal aborts. */
export const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  delay(ms, undefined, { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });

/**
 * Runs a part again and again until the signal aborts, whatever it throws.
 *
 * @returns `ended`, which resolves when the part has stopped, and `problem`: the last failure, from when it happens
 * until the part has run for `steadyMs` without another.
 */
export const keepRunning = ({
  name,
  run,
  signal,
  onFailure,
  restartMs = RESTART_MS,
  steadyMs = STEADY_MS,
}: KeepRunningOptions): { readonly ended: Promise<void>; readonly problem: string | undefined } => {
  let problem: string | undefined;
  const loop = async (): Promise<void> => {
    while (!signal.aborted) {
      const steady = setTimeout(() => (problem = undefined), steadyMs);
      try {
        await run();
      } catch (error) {
        if (!signal.aborted) {
          problem = `${name}: ${error instanceof Error ? error.message : String(error)}`;
          onFailure(error);
        }
      } finally {
        clearTimeout(steady);
      }
      await pause(restartMs, signal);
    }
  };
  const ended = loop();
  return {
    ended,
    get problem() {
      return problem;
    },
  };
};
