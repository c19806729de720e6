import type { Signature, Tensor } from '../protocol/tensor.js';

/** A loaded model. Inputs are validated against `signature` before they come here. */
export interface ModelRunner {
  readonly signature: Signature;
  /** @returns every output of the signature. @throws RunnerUnavailable, or an Error of the model itself */
  run(inputs: readonly Tensor[]): Promise<readonly Tensor[]>;
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
