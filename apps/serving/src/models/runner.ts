import type { Signature, Tensor } from '../protocol/tensor.js';

export interface RunOptions {
  /** Asked when the run could begin: why it is not wanted any more; undefined if it is. */
  readonly refusal?: () => Error | undefined;
}

/** A loaded model. Inputs are validated against `signature` before they come here. */
export interface ModelRunner {
  readonly signature: Signature;
  /** Runs that it does at the same time; more of them wait for each other. */
  readonly threads: number;
  /** Rows that wait for a thread. */
  readonly waitingRows: number;
  /** How often one of its threads ended and was started again. */
  readonly restarts: number;
  /** @returns every output of the signature. @throws RunnerUnavailable, or an Error of the model itself */
  run(inputs: readonly Tensor[], options?: RunOptions): Promise<readonly Tensor[]>;
  close(): Promise<void>;
}

/** The model cannot answer now, and may answer a second later: its worker died, hangs, or has too much to do. */
export class RunnerUnavailable extends Error {
  override readonly name = 'RunnerUnavailable';
  readonly retryable = true;
}

/** A revision that is refused: wrong digest, corrupt file, unsupported type, golden rows not reproduced. */
export class ModelRefused extends Error {
  override readonly name = 'ModelRefused';
  readonly retryable = false;
}
