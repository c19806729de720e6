import { setImmediate as turnEnds } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { servedBy, statusOf } from './inference.fixture.js';
import { Batcher } from './models/batcher.js';
import type { ModelRunner } from './models/runner.js';

/** Answers every row with one value. */
const answering = (value: number): ModelRunner => ({
  signature: {
    platform: 'onnx_onnxv1',
    inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 1] }],
    outputs: [{ name: 'y', datatype: 'FP32', shape: [-1] }],
  },
  threads: 1,
  waitingRows: 0,
  restarts: 0,
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

describe('a request that is refused because of one input', () => {
  const x = { name: 'x', datatype: 'FP32', shape: [1, 1], data: [0] };
  it.each([
    ['UNKNOWN_INPUT', 'y', [{ ...x, name: 'y' }]],
    ['INVALID_TENSOR', 'x', [{ ...x, datatype: 'BYTES' }]],
    ['INVALID_VALUE', 'x', [{ ...x, data: [null] }]],
  ])('%s names it in telemetry, at the moment of the request', async (code, input, inputs) => {
    const { inference, records } = servedBy([{ ...trees, weightBps: 10_000, runner: answering(1) }]);
    const body = { parameters: { event_time: '2016-01-31T12:00:00Z' }, inputs };
    const bytes = new TextEncoder().encode(JSON.stringify(body));
    await inference.answer({
      endpoint: 'employment',
      version: undefined,
      routingKey: undefined,
      body: () => Promise.resolve(bytes),
    });
    const eventTimeMs = Date.UTC(2016, 0, 31, 12);
    expect(records).toMatchObject([{ errorStatus: 400, eventTimeMs, refusal: { code, input }, scores: [] }]);
  });
});

describe('the metrics', () => {
  it('count every answer by endpoint, revision and status, and no name that a client made up', async () => {
    const { ask, inference, metricsText } = servedBy([{ ...trees, weightBps: 10_000, runner: answering(1) }]);
    await ask(0);
    await ask(0);
    await ask('no number');
    await inference.answer({
      endpoint: 'made-up',
      version: undefined,
      routingKey: undefined,
      body: () => Promise.resolve(new Uint8Array()),
    });
    const lines = metricsText().split('\n');
    expect(lines.filter((line) => line.startsWith('kontor_inference_requests_total'))).toEqual([
      'kontor_inference_requests_total{endpoint="employment",revision="rev-trees",code="200"} 2',
      'kontor_inference_requests_total{endpoint="employment",revision="rev-trees",code="400"} 1',
      'kontor_inference_requests_total{endpoint="",revision="",code="404"} 1',
    ]);
    const labels = 'endpoint="employment",revision="rev-trees"';
    expect(lines).toContain(`kontor_inference_duration_seconds_bucket{${labels},le="+Inf"} 3`);
    expect(lines).toContain(`kontor_inference_duration_seconds_count{${labels}} 3`);
    expect(lines).toContain(`kontor_queue_depth{${labels}} 0`);
    expect(lines).toContain(`kontor_worker_restarts_total{${labels}} 0`);
  });
});

describe('a request that nobody waits for any more', () => {
  /** Answers only when the test says so. */
  const slow = () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    let isFirst = true;
    const { run, ...rest } = answering(1);
    const runner = new Batcher(
      { ...rest, run: (inputs) => (isFirst ? ((isFirst = false), promise.then(() => run(inputs))) : run(inputs)) },
      false,
    );
    return { runner, finish: resolve };
  };

  it('is not run once its client has hung up, and its record says so', async () => {
    const { runner, finish } = slow();
    const { ask, records } = servedBy([{ ...trees, weightBps: 10_000, runner }]);
    let isGone = false;
    const answers = [ask(0), ask(0, { isGone: () => isGone })];
    await turnEnds();
    isGone = true;
    finish();
    expect((await Promise.all(answers)).map(statusOf)).toEqual([[200], [499, 'CLIENT_GONE']]);
    expect(records.map(({ errorStatus }) => errorStatus).toSorted((a, b) => a - b)).toEqual([0, 499]);
  });

  it('is answered by 504 when its time is over, whether it waits or runs', async () => {
    const { runner, finish } = slow();
    const { ask, records } = servedBy([{ ...trees, weightBps: 10_000, runner }]);
    const answers = await Promise.all([ask(0, { timeoutMs: 1 }), ask(0, { timeoutMs: 1 })]);
    expect(answers.map(statusOf)).toEqual([
      [504, 'DEADLINE_EXCEEDED'],
      [504, 'DEADLINE_EXCEEDED'],
    ]);
    expect(records.map(({ errorStatus }) => errorStatus)).toEqual([504, 504]);
    finish();
    expect(statusOf(await ask(0, { timeoutMs: 60_000 }))).toEqual([200]);
  });
});
