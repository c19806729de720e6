import { readInferRequest } from '../protocol/validate.js';
import { parseJson } from '../protocol/json.js';
import { ProtocolError } from '../protocol/protocol-error.js';
import type { Signature, Tensor } from '../protocol/tensor.js';
import { ModelRefused, type ModelRunner } from './runner.js';

/** @source serving reference, section 4.6: outputs equal the registered golden ones, relative tolerance 1e-5. */
const TOLERANCE = 1e-5;

/** The first runs of a session allocate its memory and are several times slower than the others. */
const WARM_UP_RUNS = 5;

export interface WarmUp {
  readonly goldenRows: number;
  /** Largest absolute difference to a golden output; null without golden rows. */
  readonly goldenMaxDifference: number | null;
}

interface Golden {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly rows: number;
}

/** Reads `golden.json`: inputs and outputs are the tensors of the protocol, and are held to the model's signature alike. */
const readGolden = (bytes: Uint8Array, signature: Signature): Golden => {
  try {
    const { inputs, outputs } = parseJson(bytes) as { inputs: unknown; outputs: unknown };
    const asked = readInferRequest({ inputs }, signature);
    const answered = readInferRequest({ inputs: outputs }, { ...signature, inputs: signature.outputs });
    return { inputs: asked.inputs, outputs: answered.inputs, rows: asked.rows };
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new ModelRefused(`golden.json does not fit the model: ${error.message}`, { cause: error });
  }
};

/** The largest absolute difference of two tensors; Infinity if a value is beyond the tolerance or of another kind. */
const compare = (expected: Tensor, actual: Tensor | undefined): { difference: number; isEqual: boolean } => {
  if (actual?.shape.join() !== expected.shape.join()) return { difference: Infinity, isEqual: false };
  let difference = 0;
  let isEqual = true;
  for (let index = 0; index < expected.data.length; index += 1) {
    const wanted = expected.data[index];
    const got = actual.data[index];
    if (typeof wanted === 'number' && typeof got === 'number') {
      const distance = Math.abs(wanted - got);
      // NaN fails: the comparison with it is false.
      isEqual &&= distance <= TOLERANCE * Math.max(1, Math.abs(wanted));
      difference = Math.max(difference, distance);
    } else if (wanted !== got) {
      return { difference: Infinity, isEqual: false };
    }
  }
  return { difference, isEqual };
};

/**
 * Runs a model before it gets traffic, and proves with its golden rows that it answers here as it did where it was made.
 *
 * @throws ModelRefused if it does not
 */
export const warmUp = async (runner: ModelRunner, golden: Uint8Array | null): Promise<WarmUp> => {
  if (!golden) return { goldenRows: 0, goldenMaxDifference: null };
  const { inputs, outputs, rows } = readGolden(golden, runner.signature);
  let answered: readonly Tensor[] = [];
  try {
    for (let run = 0; run < WARM_UP_RUNS; run += 1) answered = await runner.run(inputs);
  } catch (error) {
    throw new ModelRefused(`the golden rows fail: ${(error as Error).message}`, { cause: error });
  }
  let largest = 0;
  for (const expected of outputs) {
    const { difference, isEqual } = compare(
      expected,
      answered.find(({ name }) => name === expected.name),
    );
    if (!isEqual) {
      throw new ModelRefused(
        `the golden output ${expected.name} is not reproduced: largest difference ${difference}, allowed is ${TOLERANCE}`,
      );
    }
    largest = Math.max(largest, difference);
  }
  return { goldenRows: rows, goldenMaxDifference: largest };
};
