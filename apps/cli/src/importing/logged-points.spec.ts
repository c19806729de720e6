import { expect, it } from 'vitest';
import { gathered } from './in-order.js';
import { LoggedPoints } from './logged-points.js';
import type { LoggedModel, Metric } from './mlflow-shapes.js';

const point = (value: number): Metric => ({ key: 'accuracy', value, timestamp: 1, step: 0 });
const pages = async function* (...all: readonly Metric[][]) {
  yield* all;
};

it('says of a run’s points which logged model and dataset they are about', async () => {
  const about = { model_id: `m-${'1'.repeat(32)}`, dataset_name: 'rows', dataset_digest: 'd1' };
  const model = { data: { params: [], metrics: [{ ...point(0.5), ...about, run_id: 'a' }] } } as unknown as LoggedModel;
  const points = new LoggedPoints();
  points.add(model);
  expect(await gathered(points.complete('b', pages([point(0.5)])))).toEqual([[point(0.5)]]);
  expect(await gathered(points.complete('a', pages([point(0.5)], [point(0.6)])))).toEqual([
    [{ ...point(0.5), ...about }],
    [point(0.6)],
  ]);
});
