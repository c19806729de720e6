import { describe, expect, it } from 'vitest';
import type { Tensor } from '../protocol/tensor.js';
import type { ModelRunner } from './runner.js';
import { warmUp } from './warm-up.js';

const golden = (inputs: readonly number[], outputs: readonly number[]) =>
  new TextEncoder().encode(
    JSON.stringify({
      inputs: [{ name: 'x', datatype: 'FP32', shape: [inputs.length, 1], data: inputs }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: [outputs.length, 1], data: outputs }],
    }),
  );

/** `x` [rows, 1] to `y` [rows, 1], from all rows at once. */
const model = (answer: (x: number[]) => number[], firstDimension = -1): ModelRunner => ({
  threads: 1,
  waitingRows: 0,
  restarts: 0,
  signature: {
    platform: 'onnx_onnxv1',
    inputs: [{ name: 'x', datatype: 'FP32', shape: [firstDimension, 1] }],
    outputs: [{ name: 'y', datatype: 'FP32', shape: [firstDimension, 1] }],
  },
  run: ([x]) => {
    const y: Tensor = {
      name: 'y',
      datatype: 'FP32',
      shape: x?.shape ?? [],
      data: new Float32Array(answer([...(x?.data as Float32Array)])),
    };
    return Promise.resolve([y]);
  },
  close: () => Promise.resolve(),
});

const double = (x: number[]) => x.map((value) => 2 * value);
const running = (x: number[]) => x.map((_, row) => x.slice(0, row + 1).reduce((sum, value) => sum + value, 0));

describe('a model is found to answer each row for itself', () => {
  it('if golden rows alone are answered as they are together', async () => {
    expect(await warmUp(model(double), golden([1, 2, 3], [2, 4, 6]))).toMatchObject({ goldenRows: 3, isRowwise: true });
  });

  it.each([
    ['a row depends on the rows before it', model(running), golden([1, 2, 3], [1, 3, 6])],
    ['there is one golden row', model(double), golden([1], [2])],
    ['there are no golden rows', model(double), null],
    ['its number of rows is fixed', model(double, 3), golden([1, 2, 3], [2, 4, 6])],
  ])('but not if %s', async (_, runner, rows) => {
    expect(await warmUp(runner, rows)).toMatchObject({ isRowwise: false });
  });
});

describe('golden outputs near 1000', () => {
  it('may differ by one spacing of 32-bit floats, and the difference reported is relative', async () => {
    const next = (x: number[]) => x.map((value) => value + 2 ** -14);
    const { goldenMaxDifference } = await warmUp(model(next), golden([1000, 1001], [1000, 1001]));
    expect(goldenMaxDifference).toBeGreaterThan(0);
    expect(goldenMaxDifference).toBeLessThan(1e-7);
  });

  it('are refused if they differ by more than the tolerance', async () => {
    const far = (x: number[]) => x.map((value) => value + 0.1);
    await expect(warmUp(model(far), golden([1000], [1000]))).rejects.toThrow(/not reproduced/);
  });
});
