import { setImmediate as turnEnds } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { servedBy, statusOf } from '../inference.fixture.js';
import type { Tensor } from '../protocol/tensor.js';
import { Batcher } from './batcher.js';
import { type ModelRunner, RunnerUnavailable } from './runner.js';

const x = (...rows: readonly (readonly number[])[]): Tensor => ({
  name: 'x',
  datatype: 'FP32',
  shape: [rows.length, rows[0]?.length ?? 0],
  data: new Float32Array(rows.flat()),
});

const POISON = -1;

/** Answers each row by its sum, as a number and as a text, and fails if one of them is poisonous. Says what it was given. */
const summing = (threads = 1): ModelRunner & { readonly runs: number[][] } => {
  const runs: number[][] = [];
  return {
    runs,
    threads,
    waitingRows: 0,
    restarts: 0,
    signature: {
      platform: 'onnx_onnxv1',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, -1] }],
      outputs: [
        { name: 'sum', datatype: 'FP64', shape: [-1, 1] },
        { name: 'text', datatype: 'BYTES', shape: [-1] },
      ],
    },
    run: async ([input]) => {
      const [rows = 0, width = 0] = input?.shape ?? [];
      runs.push([rows, width]);
      await turnEnds();
      const data = Array.from(input?.data as Float32Array);
      if (data.includes(POISON)) throw new Error('a poisonous row');
      const sums = Array.from({ length: rows }, (_, row) =>
        data.slice(row * width, (row + 1) * width).reduce((a, b) => a + b, 0),
      );
      return [
        { name: 'sum', datatype: 'FP64', shape: [rows, 1], data: new Float64Array(sums) },
        { name: 'text', datatype: 'BYTES', shape: [rows], data: sums.map(String) },
      ];
    },
    close: () => Promise.resolve(),
  };
};

const values = (outputs: readonly Tensor[]): unknown[] => outputs.map(({ shape, data }) => [shape, ...data]);

