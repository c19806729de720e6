// What evaluations are made with: datasets that runs read, scorers, and datasets of records.
import { createHash } from 'node:crypto';
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

describe('evaluation datasets', () => {
  const DATASETS = '/api/3.0/mlflow/datasets';
  const create = async (name: string, more: object = {}): Promise<string> =>
    (await call('POST', `${DATASETS}/create`, { name, ...more })).body.dataset.dataset_id as string;
  const get = async (id: string, headers = {}) => (await call('GET', `${DATASETS}/${id}`, {}, headers)).body.dataset;
  /** @param text as Python's `json.dumps` writes it */
  const merge = (id: string, text: string) => call('POST', `${DATASETS}/${id}/records`, { records: text });
  const page = async (id: string, asked: object = {}, headers = {}) =>
    (await call('GET', `${DATASETS}/${id}/records`, asked, headers)).body;
  const records = async (id: string, headers = {}) => JSON.parse((await page(id, {}, headers)).records);
  const found = async (asked: object): Promise<readonly string[]> =>
    ((await call('POST', `${DATASETS}/search`, asked)).body.datasets ?? []).map(({ name }: { name: string }) => name);

  it('are created with tags and experiments, changed, and deleted', async () => {
    const { body } = await call('POST', `${DATASETS}/create`, {
      ...{ name: 'questions', experiment_ids: [experiment], tags: '{"team": "risk", "none": null, "level": 1.0}' },
    });
    const { dataset } = body;
    const id = dataset.dataset_id as string;
    const digestAt = (ms: number): string => createHash('sha256').update(`questions:${ms}`).digest('hex').slice(0, 8);
    expect(dataset).toEqual({
      ...{ dataset_id: expect.stringMatching(/^d-[0-9a-f]{32}$/) as string, name: 'questions' },
      ...{ tags: '{"team": "risk", "level": "1.0"}', digest: digestAt(dataset.created_time as number) },
      ...{ created_time: dataset.last_update_time, last_update_time: expect.any(Number) as number },
      ...{ created_by: expect.any(String) as string, last_updated_by: expect.any(String) as string },
      experiment_ids: [experiment],
    });
    const { experiment_ids: _, ...plain } = dataset;
    expect(await get(id)).toEqual(plain);
    expect((await call('PATCH', `${DATASETS}/${id}/tags`, { tags: '{"team": "fraud", "a b": "c"}' })).body).toEqual({});
    expect((await call('DELETE', `${DATASETS}/${id}/tags/level`)).body).toEqual({});
    expect((await call('DELETE', `${DATASETS}/${id}/tags/level`)).body).toEqual({});
    expect((await call('DELETE', `${DATASETS}/d-nobody/tags/level`)).body).toEqual({});
    expect((await get(id)).tags).toBe('{"team": "fraud", "a b": "c"}');
    expect((await get(id)).digest).toBe(dataset.digest);

    const ids = async (): Promise<unknown> => (await call('GET', `${DATASETS}/${id}/experiment-ids`)).body;
    const change = (what: string, experiment_ids: readonly string[]) =>
      call('POST', `${DATASETS}/${id}/${what}-experiments`, { experiment_ids });
    expect((await change('add', ['0', experiment])).body.dataset).toMatchObject({ dataset_id: id, name: 'questions' });
    expect(await ids()).toEqual({ experiment_ids: [experiment, '0'] });
    expect(await change('add', ['77'])).toMatchObject(
      refused(404, 'RESOURCE_DOES_NOT_EXIST', 'No Experiment with id=77'),
    );
    expect((await change('remove', [experiment, '0', '77'])).status).toBe(200);
    expect(await ids()).toEqual({});

    const { position } = await call('GET', `${DATASETS}/${id}`);
    expect((await call('DELETE', `${DATASETS}/${id}`)).body).toEqual({});
    expect((await call('DELETE', `${DATASETS}/${id}`)).body).toEqual({});
    const gone = (message: string) => refused(404, 'RESOURCE_DOES_NOT_EXIST', message);
    expect(await call('GET', `${DATASETS}/${id}`)).toMatchObject(gone(`Evaluation dataset with id '${id}' not found`));
    expect(await call('PATCH', `${DATASETS}/${id}/tags`, { tags: '{}' })).toMatchObject(
      gone(`Could not find evaluation dataset with ID ${id}`),
    );
    expect(await call('GET', `${DATASETS}/${id}/records`)).toMatchObject(gone(`Dataset '${id}' not found.`));
    expect(await merge(id, '[]')).toMatchObject(gone(`Dataset '${id}' not found.`));
    expect(await change('add', ['0'])).toMatchObject(gone(`Dataset '${id}' not found`));
    expect(await get(id, { 'kontor-as-of': String(position) })).toMatchObject({ name: 'questions' });
  });

  it('hold one record per inputs, whose values stay as they were written', async () => {
    const id = await create('records');
    const first =
      '[{"inputs": {"b": 1.0, "a": "\\u00e9"}, "outputs": {"score": NaN}, "expectations": {"n": 12345678901234567890, "x": 1e-07}, ' +
      '"tags": {"k": "v"}, "source": {"source_type": "trace", "source_data": {"trace_id": "tr-1", "score": NaN}}}, {"inputs": {"a": 2}}]';
    expect((await merge(id, first)).body).toEqual({ inserted_count: 2, updated_count: 0 });
    const { records: text } = await page(id);
    for (const part of [
      '"inputs": {"b": 1.0, "a": "\\u00e9"}',
      '"outputs": {"score": NaN}',
      '"expectations": {"n": 12345678901234567890, "x": 1e-07}',
      '"tags": {"k": "v"}',
      '"source": {"source_type": "TRACE", "source_data": {"trace_id": "tr-1", "score": NaN}}, "source_id": "tr-1", "source_type": "TRACE"',
      '"inputs": {"a": 2}, "outputs": {}, "tags": {}, "created_time"',
    ])
      expect(text).toContain(part);
    expect(await get(id)).toMatchObject({
      schema:
        '{"inputs": {"b": "float", "a": "string"}, "outputs": {"score": "float"}, "expectations": {"n": "integer", "x": "float"}, "version": "1.0"}',
      profile: '{"num_records": 2}',
    });
    // The order of its keys makes no other input; expectations are added, outputs replaced.
    const again =
      '[{"inputs": {"a": "\u00e9", "b": 1.0}, "outputs": null, "expectations": {"y": [1]}, "tags": {"k": "w"}}]';
    expect((await merge(id, again)).body).toEqual({ inserted_count: 0, updated_count: 1 });
    const [changed, other] = (await page(id)).records.slice(1, -1).split(', {"dataset_record_id"');
    expect(changed).toContain('"expectations": {"n": 12345678901234567890, "x": 1e-07, "y": [1]}');
    expect(changed).toContain('"tags": {"k": "w"}');
    expect(changed).not.toContain('"outputs"');
    expect(other).toContain('"inputs": {"a": 2}');
  });

  it('append nothing when nothing changes, and a digest when something does', async () => {
    const id = await create('digest');
    await merge(id, '[{"inputs": {"q": 1}, "expectations": {"a": 1}}]');
    const before = await gateway.server.gateway.log.head();
    const { digest } = await get(id);
    expect((await merge(id, '[{"inputs": {"q": 1}, "expectations": {"a": 1}}]')).body).toEqual({
      ...{ inserted_count: 0, updated_count: 1 },
    });
    expect((await merge(id, '[]')).body).toEqual({ inserted_count: 0, updated_count: 0 });
    expect(await gateway.server.gateway.log.head()).toBe(before);
    expect((await get(id)).digest).toBe(digest);
    await merge(id, '[{"inputs": {"q": 2}}]');
    expect((await get(id)).digest).not.toBe(digest);
  });

  it('lose records by their ids, and have an empty profile then', async () => {
    const id = await create('losing');
    const { position } = await merge(id, '[{"inputs": {"q": 1}}, {"inputs": {"q": 2}}]');
    const ids = (await records(id)).map(({ dataset_record_id }: { dataset_record_id: string }) => dataset_record_id);
    const remove = async (...dataset_record_ids: string[]) =>
      (await call('DELETE', `${DATASETS}/${id}/records`, { dataset_record_ids })).body;
    expect(await remove(ids[0], 'nobody', `dr-${'0'.repeat(32)}`)).toEqual({ deleted_count: 1 });
    expect(await remove(ids[0])).toEqual({ deleted_count: 0 });
    expect((await get(id)).profile).toBe('{"num_records": 1}');
    expect(await remove(ids[1])).toEqual({ deleted_count: 1 });
    expect(await get(id)).toMatchObject({ profile: 'null', schema: expect.stringContaining('"q"') as string });
    expect(await records(id)).toEqual([]);
    expect(await records(id, { 'kontor-as-of': String(position) })).toHaveLength(2);
    await merge(id, '[{"inputs": {"q": 1}}]');
    expect((await records(id))[0].dataset_record_id).toBe(ids[0]);
  });

  it('take large batches as several events of one append, or as several appends, in their order', async () => {
    const id = await create('large');
    const large = (from: number, count: number): string =>
      JSON.stringify(Array.from({ length: count }, (_, n) => ({ inputs: { n: from + n, text: 'x'.repeat(2000) } })));
    const eventsOf = async (text: string): Promise<number> => {
      const before = await gateway.server.gateway.log.head();
      expect((await merge(id, text)).status).toBe(200);
      return Number((await gateway.server.gateway.log.head()) - before);
    };
    expect(await eventsOf(large(0, 150))).toBeGreaterThan(3);
    expect((await merge(id, large(100, 1000))).body).toEqual({ inserted_count: 950, updated_count: 50 });
    expect((await get(id)).profile).toBe('{"num_records": 1100}');
    const numbers: number[] = [];
    for (let token: string | undefined = ''; token !== undefined;) {
      const { records: text, next_page_token } = await page(id, token === '' ? {} : { page_token: token });
      numbers.push(...JSON.parse(text).map(({ inputs }: { inputs: { n: number } }) => inputs.n));
      token = next_page_token;
    }
    expect(numbers).toEqual(Array.from({ length: 1100 }, (_, n) => n));
    expect(JSON.parse((await page(id, { max_results: 2 })).records)).toHaveLength(2);
  });

  it('give pages that end before they are too large', async () => {
    const id = await create('wide');
    for (let n = 0; n < 50; n += 2) {
      const wide = [n, n + 1].map((number) => ({ inputs: { number, text: 'x'.repeat(190_000) } }));
      expect((await merge(id, JSON.stringify(wide))).status).toBe(200);
    }
    const first = await page(id);
    const shown = JSON.parse(first.records).length as number;
    expect(shown).toBeLessThan(50);
    const { records: rest, next_page_token } = await page(id, { page_token: first.next_page_token });
    expect(next_page_token).toBeUndefined();
    expect(JSON.parse(rest).map(({ inputs }: { inputs: { number: number } }) => inputs.number)).toEqual(
      Array.from({ length: 50 - shown }, (_, n) => shown + n),
    );
  });

  it('are found by name, tag, time and experiment, in an order, by pages', async () => {
    await create('s-one', { experiment_ids: [experiment], tags: '{"stage": "a"}' });
    await create('s-two', { tags: '{"stage": "b"}' });
    await create('s-three', { experiment_ids: [experiment], tags: '{"stage": "a"}' });
    const named = "name LIKE 's-%'";
    expect(await found({ filter_string: named })).toEqual(['s-three', 's-two', 's-one']);
    expect(await found({ filter_string: named, order_by: ['name'] })).toEqual(['s-one', 's-three', 's-two']);
    expect(await found({ filter_string: named, experiment_ids: [experiment] })).toEqual(['s-three', 's-one']);
    expect(await found({ filter_string: `${named} AND tags.stage = 'b'` })).toEqual(['s-two']);
    expect(await found({ filter_string: "name IN ('s-one', 's-two')" })).toEqual(['s-two', 's-one']);
    expect(await found({ filter_string: `${named} AND created_time > 0 AND created_by != 'x'` })).toHaveLength(3);
    expect(await found({ experiment_ids: ['77'] })).toEqual([]);
    const first = (await call('GET', `${DATASETS}/search`, { filter_string: named, max_results: 2 })).body;
    expect(first.datasets).toHaveLength(2);
    const rest = { filter_string: named, max_results: 2, page_token: first.next_page_token };
    expect(await found(rest)).toEqual(['s-one']);
    expect((await call('POST', `${DATASETS}/search`, rest)).body.next_page_token).toBeUndefined();
  });

  it('are in the graph, with their records, which are no nodes and so end with them', async () => {
    const id = await create('graph');
    await merge(id, '[{"inputs": {"q": 1}, "expectations": {"a": 1.0}}]');
    const { data, errors } = await gateway.graphql(
      `{ evaluationDataset(datasetId: "${id}") { name recordCount records { nodes { inputs outputs expectations { key value } } } } }`,
    );
    expect(errors).toEqual([]);
    expect(data.evaluationDataset).toEqual({
      ...{ name: 'graph', recordCount: 1 },
      records: { nodes: [{ inputs: '{"q": 1}', outputs: '{}', expectations: [{ key: 'a', value: '1.0' }] }] },
    });
    const [{ dataset_record_id: recordId }] = await records(id);
    expect(await call('DELETE', `${DATASETS}/${id}`)).toMatchObject({ status: 200 });
    const nodeId = Buffer.from(`DatasetRecord:${id}/${recordId}`).toString('base64url');
    const after = await gateway.graphql(
      `{ evaluationDataset(datasetId: "${id}") { id } node(id: "${nodeId}") { id } }`,
    );
    expect(after).toMatchObject({ errors: [], data: { evaluationDataset: null, node: null } });
  });
});
