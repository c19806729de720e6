import type { LoggedModel, Metric } from './mlflow-shapes.js';

type About = Pick<Metric, 'model_id' | 'dataset_name' | 'dataset_digest'>;

const keyOf = ({ key, timestamp, step, value }: Metric): string => `${timestamp} ${step} ${value} ${key}`;

/**
 * What the points of runs are about: MLflow tells it with the logged model, and its history of a run's metric does not.
 * Holds what logged models have until their runs have been read.
 */
export class LoggedPoints {
  readonly #byRun = new Map<string, Map<string, About>>();

  add({ data }: LoggedModel): void {
    for (const { run_id, model_id, dataset_name, dataset_digest, ...point } of data.metrics) {
      const points = this.#byRun.get(run_id) ?? new Map<string, About>();
      this.#byRun.set(run_id, points.set(keyOf(point), { model_id, dataset_name, dataset_digest }));
    }
  }

  /** The points of a run, each with the logged model and the dataset that it is about. */
  async *complete(runId: string, pages: AsyncIterable<readonly Metric[]>): AsyncGenerator<readonly Metric[]> {
    const points = this.#byRun.get(runId);
    for await (const page of pages)
      yield points ? page.map((point) => ({ ...point, ...points.get(keyOf(point)) })) : page;
    this.#byRun.delete(runId);
  }
}
