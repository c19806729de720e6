import { readFile } from 'node:fs/promises';
import { eventually } from '@kontor/testing';
import { describe, expect, it } from 'vitest';
import { servedBy, statusOf } from '../inference.fixture.js';
import { openOnnxRunner } from './onnx-runner.js';
import { warmUp } from './warm-up.js';

const demo = new URL('../../../cli/demo/employment/models/employment-1/', import.meta.url);
const session = new URL('./failing-session.fixture.ts', import.meta.url).href;

describe('an ONNX model', () => {
  it.each([
    ['inside a worker', 0, false],
    ['on the front thread', Infinity, true],
  ])('answers the golden rows %s', async (_, inlineP99Ms, isInline) => {
    const runner = await openOnnxRunner(await readFile(new URL('model.onnx', demo)), { inlineP99Ms });
    const result = await warmUp(runner, await readFile(new URL('golden.json', demo)));
    expect(runner.isInline).toBe(isInline);
    expect(result.goldenRows).toBe(50);
    expect(result.goldenMaxDifference).toBeLessThan(1e-5);
    await runner.close();
  });

  it.each([
    ['ends', -1],
    ['hangs', -2],
  ])('whose worker %s answers 503 to what was waiting, and works again after the restart', async (_, poison) => {
    const options = { session, inlineP99Ms: 0, workers: 1, runTimeoutMs: 2_000 };
    const runner = await openOnnxRunner(new Uint8Array(), options);
    const { ask } = servedBy([{ revisionId: 'r', modelName: 'm', version: 1, weightBps: 10_000, runner }]);
    expect(statusOf(await ask(1))).toEqual([200]);
    const answers = await Promise.all([ask(poison), ask(2)]);
    expect(answers.map(statusOf)).toEqual([
      [503, 'OVERLOADED'],
      [503, 'OVERLOADED'],
    ]);
    await eventually(async () => statusOf(await ask(3))[0] === 200);
    await runner.close();
  });
});