describe('requests that come in one turn', () => {
  it('are answered as each alone, whatever they are and however many threads there are', async () => {
    const row = (width: number) =>
      fc.array(fc.integer({ min: POISON, max: 40 }), { minLength: width, maxLength: width });
    const request = fc
      .integer({ min: 1, max: 3 })
      .chain((width) => fc.array(row(width), { minLength: 1, maxLength: 40 }));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(request, { minLength: 1, maxLength: 20 }), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 3 }),
        async (turns, threads) => {
          const alone = summing();
          const batcher = new Batcher(summing(threads), true);
          const together: Promise<unknown>[] = [];
          for (const requests of turns) {
            together.push(...requests.map((rows) => batcher.run([x(...rows)]).then(values, String)));
            await turnEnds();
          }
          const each = turns.flat().map((rows) => alone.run([x(...rows)]).then(values, String));
          expect(await Promise.all(together)).toEqual(await Promise.all(each));
          expect(batcher.waitingRows).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('share a run up to 32 rows, and none with another width', async () => {
    const runner = summing();
    const batcher = new Batcher(runner, true);
    await Promise.all([
      ...Array.from({ length: 40 }, (_, index) => batcher.run([x([index])])),
      batcher.run([x([1, 2])]),
      batcher.run([x(...Array.from({ length: 50 }, () => [1]))]),
    ]);
    expect(runner.runs).toEqual([
      [32, 1],
      [8, 1],
      [1, 2],
      [50, 1],
    ]);
  });

  it('run one by one where rows see each other', async () => {
    const runner = summing();
    const batcher = new Batcher(runner, false);
    await Promise.all([1, 2, 3].map((value) => batcher.run([x([value])])));
    expect(runner.runs).toEqual([
      [1, 1],
      [1, 1],
      [1, 1],
    ]);
  });

  it('wait for a thread and then share the next run', async () => {
    const runner = summing();
    const batcher = new Batcher(runner, true);
    const first = batcher.run([x([0])]);
    await turnEnds();
    const others = [1, 2, 3].map((value) => batcher.run([x([value])]));
    await Promise.all([first, ...others]);
    expect(runner.runs).toEqual([
      [1, 1],
      [3, 1],
    ]);
  });

  it('fail alone where a row is poisonous, and their neighbours are answered', async () => {
    const batcher = new Batcher(summing(), true);
    const asked = [1, POISON, 3].map((value) => batcher.run([x([value])]).then(([sum]) => sum?.data[0], String));
    expect(await Promise.all(asked)).toEqual([1, 'Error: a poisonous row', 3]);
  });

  it('are not run again when their thread is gone', async () => {
    const runner = summing();
    let runs = 0;
    const gone = new RunnerUnavailable('The worker of this model ended; it is started again.');
    const batcher = new Batcher({ ...runner, run: () => Promise.reject(((runs += 1), gone)) }, true);
    const asked = [1, 2].map((value) => batcher.run([x([value])]).catch((error: unknown) => error));
    expect(await Promise.all(asked)).toEqual([gone, gone]);
    expect(runs).toBe(1);
  });

  it('leave the queue when nobody waits for them any more', async () => {
    const runner = summing();
    const batcher = new Batcher(runner, true);
    let isGone = false;
    const refusal = () => (isGone ? new Error('gone') : undefined);
    const asked = [
      batcher.run([x([1])]).then(() => 'answered'),
      batcher.run([x([2])], { refusal }).catch((error: unknown) => String(error)),
    ];
    isGone = true;
    expect(await Promise.all(asked)).toEqual(['answered', 'Error: gone']);
    expect(runner.runs).toEqual([[1, 1]]);
    expect(batcher.waitingRows).toBe(0);
  });

  it.each([
    ['a fast model: what it does in a second', 2, 501],
    ['a slow one: four full runs', 1_000, 128],
  ])('wait for %s, and no more', async (_, msPerRow, limit) => {
    let nowMs = 0;
    const runner = summing();
    const timed: ModelRunner = {
      ...runner,
      run: (inputs) => {
        nowMs += msPerRow * (inputs[0]?.shape[0] ?? 0);
        return runner.run(inputs);
      },
    };
    const batcher = new Batcher(timed, true, () => nowMs);
    // Until the pace is known.
    for (let run = 0; run < 50; run += 1) await batcher.run([x([1])]);
    const answered = await Promise.all(
      Array.from({ length: 600 }, () =>
        batcher.run([x([1])]).then(
          () => true,
          (error: unknown) => !(error instanceof RunnerUnavailable),
        ),
      ),
    );
    expect(answered.filter((isAnswered) => isAnswered)).toHaveLength(limit);
  });
});

describe('a request of more than 1,024 rows', () => {
  it('is run in parts and answered as a whole', async () => {
    const runner = summing();
    const rows = Array.from({ length: 2_500 }, (_, index) => [index]);
    const [sum, text] = await new Batcher(runner, true).run([x(...rows)]);
    expect(runner.runs.map(([count]) => count)).toEqual([1_024, 1_024, 452]);
    expect(sum?.shape).toEqual([2_500, 1]);
    expect([...(sum?.data ?? [])]).toEqual(rows.flat());
    expect(text?.data).toEqual(rows.map(String));
  });
});

describe('requests of one endpoint', () => {
  it('get their own answers, prediction ids and records', async () => {
    const { ask, records } = servedBy([
      { revisionId: 'r', modelName: 'm', version: 1, weightBps: 10_000, runner: new Batcher(summing(), true) },
    ]);
    const answers = await Promise.all(Array.from({ length: 100 }, (_, index) => ask(index)));
    answers.forEach((answer, index) => {
      expect(statusOf(answer)).toEqual([200]);
      expect(answer).toMatchObject({ body: { outputs: [{ data: [index] }, { data: [String(index)] }] } });
    });
    const ids = answers.map(({ headers }) => headers['x-kontor-prediction-id']);
    expect(new Set(ids).size).toBe(100);
    expect(new Map(records.map(({ predictionId, features }) => [predictionId, features['x']]))).toEqual(
      new Map(ids.map((id, index) => [id, [index]])),
    );
  });
});
