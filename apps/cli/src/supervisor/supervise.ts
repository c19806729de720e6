import { type Component, describeExit, type Running } from './component.js';

/** A component that is kept running. */
export interface Supervised {
  readonly name: string;
  /** Of the process that runs now, or ran last. */
  pid(): number;
  /** Ends it for good. */
  stop(): Promise<void>;
}

/** What a supervisor has to say, and when it gives up. */
export interface SupervisorEvents {
  /** One line for a person. */
  say(line: string): void;
  /** A new process is up; its id is in `pid()`. */
  changed(): void;
  /** The component does not come back: the platform has to stop. */
  gaveUp(error: Error): void;
}

/** The first restart is at once for a person; then the pauses double, so that a broken component does not eat a core. */
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 5_000;

/** A process that ran this long was healthy: its end is a new accident, not a repetition. */
const HEALTHY_MS = 30_000;

/** With the pauses above these are about 40 s; a server that recovers from a crash answers earlier. */
const MAX_FAILURES = 12;

/** The pause before the restart after `failures` deaths in a row (1 = the first). */
export const pauseMs = (failures: number): number => Math.min(FIRST_PAUSE_MS * 2 ** (failures - 1), LONGEST_PAUSE_MS);

/**
 * Starts a component and starts it again whenever it ends, saying so.
 * @throws what the first start throws; later failures are tried again, at most 12 in a row
 */
export const supervise = async (component: Component, events: SupervisorEvents): Promise<Supervised> => {
  const { name } = component;
  let running: Running = await component.start();
  let isStopping = false;
  let wake: (() => void) | undefined;

  const keepRunning = async (): Promise<void> => {
    let failures = 0;
    let startedAt = performance.now();
    for (;;) {
      const exit = await running.exited;
      if (isStopping) return;
      if (performance.now() - startedAt > HEALTHY_MS) failures = 0;
      let reason = `ended (${describeExit(exit)})`;
      for (;;) {
        failures += 1;
        if (failures > MAX_FAILURES) {
          events.gaveUp(new Error(`${name} ${reason}, ${MAX_FAILURES} times in a row`));
          return;
        }
        const pause = pauseMs(failures);
        events.say(`${name} ${reason}; starting it again in ${(pause / 1000).toFixed(1)} s`);
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, pause);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
        if (isStopping) return;
        startedAt = performance.now();
        try {
          running = await component.start();
          break;
        } catch (error) {
          reason = `did not start: ${(error as Error).message}`;
        }
      }
      if (isStopping) return void (await running.stop());
      events.say(`${name} is back after ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
      events.changed();
    }
  };
  const loop = keepRunning();

  return {
    name,
    pid: () => running.pid,
    stop: async () => {
      isStopping = true;
      wake?.();
      await running.stop();
      await loop; // a process that was just being started is stopped there
    },
  };
};
