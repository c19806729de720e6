import type { Exit } from '@kontor/embedded';

/** One start of a component. */
export interface Running {
  readonly pid: number;
  /** Resolves when the process has ended, for whatever reason; never rejects. */
  readonly exited: Promise<Exit>;
  /** Drains and ends it; bounded; may be called twice. */
  stop(): Promise<void>;
}

/** A process that the platform consists of. Each call of `start` is a new process under the same address. */
export interface Component {
  readonly name: string;
  start(): Promise<Running>;
}

/** `SIGKILL`, or `exit code 1`. */
export const describeExit = ({ code, signal }: Exit): string => signal ?? `exit code ${code}`;
