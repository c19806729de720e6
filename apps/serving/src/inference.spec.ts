import { describe, expect, it } from 'vitest';
import { servedBy, statusOf } from './inference.fixture.js';
import type { ModelRunner } from './models/runner.js';

/** Answers every row with one value. */
const answering = (value: number): ModelRunner => ({
  signature: {
    platform: 'onnx_onnxv1',
    inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 1] }],
    outputs: [{ name: 'y', datatype: 'FP32', shape: [-1] }],
  },
  run: ([x]) =>
    Promise.resolve([{ name: 'y', datatype: 'FP32', shape: [x?.shape[0] ?? 0], data: new Float32Array([value]) }]),
  close: () => Promise.resolve(),
});

const rules = { revisionId: 'rev-rules', modelName: 'employment-rules', version: 1 };
const trees = { revisionId: 'rev-trees', modelName: 'employment', version: 1 };
const both = [
  { ...trees, weightBps: 5_000, runner: answering(2) },
  { ...rules, weightBps: 5_000, runner: answering(1) },
];

describe('an endpoint with version 1 of two models', () => {
  it('splits its keys between them by weight, and says which revision answered', async () => {
    const { ask } = servedBy(both);
    const keys = Array.from({ length: 400 }, (_, key) => String(key));
    const answers = await Promise.all(keys.map((routingKey) => ask(0, { routingKey })));
    const ids = answers.map(({ headers }) => headers['x-kontor-revision']);
    const share = ids.filter((id) => id === 'rev-trees').length / ids.length;
    expect(share).toBeCloseTo(0.5, 1);
    answers.forEach((answer, index) => {
      const value = ids[index] === 'rev-trees' ? 2 : 1;
      expect(answer).toMatchObject({ body: { model_version: '1', outputs: [{ data: [value] }] } });
    });
  });

  it('answers for a revision id, and refuses the number with the ids that are meant', async () => {
    const { ask, inference, entry } = servedBy(both);
    expect(await ask(0, { version: 'rev-rules' })).toMatchObject({
      headers: { 'x-kontor-revision': 'rev-rules' },
      body: { outputs: [{ data: [1] }] },
    });
    const refused = await ask(0, { version: '1' });
    expect(statusOf(refused)).toEqual([400, 'AMBIGUOUS_VERSION']);
    expect(refused).toMatchObject({
      error: { message: expect.stringContaining('rev-trees (employment), rev-rules (employment-rules)') as string },
    });
    expect(inference.versions(entry)).toEqual(['rev-trees', 'rev-rules']);
  });

  it('takes the number for the one that is loaded', async () => {
    const { ask } = servedBy([
      { ...trees, weightBps: 0 },
      { ...rules, weightBps: 10_000, runner: answering(1) },
    ]);
    expect((await ask(0, { version: '1' })).headers['x-kontor-revision']).toBe('rev-rules');
    expect(statusOf(await ask(0, { version: 'rev-trees' }))).toEqual([503, 'MODEL_NOT_READY']);
    expect(statusOf(await ask(0, { version: '2' }))).toEqual([404, 'UNKNOWN_VERSION']);
  });
});

describe('an output that is no finite number', () => {
  it.each([NaN, Infinity, -Infinity])('%d is answered by 500 and counted', async (value) => {
    const { ask, records } = servedBy([{ ...trees, weightBps: 10_000, runner: answering(value) }]);
    expect(statusOf(await ask(0))).toEqual([500, 'NON_FINITE_OUTPUT']);
    expect(records).toMatchObject([{ errorStatus: 500, nonFiniteOutputs: 1, rows: 1, scores: [] }]);
  });
});
