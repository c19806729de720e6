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

describe('scorers', () => {
  const SCORERS = '/api/3.0/mlflow/scorers';
  const serialized = (instructions: string): string =>
    JSON.stringify({ name: 'tone', instructions_judge_pydantic_data: { instructions, model: 'openai:/gpt-4o' } });
  const of = (name: string) => ({ experiment_id: experiment, name });
  const register = (name: string, text: string) =>
    call('POST', `${SCORERS}/register`, { ...of(name), serialized_scorer: text });
  const versions = async (name: string): Promise<unknown> =>
    (await call('GET', `${SCORERS}/versions`, of(name))).body.scorers?.map(
      ({ scorer_version }: { readonly scorer_version: number }) => scorer_version,
    );
  const unknown = (name: string) =>
    refused(404, 'RESOURCE_DOES_NOT_EXIST', `Scorer with name '${name}' not found for experiment ${experiment}.`);

  it('are registered by version, and found by name, by version and by experiment', async () => {
    const first = await register('tone', serialized('Be kind.'));
    expect(first).toMatchObject({
      status: 200,
      body: { version: 1, experiment_id: experiment, name: 'tone', serialized_scorer: serialized('Be kind.') },
    });
    const { scorer_id, creation_time } = first.body;
    const second = await register('tone', serialized('Be kinder.'));
    expect(second.body).toMatchObject({ version: 2, scorer_id });
    const scorer = {
      ...{ experiment_id: Number(experiment), scorer_name: 'tone', scorer_version: 1, scorer_id, creation_time },
      serialized_scorer: serialized('Be kind.'),
    };
    expect((await call('GET', `${SCORERS}/get`, { ...of('tone'), version: 1 })).body).toEqual({ scorer });
    const newest = {
      ...{ ...scorer, scorer_version: 2, creation_time: second.body.creation_time },
      serialized_scorer: serialized('Be kinder.'),
    };
    expect((await call('GET', `${SCORERS}/get`, of('tone'))).body).toEqual({ scorer: newest });
    expect((await call('GET', `${SCORERS}/versions`, of('tone'))).body).toEqual({ scorers: [scorer, newest] });
    await register('accuracy', '{}');
    const names = async (asked: object): Promise<unknown> =>
      (await call('GET', `${SCORERS}/list`, asked)).body.scorers?.map(
        ({ scorer_name, scorer_version }: { readonly scorer_name: string; readonly scorer_version: number }) =>
          `${scorer_name} ${scorer_version}`,
      );
    for (const asked of [{ experiment_id: experiment }, { experiment_ids: [experiment, '77'] }, {}])
      expect(await names(asked)).toEqual(['accuracy 1', 'tone 2']);
    expect((await call('GET', `${SCORERS}/list`, { experiment_ids: ['77'] })).body).toEqual({});
    const past = { 'kontor-as-of': String(first.position) };
    expect((await call('GET', `${SCORERS}/get`, of('tone'), past)).body).toEqual({ scorer });
  });

  it('are deleted by version or whole, and never give a number twice', async () => {
    for (const text of ['{"n":1}', '{"n":2}', '{"n":3}']) await register('judge', text);
    expect(await call('DELETE', `${SCORERS}/delete`, { ...of('judge'), version: 3 })).toMatchObject({ body: {} });
    expect(await versions('judge')).toEqual([1, 2]);
    expect(await call('DELETE', `${SCORERS}/delete`, { ...of('judge'), version: 3 })).toMatchObject(
      refused(
        404,
        'RESOURCE_DOES_NOT_EXIST',
        `Scorer with name 'judge' and version 3 not found for experiment ${experiment}.`,
      ),
    );
    expect(await call('DELETE', `${SCORERS}/delete`, of('judge'))).toMatchObject({ status: 200, body: {} });
    expect(await call('GET', `${SCORERS}/get`, of('judge'))).toMatchObject(unknown('judge'));
    expect((await register('judge', '{}')).body.version).toBe(4);
    expect(await versions('judge')).toEqual([4]);
  });

  it('have an automatic evaluation that stays off, because none asks a model behind a gateway', async () => {
    const { scorer_id } = (await register('online', serialized('Be.'))).body;
    const configs = async (): Promise<unknown> =>
      (await call('GET', `${SCORERS}/online-configs`, { scorer_ids: [scorer_id, 'nobody'] })).body;
    expect(await configs()).toEqual({ configs: [] });
    const off = { ...of('online'), sample_rate: 0, filter_string: "status = 'OK'" };
    const { config } = (await call('PUT', `${SCORERS}/online-config`, off)).body;
    expect(config).toEqual({
      ...{ online_scoring_config_id: expect.stringMatching(/^[0-9a-f]{32}$/) as string, scorer_id, sample_rate: 0 },
      ...{ experiment_id: experiment, filter_string: "status = 'OK'" },
    });
    expect((await call('PUT', `${SCORERS}/online-config`, off)).body).toEqual({ config });
    expect(await configs()).toEqual({ configs: [config] });
    expect(await call('PUT', `${SCORERS}/online-config`, { ...off, sample_rate: 0.5 })).toMatchObject(
      refused(
        400,
        'INVALID_PARAMETER_VALUE',
        "Scorer 'online' does not use a gateway model. Automatic evaluation is only supported for scorers that use gateway models.",
      ),
    );
  });

  it('belong to an experiment that is there', async () => {
    const { experiment_id } = (await call('POST', '/api/2.0/mlflow/experiments/create', { name: 'gone' })).body;
    await call('POST', `${SCORERS}/register`, { experiment_id, name: 'tone', serialized_scorer: '{}' });
    await call('POST', '/api/2.0/mlflow/experiments/delete', { experiment_id });
    const deleted = refused(
      400,
      'INVALID_PARAMETER_VALUE',
      `The experiment ${experiment_id} must be in the 'active' state. Current state is deleted.`,
    );
    const asked = { experiment_id, name: 'tone', serialized_scorer: '{}' };
    expect(await call('POST', `${SCORERS}/register`, asked)).toMatchObject(deleted);
    expect(await call('GET', `${SCORERS}/get`, { experiment_id, name: 'tone' })).toMatchObject(deleted);
    expect(await call('GET', `${SCORERS}/list`, { experiment_id })).toMatchObject(deleted);
    expect(JSON.stringify((await call('GET', `${SCORERS}/list`, {})).body)).not.toContain(
      `"experiment_id":${experiment_id}`,
    );
  });

  it('are in the graph, with their versions', async () => {
    const { data, errors } = await gateway.graphql(
      '{ scorers { nodes { name experiment { name } onlineScoring { sampleRate } versions { nodes { version } } } } }',
    );
    expect(errors).toEqual([]);
    expect(data.scorers.nodes).toContainEqual({
      name: 'tone',
      experiment: { name: 'e' },
      onlineScoring: null,
      versions: { nodes: [{ version: 2 }, { version: 1 }] },
    });
  });
});
