// What evaluations are made with: datasets that runs read, scorers, and datasets of records.
import { registry } from '@kontor/domain/registry';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestGateway, type TestGateway } from '../gateway.fixture.js';

interface Answer {
  readonly status: number;
  readonly position: string | null;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- answers of many shapes
  readonly body: any;
}

let gateway: TestGateway;
let experiment: string;
beforeAll(async () => {
  gateway = await startTestGateway({ services: [registry] });
  ({ experiment_id: experiment } = (await call('POST', '/api/2.0/mlflow/experiments/create', { name: 'e' })).body);
});
afterAll(() => gateway.stop());

/** A request of the API: `body` in the query of a GET, as JSON otherwise. */
const call = async (
  method: string,
  path: string,
  body: object = {},
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> => {
  const query = new URLSearchParams(
    Object.entries(body).flatMap(([name, value]: [string, unknown]) =>
      [value].flat().map((item): [string, string] => [name, String(item)]),
    ),
  );
  const isGet = method === 'GET';
  const response = await fetch(`${gateway.server.url}${path}${isGet && query.size > 0 ? `?${query.toString()}` : ''}`, {
    method,
    headers: { ...(!isGet && { 'content-type': 'application/json' }), ...headers },
    ...(!isGet && { body: JSON.stringify(body) }),
  });
  return {
    status: response.status,
    position: response.headers.get('kontor-position'),
    body: JSON.parse(await response.text()),
  };
};

const refused = (status: number, error_code: string, message: string) => ({
  status,
  body: expect.objectContaining({ error_code, message }) as unknown,
});

describe('the datasets that runs read', () => {
  const SUMMARIES = '/ajax-api/2.0/mlflow/experiments/search-datasets';

  const startRun = async (): Promise<string> =>
    (await call('POST', '/api/2.0/mlflow/runs/create', { experiment_id: experiment })).body.run.info.run_id as string;
  const logInput = (run_id: string, name: string, digest: string, context?: string) =>
    call('POST', '/api/2.0/mlflow/runs/log-inputs', {
      run_id,
      datasets: [
        {
          dataset: { name, digest, source_type: 'local', source: '{}' },
          tags: context === undefined ? [] : [{ key: 'mlflow.data.context', value: context }],
        },
      ],
    });

  it('are summed up once per name, digest and context, also those of deleted runs, as of now and then', async () => {
    const [first, second] = [await startRun(), await startRun()];
    await logInput(first, 'iris', 'd1', 'training');
    const then = await call('POST', SUMMARIES, { experiment_ids: [experiment] });
    const iris = { experiment_id: experiment, name: 'iris', digest: 'd1', context: 'training' };
    expect(then.body).toEqual({ dataset_summaries: [iris] });
    await logInput(second, 'iris', 'd1', 'training');
    await logInput(second, 'iris', 'd2', 'training');
    await logInput(second, 'wine', 'd3');
    await call('POST', '/api/2.0/mlflow/runs/delete', { run_id: second });
    expect((await call('POST', SUMMARIES, { experiment_ids: [experiment, '77'] })).body).toEqual({
      dataset_summaries: [iris, { ...iris, digest: 'd2' }, { experiment_id: experiment, name: 'wine', digest: 'd3' }],
    });
    const past = { 'kontor-as-of': String(then.position) };
    expect((await call('POST', SUMMARIES, { experiment_ids: [experiment] }, past)).body).toEqual(then.body);
    expect((await call('POST', SUMMARIES, { experiment_ids: ['77'] })).body).toEqual({});
  });

  it('are asked for by MLflow’s page alone, of 1 to 20 experiments', async () => {
    expect(await call('POST', '/api/2.0/mlflow/experiments/search-datasets', {})).toMatchObject(
      refused(404, 'ENDPOINT_NOT_FOUND', 'POST /api/2.0/mlflow/experiments/search-datasets is not served by Kontor.'),
    );
    for (const [experiment_ids, message] of [
      [[], 'SearchDatasets request must specify at least one experiment_id.'],
      [
        Array.from({ length: 21 }, (_, index) => String(index)),
        'SearchDatasets request cannot specify more than 20 experiment_ids. Received 21 experiment_ids.',
      ],
      [['x'], "Invalid experiment ID 'x'. Experiment ID must be a valid integer."],
    ] as const) {
      expect(await call('POST', SUMMARIES, { experiment_ids })).toMatchObject(
        refused(400, 'INVALID_PARAMETER_VALUE', message),
      );
    }
  });
});
