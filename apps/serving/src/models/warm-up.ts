import { GOLDEN_TOLERANCE, goldenDifference } from '@kontor/domain/golden';
import { readInferRequest } from '../protocol/validate.js';
import { parseJson } from '../protocol/json.js';
import { ProtocolError } from '../protocol/protocol-error.js';
import { type Signature, sliceRows, type Tensor } from '../protocol/tensor.js';
import { ModelRefused, type ModelRunner } from './runner.js';

/** The first runs of a session allocate its memory and are several times slower than the others. */
const WARM_UP_RUNS = 5;

/** Rows that are also asked alone: one alone may agree with its neighbours by chance. */
const ROWS_ASKED_ALONE = 8;

export interface WarmUp {
  readonly goldenRows: number;
  /** Largest `goldenDifference` of an output; null without golden rows. */
  readonly goldenMaxDifference: number | null;
  /** Golden rows were answered alone as they were together, so rows of different requests may share a run. */
  readonly isRowwise: boolean;
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

/** The largest `goldenDifference` of two tensors; Infinity for other shapes or kinds of value, NaN if a value is NaN. */
const compare = (expected: Tensor, actual: Tensor | undefined): number => {
  if (actual?.shape.join() !== expected.shape.join()) return Infinity;
  let difference = 0;
  for (let index = 0; index < expected.data.length; index += 1) {
    const wanted = expected.data[index];
    const got = actual.data[index];
    if (typeof wanted === 'number' && typeof got === 'number') {
      difference = Math.max(difference, goldenDifference(wanted, got));
    } else if (wanted !== got) {
      return Infinity;
    }
  }
  return difference;
};

/** Whether rows do not see each other. A first dimension that is a time, or an answer that is a rank, would show here. */
const isRowwise = async (
  runner: ModelRunner,
  { inputs, rows }: Golden,
  answered: readonly Tensor[],
): Promise<boolean> => {
  const { signature } = runner;
  if (![...signature.inputs, ...signature.outputs].every(({ shape }) => shape[0] === -1)) return false;
  if (rows < 2 || answered.some(({ shape }) => shape[0] !== rows)) return false;
  for (let row = 0; row < Math.min(rows, ROWS_ASKED_ALONE); row += 1) {
    const alone = await runner.run(inputs.map((input) => sliceRows(input, row, 1)));
    if (!answered.every((output, index) => compare(sliceRows(output, row, 1), alone[index]) <= GOLDEN_TOLERANCE))
      return false;
  }
  return true;
};

/**
 * Runs a model before it gets traffic, and proves with its golden rows that it answers here as it did where it was made.
 *
 * @throws ModelRefused if it does not
 */
export const warmUp = async (runner: ModelRunner, golden: Uint8Array | null): Promise<WarmUp> => {
  if (!golden) return { goldenRows: 0, goldenMaxDifference: null, isRowwise: false };
  const read = readGolden(golden, runner.signature);
  const { inputs, outputs, rows } = read;
  let answered: readonly Tensor[] = [];
  let isRowwiseModel: boolean;
  try {
    for (let run = 0; run < WARM_UP_RUNS; run += 1) answered = await runner.run(inputs);
    isRowwiseModel = await isRowwise(runner, read, answered);
  } catch (error) {
    throw new ModelRefused(`the golden rows fail: ${(error as Error).message}`, { cause: error });
  }
  let largest = 0;
  for (const expected of outputs) {
    const difference = compare(
      expected,
      answered.find(({ name }) => name === expected.name),
    );
    // NaN fails: the comparison with it is false.
    if (!(difference <= GOLDEN_TOLERANCE)) {
      throw new ModelRefused(
        `the golden output ${expected.name} is not reproduced: largest difference ${difference}, allowed is ${GOLDEN_TOLERANCE}`,
      );
    }
    largest = Math.max(largest, difference);
  }
  return { goldenRows: rows, goldenMaxDifference: largest, isRowwise: isRowwiseModel };
};
