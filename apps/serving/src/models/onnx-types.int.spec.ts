import { onnxModel, type OnnxType } from '@kontor/testing';
import { describe, expect, it } from 'vitest';
import { jsonValues } from '../protocol/tensor.js';
import { readInferRequest } from '../protocol/validate.js';
import { Batcher } from './batcher.js';
import { openOnnxRunner } from './onnx-runner.js';

const identity = (type: OnnxType): Uint8Array =>
  onnxModel(
    [{ name: 'x', type, shape: ['rows', 'width'] }],
    [{ name: 'y', type, shape: ['rows', 'width'] }],
    [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }],
  );

const CASES: readonly [OnnxType, string, readonly unknown[]][] = [
  ['float', 'FP32', [1.5, -0.25, 3.4028234663852886e38]],
  ['double', 'FP64', [1e308, -1e-308, 5e-324]],
  ['int8', 'INT8', [-128, 0, 127]],
  ['int16', 'INT16', [-32_768, 0, 32_767]],
  ['int32', 'INT32', [-(2 ** 31), 0, 2 ** 31 - 1]],
  ['int64', 'INT64', ['-9223372036854775808', 9_007_199_254_740_991, '9007199254740993']],
  ['uint8', 'UINT8', [0, 1, 255]],
  ['uint16', 'UINT16', [0, 1, 65_535]],
  ['uint32', 'UINT32', [0, 1, 2 ** 32 - 1]],
  ['uint64', 'UINT64', [0, 1, '18446744073709551615']],
  ['bool', 'BOOL', [true, false, true]],
  ['string', 'BYTES', ['', 'a\tb', '\u7cfb\u{1f600}']],
];

describe('an ONNX model', () => {
  it.each(CASES)('gives values of type %s back as they came, alone and in a batch', async (type, datatype, data) => {
    for (const inlineP99Ms of [0, Infinity]) {
      const opened = await openOnnxRunner(identity(type), { inlineP99Ms, workers: 1 });
      const runner = new Batcher(opened, true);
      const ask = async (shape: readonly number[], values: readonly unknown[]) => {
        const { inputs } = readInferRequest(
          { inputs: [{ name: 'x', datatype, shape, data: values }] },
          runner.signature,
        );
        const [y] = await runner.run(inputs);
        return [y?.shape, y && jsonValues(y)];
      };
      expect(await ask([1, 3], data)).toEqual([[1, 3], data]);
      const reversed = data.toReversed();
      expect(await Promise.all([ask([1, 3], data), ask([3, 1], data), ask([1, 3], reversed)])).toEqual([
        [[1, 3], data],
        [[3, 1], data],
        [[1, 3], reversed],
      ]);
      await runner.close();
    }
  });

  it('of half precision is refused: JSON has no form for it', async () => {
    await expect(openOnnxRunner(identity('float16'))).rejects.toThrow('x is of type float16, which JSON cannot carry');
  });
});
