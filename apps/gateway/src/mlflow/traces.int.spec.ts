import { gzipSync, deflateRawSync, deflateSync } from 'node:zlib';
import { registry } from '@kontor/domain/registry';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestGateway, type TestGateway } from '../gateway.fixture.js';

interface Answer {
  readonly status: number;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- answers of many shapes
  readonly body: any;
  readonly headers: Headers;
}

let gateway: TestGateway;
let experiment: string;
let run: string;

beforeAll(async () => {
  gateway = await startTestGateway({ services: [registry] });
  experiment = (await call('POST', '/api/2.0/mlflow/experiments/create', { name: 'agents' })).body.experiment_id;
  run = (await call('POST', '/api/2.0/mlflow/runs/create', { experiment_id: experiment })).body.run.info.run_id;
});
afterAll(() => gateway.stop());

const call = async (method: string, path: string, body: object = {}, headers: object = {}): Promise<Answer> => {
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
  const text = await response.text();
  const isJson = text.startsWith('{');
  return { status: response.status, body: isJson ? JSON.parse(text) : text, headers: response.headers };
};
const v3 = (method: string, path: string, body?: object, headers?: object) =>
  call(method, `/api/3.0/mlflow/traces${path}`, body, headers);
const v2 = (method: string, path: string, body?: object) => call(method, `/api/2.0/mlflow/traces${path}`, body);

const head = () => gateway.server.gateway.log.head();
/** How many events something writes. */
const written = async (act: () => Promise<unknown>): Promise<bigint> => {
  const before = await head();
  await act();
  return (await head()) - before;
};

const location = () => ({ type: 'MLFLOW_EXPERIMENT', mlflow_experiment: { experiment_id: experiment } });
let count = 0;
const newId = () => `tr-${String(++count).padStart(32, '0')}`;

const infoOf = (trace_id: string, more: object = {}) => ({
  ...{ trace_id, trace_location: location(), request_time: '2026-01-02T03:04:05.678Z', execution_duration: '1.5s' },
  ...{ state: 'OK', trace_metadata: { 'mlflow.trace.session': 's' }, tags: { 'mlflow.traceName': 'answer' } },
  ...more,
});
const start = async (more: object = {}, id = newId()): Promise<string> => {
  const answer = await v3('POST', '', { trace: { trace_info: infoOf(id, more) } });
  expect(answer, JSON.stringify(answer.body)).toMatchObject({ status: 200 });
  return id;
};
const found = async (filter: string, more: object = {}): Promise<readonly string[]> => {
  const { status, body } = await v3('POST', '/search', { locations: [location()], filter, ...more });
  expect(status, JSON.stringify(body)).toBe(200);
  return (body.traces ?? []).map(({ trace_id }: { trace_id: string }) => trace_id);
};

interface SpanOptions {
  readonly id?: string;
  readonly parent?: string;
  readonly name?: string;
  readonly attributes?: object[];
}
const span = (traceId: string, { id = '1', parent, name = 'root', attributes = [] }: SpanOptions = {}) => ({
  ...{ traceId: traceId.slice(3), spanId: id.padStart(16, '0'), name, attributes, status: { code: 1 } },
  ...(parent !== undefined && { parentSpanId: parent.padStart(16, '0') }),
  ...{ startTimeUnixNano: '1785000000000000000', endTimeUnixNano: '1785000000250000000' },
});
const request = (...spans: object[]) => ({
  resourceSpans: [
    {
      resource: { attributes: [{ key: 'service.name', value: { stringValue: 'shop' } }] },
      scopeSpans: [{ spans }],
    },
  ],
});
type Content = string | Uint8Array<ArrayBuffer>;
const send = (body: Content, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${gateway.server.url}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-mlflow-experiment-id': experiment, ...headers },
    body,
  });
const exported = async (...spans: object[]): Promise<void> => {
  const response = await send(JSON.stringify(request(...spans)));
  expect([response.status, await response.text()]).toEqual([200, '{}']);
};

describe('two filters', () => {
  it('are counted alone and together, among what a third one leaves', async () => {
    const { experiment_id } = (await call('POST', '/api/2.0/mlflow/experiments/create', { name: 'counted' })).body;
    const trace_location = { type: 'MLFLOW_EXPERIMENT', mlflow_experiment: { experiment_id } };
    const ids: string[] = [];
    for (const [env, state] of ['prod OK', 'prod OK', 'dev ERROR', 'dev OK'].map((text) => text.split(' ')))
      ids.push(await start({ trace_location, state, tags: { env } }));
    await exported(...ids.slice(1).map((id) => span(id, { name: 'tool' })));
    const counted = async (filter_string1: string, filter_string2: string, base_filter?: string) => {
      const body = { experiment_ids: [experiment_id], filter_string1, filter_string2, base_filter };
      const { npmi, npmi_smoothed, ...counts } = (await v3('POST', '/calculate-filter-correlation', body)).body;
      return [counts.filter1_count, counts.filter2_count, counts.joint_count, counts.total_count, npmi, npmi_smoothed];
    };
    const [one, none] = [expect.closeTo(1, 9) as number, expect.closeTo(0, 9) as number];
    const some = expect.any(Number) as number;
    expect(await counted("tags.env = 'dev'", "status = 'OK'", "tags.env = 'dev'")).toEqual([2, 1, 1, 2, none, none]);
    expect(await counted("tags.env = 'prod'", "status = 'ERROR'")).toEqual([2, 1, 0, 4, -1, some]);
    expect(await counted("span.name = 'tool'", "span.status = 'OK'")).toEqual([3, 3, 3, 4, one, some]);
    expect(await counted("tags.env = 'none'", "status = 'OK'")).toEqual([0, 3, 0, 4, undefined, undefined]);
    await v3('POST', '/delete-traces', { experiment_id, request_ids: ids.slice(3) });
    expect(await counted("tags.env = 'dev'", "status = 'ERROR'")).toEqual([1, 1, 1, 3, one, some]);
  });
});

describe('a trace', () => {
  it('is logged, shown as MLflow shows it, and logged again without an event', async () => {
    const id = newId();
    const info = infoOf(id, {
      ...{ client_request_id: 'c', request_preview: 'why?', response_preview: 'x'.repeat(1001) },
      tags: {
        team: 'risk',
        'mlflow.artifactLocation': 's3://elsewhere',
        'mlflow.trace.spansLocation': 'TRACKING_STORE',
      },
      assessments: [{ assessment_name: 'good', feedback: { value: true }, source: { source_type: 'CODE' } }],
    });
    const shown = (await v3('POST', '', { trace: { trace_info: info } })).body.trace.trace_info;
    expect(shown).toMatchObject({
      ...{ trace_id: id, client_request_id: 'c', state: 'OK', trace_location: location() },
      ...{ request_preview: 'why?', response_preview: 'x'.repeat(1000) },
      ...{ request_time: '2026-01-02T03:04:05.678Z', execution_duration: '1.500s' },
      trace_metadata: { 'mlflow.trace.session': 's', 'mlflow.trace.infoFinalized': 'true' },
      assessments: [{ assessment_name: 'good', feedback: { value: true }, valid: true, trace_id: id }],
    });
    expect(shown.tags).toEqual({
      team: 'risk',
      'mlflow.artifactLocation': `mlflow-artifacts:/${experiment}/traces/${id}/artifacts`,
    });
    expect(await written(() => v3('POST', '', { trace: { trace_info: info } }))).toBe(0n);
    expect((await v3('GET', `/${id}`)).body.trace.trace_info).toEqual(shown);
    expect((await v3('POST', '/batchGetInfos', { trace_ids: [id, 'tr-none'] })).body).toEqual({ trace_infos: [shown] });
    const elsewhere = { trace_ids: [id], experiment_ids: ['99'] };
    expect((await v3('POST', '/batchGetInfos', elsewhere)).body).toEqual({});
  });

  it('keeps previews, and who ran the program, encrypted in the log', async () => {
    const id = await start({ request_preview: 'a secret question', trace_metadata: { 'mlflow.user': 'ada lovelace' } });
    const { request_preview, trace_metadata } = (await v3('GET', `/${id}`)).body.trace.trace_info;
    expect([request_preview, trace_metadata['mlflow.user']]).toEqual(['a secret question', 'ada lovelace']);
    const query = `{ events(filter: {types: ["TraceLogged"]}, first: 100) { nodes { data } } }`;
    const { text } = await gateway.graphql(query);
    expect(text).not.toContain('a secret question');
    expect(text).not.toContain('ada lovelace');
  });

  it('is read in the graph with what is said about it, also by its node id', async () => {
    const source = { source_type: 'HUMAN', source_id: 'bob' };
    const id = await start({ request_preview: 'why?', tags: { team: 'risk' } });
    const assessment = { assessment_name: 'good', feedback: { error: { error_code: 'E' } }, source };
    await v3('POST', `/${id}/assessments`, { assessment });
    const fields = `traceId state requestTimeMs executionDurationMs requestPreview responsePreview tags { key value }
      experiment { name } assessments { name kind value errorMessage sourceId valid } prompts deleted`;
    const shown = {
      ...{ traceId: id, state: 'OK', requestTimeMs: 1767323045678, executionDurationMs: 1500, requestPreview: 'why?' },
      ...{ responsePreview: null, tags: [{ key: 'team', value: 'risk' }], experiment: { name: 'agents' } },
      assessments: [{ name: 'good', kind: 'feedback', value: 'null', errorMessage: 'E', sourceId: 'bob', valid: true }],
      ...{ prompts: [], deleted: false },
    };
    const { data } = await gateway.graphql(`{ trace(traceId: "${id}") { id ${fields} } }`);
    const { id: nodeId, ...trace } = data.trace;
    expect(trace).toEqual(shown);
    const byNode = await gateway.graphql(`{ node(id: "${nodeId}") { ... on Trace { ${fields} } } }`);
    expect(byNode.data.node).toEqual(shown);
    // The index of spans is no node.
    const spansId = Buffer.from(`TraceSpans:${id}/1`).toString('base64url');
    expect((await gateway.graphql(`{ node(id: "${spansId}") { id } }`)).data.node).toBeNull();
  });

  it('gets tags and loses them, but not those of the system', async () => {
    const id = await start();
    const tags = async () => (await v3('GET', `/${id}`)).body.trace.trace_info.tags;
    expect((await v3('PATCH', `/${id}/tags`, { key: 'k', value: 'v'.repeat(8001) })).body).toEqual({});
    expect((await tags()).k).toBe('v'.repeat(8000));
    expect(await written(() => v2('PATCH', `/${id}/tags`, { key: 'k', value: 'v'.repeat(8001) }))).toBe(0n);
    expect((await v2('DELETE', `/${id}/tags`, { key: 'k' })).body).toEqual({});
    expect(await tags()).not.toHaveProperty('k');
    expect((await v3('DELETE', `/${id}/tags`, { key: 'k' })).body).toMatchObject({
      ...{ error_code: 'RESOURCE_DOES_NOT_EXIST', message: `No trace tag with key 'k' for trace with ID '${id}'` },
    });
  });

  it('is what a client before MLflow 3 says at its beginning and at its end', async () => {
    const pair = (key: string, value: string) => ({ key, value });
    const begun = (
      await v2('POST', '', {
        experiment_id: experiment,
        timestamp_ms: 1000,
        tags: [pair('t', 'u')],
        request_metadata: [pair('a', 'b')],
      })
    ).body.trace_info;
    expect(begun).toMatchObject({
      experiment_id: experiment,
      timestamp_ms: 1000,
      execution_time_ms: 0,
      status: 'IN_PROGRESS',
    });
    const id = begun.request_id as string;
    const ended = { timestamp_ms: 1700, status: 'OK', request_metadata: [pair('c', 'd')], tags: [pair('t', 'w')] };
    const artifactUri = `mlflow-artifacts:/${experiment}/traces/${id}/artifacts`;
    const shown = {
      ...{ request_id: id, experiment_id: experiment, timestamp_ms: 1000, execution_time_ms: 700, status: 'OK' },
      request_metadata: [pair('a', 'b'), pair('c', 'd')],
      tags: [pair('t', 'w'), pair('mlflow.artifactLocation', artifactUri)],
    };
    expect((await v2('PATCH', `/${id}`, ended)).body).toEqual({ trace_info: shown });
    expect((await v2('GET', `/${id}/info`)).body).toEqual({ trace_info: shown });
    expect((await v2('GET', '', { experiment_ids: [experiment], filter: `request_id = '${id}'` })).body).toEqual({
      traces: [shown],
    });
    // Its spans are a file, which the client stores and fetches by itself.
    const file = artifactUri.replace('mlflow-artifacts:', '/api/2.0/mlflow-artifacts/artifacts');
    const stored = await fetch(`${gateway.server.url}${file}/traces.json`, { method: 'PUT', body: '{"spans":[]}' });
    expect(stored.status).toBe(200);
    expect((await call('GET', '/ajax-api/2.0/mlflow/get-trace-artifact', { request_id: id })).body).toEqual({
      spans: [],
    });
    expect(await v3('GET', '/get', { trace_id: id })).toMatchObject({
      status: 400,
      body: { error_code: 'INTERNAL_ERROR', message: 'Trace data not stored in tracking store' },
    });
  });

  it('is deleted by its id, or with all that are as old, the oldest first; and stays deleted', async () => {
    const { experiment_id } = (await call('POST', '/api/2.0/mlflow/experiments/create', { name: 'old' })).body;
    const place = { trace_location: { mlflow_experiment: { experiment_id } } };
    const at = (second: number) => start({ ...place, request_time: `2020-01-01T00:00:0${second}Z` });
    const [first, second, third] = [await at(1), await at(2), await at(3)];
    const left = async () =>
      ((await v3('POST', '/search', { locations: [place.trace_location] })).body.traces ?? []).map(
        ({ trace_id }: { trace_id: string }) => trace_id,
      );
    const remove = async (fields: object) =>
      (await v2('POST', '/delete-traces', { experiment_id, ...fields })).body.traces_deleted;
    const until = Date.parse('2020-01-01T00:00:02Z');
    expect(await remove({ max_timestamp_millis: until, max_traces: 1 })).toBe(1);
    expect(await left()).toEqual([third, second]);
    expect(await remove({ max_timestamp_millis: until })).toBe(1);
    expect(await remove({ request_ids: [first, third, 'tr-none'] })).toBe(1);
    expect(await left()).toEqual([]);
    expect(await v3('GET', `/${first}`)).toMatchObject({
      status: 404,
      body: { message: `Trace with ID '${first}' not found.` },
    });
    expect(await v3('POST', '', { trace: { trace_info: infoOf(first) } })).toMatchObject({ status: 404 });
    expect(await v3('GET', '/get', { trace_id: first })).toMatchObject({
      status: 404,
      body: { message: `Trace with ID ${first} is not found.` },
    });
  });

  it('is linked to a run and to a version of a prompt, by which it is found', async () => {
    const id = await start();
    const link = { trace_ids: [id, 'tr-none'], run_id: run };
    expect((await v2('POST', '/link-to-run', link)).body).toEqual({});
    expect(await written(() => v2('POST', '/link-to-run', link))).toBe(0n);
    expect(await found(`run_id = '${run}'`)).toEqual([id]);
    const ofRun = await start({ trace_metadata: { 'mlflow.sourceRun': run } });
    expect(await found(`metadata.\`mlflow.sourceRun\` = '${run}'`, { order_by: ['request_id'] })).toEqual([id, ofRun]);
    const prompts = { trace_id: id, prompt_versions: [{ name: 'greeting', version: '02' }] };
    expect((await v2('POST', '/link-prompts', prompts)).body).toEqual({});
    expect(await written(() => v2('POST', '/link-prompts', prompts))).toBe(0n);
    expect(await found("prompt = 'greeting/2'")).toEqual([id]);
  });

  it('is shown as of a moment, with its tags and assessments of then, and nothing can be changed there', async () => {
    const id = await start();
    const then = { 'Kontor-As-Of': (await v3('GET', `/${id}`)).headers.get('kontor-position') ?? '' };
    await v3('PATCH', `/${id}/tags`, { key: 'later', value: 'x' });
    await v3('POST', `/${id}/assessments`, { assessment: { assessment_name: 'a', feedback: { value: 1 } } });
    const past = (await v3('GET', `/${id}`, {}, then)).body.trace.trace_info;
    expect(past.tags).not.toHaveProperty('later');
    expect(past).not.toHaveProperty('assessments');
    await v3('POST', '/delete-traces', { experiment_id: experiment, request_ids: [id] });
    const search = { locations: [location()], filter: `request_id = '${id}'` };
    expect((await v3('POST', '/search', search, then)).body.traces).toEqual([past]);
    expect((await v3('POST', '/search', search)).body).toEqual({});
    expect((await v3('POST', '/batchGetInfos', { trace_ids: [id] }, then)).body.trace_infos).toEqual([past]);
    expect(await v3('PATCH', `/${id}/tags`, { key: 'k' }, then)).toMatchObject({ status: 400 });
  });
});

describe('a search of traces', () => {
  it('goes through pages of one moment', async () => {
    const ids = [
      await start({ tags: { page: 'x' } }),
      await start({ tags: { page: 'x' } }),
      await start({ tags: { page: 'x' } }),
    ];
    const search = { locations: [location()], filter: "tags.page = 'x'", order_by: ['request_id'], max_results: 2 };
    const first = (await v3('POST', '/search', search)).body;
    await start({ tags: { page: 'x' } });
    const second = (await v3('POST', '/search', { ...search, page_token: first.next_page_token })).body;
    const all = [...first.traces, ...second.traces].map(({ trace_id }: { trace_id: string }) => trace_id);
    expect(all).toEqual(ids);
    expect(second).not.toHaveProperty('next_page_token');
  });

  it('finds by everything that the grammar knows', async () => {
    const id = await start({
      ...{ client_request_id: 'unique', execution_duration: '2s', state: 'ERROR' },
      ...{
        trace_metadata: { 'mlflow.trace.session': 'one', deep: 'a b' },
        tags: { 'mlflow.traceName': 'Find me', color: 'Red' },
      },
    });
    for (const [name, value] of [
      ['score', 0.5],
      ['word', 'yes'],
      ['flag', true],
      ['count', 5],
    ]) {
      await v3('POST', `/${id}/assessments`, { assessment: { assessment_name: name, feedback: { value } } });
    }
    await v3('POST', `/${id}/assessments`, { assessment: { assessment_name: 'want', expectation: { value: 'it' } } });
    await v3('POST', `/${id}/assessments`, { assessment: { assessment_name: 'iss-1', issue: { issue_name: 'slow' } } });
    const only = `client_request_id = 'unique' AND `;
    const yes = [
      ...["status = 'ERROR'", "trace.status != 'OK'", "attributes.status IN ('ERROR', 'OK')", "status NOT IN ('OK')"],
      ...["status LIKE 'ERR%'", "status ILIKE 'err%'", "status RLIKE '^E.*R$'", `request_id = '${id}'`],
      ...[
        "name = 'Find me'",
        "name ILIKE 'find%'",
        "tags.color = 'Red'",
        "tag.color LIKE 'R%'",
        "tags.color RLIKE '^R'",
      ],
      ...['tags.color IS NOT NULL', 'tags.none IS NULL', "metadata.deep = 'a b'", "request_metadata.deep LIKE 'a%'"],
      ...["metadata.`mlflow.trace.session` = 'one'", 'metadata.none IS NULL', 'timestamp > 1767323045677'],
      ...[
        'timestamp_ms = 1767323045678',
        'execution_time >= 2000',
        'end_time = 1767323047678',
        'execution_time < 2000.5',
      ],
      ...['feedback.score > 0.4', 'feedback.score <= 0.5', "feedback.score = '0.5'", "feedback.word = 'yes'"],
      ...["feedback.word LIKE '%es%'", "feedback.flag = 'true'", "feedback.flag != 'false'", 'feedback.count >= 5'],
      ...["feedback.count = '5.0'", 'feedback.none IS NULL', 'feedback.word IS NOT NULL', "expectation.want = 'it'"],
      ...["issue.id = 'iss-1'", "feedback.word = 'yes' AND tags.color = 'Red' AND execution_time > 1"],
    ];
    for (const filter of yes) expect(await found(only + filter), filter).toEqual([id]);
    const no = [
      ...["status = 'OK'", "status NOT IN ('ERROR')", "name = 'find me'", "tags.color = 'red'", "tags.none != 'x'"],
      ...['tags.color IS NULL', "metadata.none != 'x'", 'timestamp > 1767323045678', 'execution_time > 2000'],
      ...['feedback.score > 0.5', 'feedback.word > 1', "feedback.none != 'x'", "feedback.want = 'it'"],
      ...[
        "expectation.word = 'yes'",
        'feedback.word IS NULL',
        "issue.id = 'word'",
        "run_id = 'none'",
        "prompt = 'a/1'",
      ],
      ...["span.name = 'x'", "tags.color RLIKE '^e'"],
    ];
    for (const filter of no) expect(await found(only + filter), filter).toEqual([]);
  });

  it('orders by attributes, tags and metadata, and puts last what has none', async () => {
    const ordered = async (...order_by: string[]) => found("tags.o LIKE '%'", { order_by });
    const at = (second: number, more: object) => ({ request_time: `2021-01-01T00:00:0${second}Z`, ...more });
    const a = await start(at(1, { tags: { o: 'b', 'mlflow.traceName': 'x' }, execution_duration: '1s' }));
    const b = await start(at(2, { tags: { o: 'a' }, execution_duration: '3s' }));
    const c = await start(at(3, { tags: { o: 'c', 'mlflow.traceName': 'w' }, execution_duration: undefined }));
    expect(await ordered()).toEqual([c, b, a]);
    expect(await ordered('timestamp ASC')).toEqual([a, b, c]);
    expect(await ordered('tags.o')).toEqual([b, a, c]);
    expect(await ordered('execution_time DESC')).toEqual([b, a, c]);
    expect(await ordered('name')).toEqual([c, a, b]);
    expect(await ordered('status', 'request_id DESC')).toEqual([c, b, a]);
    expect(await ordered('end_time')).toEqual([a, c, b]);
    expect(await ordered('request_metadata.none', 'experiment_id')).toEqual([c, b, a]);
  });
});

describe('an assessment', () => {
  const source = { source_type: 'HUMAN', source_id: 'bob@example.com' };
  const given = (more: object) => ({ assessment: { assessment_name: 'correct', source, ...more } });

  it.each<[object, object]>([
    [{ feedback: { value: true } }, { feedback: { value: true } }],
    [{ feedback: { value: 5 } }, { feedback: { value: 5 } }],
    [{ feedback: { value: null } }, { feedback: { value: null } }],
    [{ feedback: {} }, { feedback: { value: null } }],
    [{ feedback: { value: { a: [1, 'é', null] } } }, { feedback: { value: { a: [1, 'é', null] } } }],
    [
      { feedback: { error: { error_code: 'E', stack_trace: 's' } } },
      { feedback: { value: null, error: { error_code: 'E', stack_trace: 's' } } },
    ],
    [{ expectation: { value: 'Paris' }, rationale: 'none has one' }, { expectation: { value: 'Paris' } }],
    [
      { expectation: { serialized_value: { serialization_format: 'JSON_FORMAT', value: '{"a":[1]}' } } },
      { expectation: { serialized_value: { serialization_format: 'JSON_FORMAT', value: '{"a": [1]}' } } },
    ],
    [{ issue: { issue_name: 'slow' } }, { issue: { issue_name: 'slow' } }],
  ])('of %j is kept', async (said, shown) => {
    const id = await start();
    const { body } = await v3('POST', `/${id}/assessments`, given(said));
    expect(body.assessment).toMatchObject({ ...shown, assessment_name: 'correct', source, trace_id: id, valid: true });
    expect(body.assessment).not.toHaveProperty('rationale');
    const { assessment_id } = body.assessment;
    expect((await v3('GET', `/${id}/assessments/${assessment_id}`)).body).toEqual(body);
  });

  it('is updated, overridden and deleted', async () => {
    const id = await start();
    const first = (await v3('POST', `/${id}/assessments`, given({ feedback: { value: 1 }, metadata: { a: '1' } }))).body
      .assessment;
    const path = `/${id}/assessments/${first.assessment_id}`;
    const changed = {
      assessment: { feedback: { value: 2 }, rationale: 'so', metadata: { b: '2' } },
      update_mask: 'feedback,rationale,metadata',
    };
    const { assessment } = (await v3('PATCH', path, changed)).body;
    expect(assessment).toMatchObject({
      feedback: { value: 2 },
      rationale: 'so',
      metadata: { a: '1', b: '2' },
      create_time: first.create_time,
    });
    expect(Date.parse(assessment.last_update_time)).toBeGreaterThanOrEqual(Date.parse(first.last_update_time));
    expect(await written(() => v3('PATCH', path, changed))).toBe(0n);
    const other = {
      assessment: { assessment_name: 'x', expectation: { value: 1 } },
      update_mask: 'assessmentName,expectation',
    };
    expect((await v3('PATCH', path, other)).body.message).toBe(
      'Cannot update expectation value on a Feedback assessment.',
    );
    expect(
      (await v3('PATCH', path, { assessment: { rationale: 'no' }, update_mask: 'nothing' })).body.assessment,
    ).toEqual(assessment);
    const second = (
      await v3('POST', `/${id}/assessments`, given({ feedback: { value: 3 }, overrides: first.assessment_id }))
    ).body;
    expect((await v3('GET', path)).body.assessment.valid).toBe(false);
    const secondPath = `/${id}/assessments/${second.assessment.assessment_id}`;
    expect((await v3('DELETE', secondPath)).body).toEqual({});
    expect(await written(() => v3('DELETE', secondPath))).toBe(0n);
    expect((await v3('GET', path)).body.assessment.valid).toBe(true);
    expect((await v3('GET', secondPath)).body.message).toMatch(/^Assessment with ID '.*' not found for trace/);
  });
});

describe('spans', () => {
  const spansOf = async (id: string, more: object = {}) =>
    (await v3('GET', '/get', { trace_id: id, ...more })).body.trace.spans;

  it('begin a trace, in any order, and their client ends it', async () => {
    const id = newId();
    await exported(span(id, { id: '2', parent: '1', name: 'child' }));
    expect((await v3('GET', `/${id}`)).body.trace.trace_info).toMatchObject({
      ...{ state: 'IN_PROGRESS', execution_duration: '0.250s' },
      tags: { 'service.name': 'shop', 'mlflow.trace.spansLocation': 'TRACKING_STORE' },
    });
    const asked = { key: 'mlflow.spanInputs', value: { stringValue: 'why' } };
    await exported(span(id, { attributes: [asked] }));
    expect((await v3('GET', `/${id}`)).body.trace.trace_info).toMatchObject({ state: 'OK', request_preview: '"why"' });
    await start({ state: 'ERROR', request_preview: undefined }, id);
    const info = (await v3('GET', `/${id}`)).body.trace.trace_info;
    expect(info).toMatchObject({ state: 'ERROR', execution_duration: '1.500s', request_preview: '"why"' });
    const spans = await spansOf(id);
    expect(spans.map(({ name }: { name: string }) => name)).toEqual(['root', 'child']);
    expect(spans[0]).toMatchObject({
      ...{ trace_id: Buffer.from(id.slice(3), 'hex').toString('base64'), status: { code: 'STATUS_CODE_OK' } },
      attributes: [
        { key: 'mlflow.spanInputs', value: { string_value: 'why' } },
        { key: 'mlflow.traceRequestId', value: { string_value: id } },
      ],
    });
    const whole = { trace_info: info, spans };
    expect((await v3('GET', '/batchGet', { trace_ids: [id] })).body).toEqual({ traces: [whole] });
    expect(await found("span.name = 'child' AND span.status = 'OK'")).toContain(id);
    expect(await found("span.name IN ('child') AND span.type != 'UNKNOWN'")).not.toContain(id);
  });

  it('are one event per request and trace, and none when they come again', async () => {
    const [a, b] = [newId(), newId()];
    const both = [span(a), span(a, { id: '2', parent: '1' }), span(b)];
    expect(await written(() => exported(...both))).toBe(2n);
    expect(await written(() => exported(...both))).toBe(0n);
    expect(await spansOf(a)).toHaveLength(2);
    // A span that comes again, changed, is the newer one.
    await exported(span(a, { id: '2', parent: '1', name: 'renamed' }));
    expect((await spansOf(a)).map(({ name }: { name: string }) => name)).toEqual(['root', 'renamed']);
  });

  it('are whole when as many are there as the client counted', async () => {
    const id = newId();
    await exported(span(id));
    await start({ trace_metadata: { 'mlflow.trace.sizeStats': '{"num_spans": 2}' } }, id);
    expect(await spansOf(id, { allow_partial: true })).toHaveLength(1);
    expect((await v3('GET', '/batchGet', { trace_ids: [id] })).body).toEqual({});
    const position = (await v3('GET', `/${id}`)).headers.get('kontor-position') ?? '';
    const past = await v3('GET', '/get', { trace_id: id }, { 'Kontor-As-Of': position });
    expect(past.body.message).toBe(`Trace with ID ${id} is not fully exported yet, please try again later.`);
    // Who asks now waits for the one that is missing.
    const [whole] = await Promise.all([spansOf(id), exported(span(id, { id: '2', parent: '1' }))]);
    expect(whole).toHaveLength(2);
  });

  it('come as protobuf too, and packed', async () => {
    const bytes = (write: (writer: BinaryWriter) => unknown): Uint8Array => {
      const writer = new BinaryWriter();
      write(writer);
      return writer.finish();
    };
    const id = newId();
    const spans = (spanId: number) =>
      bytes((writer) => {
        writer.tag(1, WireType.LengthDelimited).bytes(Buffer.from(id.slice(3), 'hex'));
        writer.tag(2, WireType.LengthDelimited).bytes(Buffer.alloc(8, spanId));
        writer.tag(5, WireType.LengthDelimited).string(`span ${spanId}`);
        writer.tag(7, WireType.Bit64).fixed64(1785000000000000000n + BigInt(spanId));
      });
    const protobuf = (spanId: number) =>
      bytes((writer) => {
        const scope = bytes((inner) => inner.tag(2, WireType.LengthDelimited).bytes(spans(spanId)));
        const part = bytes((inner) => inner.tag(2, WireType.LengthDelimited).bytes(scope));
        writer.tag(1, WireType.LengthDelimited).bytes(part);
      });
    const type = { 'content-type': 'application/x-protobuf' };
    for (const [n, [encoding, pack]] of Object.entries({
      identity: Buffer.from,
      gzip: gzipSync,
      deflate: deflateSync,
      Deflate: deflateRawSync,
    }).entries()) {
      const body = (pack as (content: Uint8Array) => Buffer)(protobuf(n + 1));
      const response = await send(new Uint8Array(body), { ...type, 'content-encoding': encoding });
      expect([response.status, response.headers.get('content-type'), await response.text()], encoding).toEqual([
        200,
        type['content-type'],
        '',
      ]);
    }
    expect((await spansOf(id)).map(({ name }: { name: string }) => name)).toEqual([
      'span 1',
      'span 2',
      'span 3',
      'span 4',
    ]);
  });

  it('of many thousands arrive whole, in some events', async () => {
    const id = newId();
    const many = Array.from({ length: 1200 }, (_, n) =>
      span(id, { id: String(n + 1), ...(n > 0 && { parent: '1' }), name: `span number ${n}` }),
    );
    const events = await written(() => exported(...many));
    expect(Number(events)).toBeLessThan(10);
    expect(await spansOf(id)).toHaveLength(1200);
    expect(await found("span.name = 'span number 1199'")).toEqual([id]);
  });

  it('are linked to the run that the request names, and fetched as a file', async () => {
    const id = newId();
    const response = await send(JSON.stringify(request(span(id), span(newId(), { parent: '9' }))), {
      'x-mlflow-run-id': run,
    });
    expect(response.status).toBe(200);
    expect(await found(`run_id = '${run}' AND request_id = '${id}'`)).toEqual([id]);
    for (const version of [2, 3]) {
      const file = await call('GET', `/ajax-api/${version}.0/mlflow/get-trace-artifact`, { request_id: id });
      expect(file.headers.get('content-disposition')).toBe('attachment; filename=traces.json');
      expect(file.body.spans).toMatchObject([{ name: 'root', attributes: { 'mlflow.traceRequestId': `"${id}"` } }]);
    }
    const root = `/api/2.0/mlflow-artifacts/artifacts/${experiment}/traces/${id}/artifacts/attachments/a.txt`;
    await fetch(`${gateway.server.url}${root}`, { method: 'PUT', body: 'attached' });
    const attached = await call('GET', '/ajax-api/3.0/mlflow/get-trace-artifact', { request_id: id, path: 'a.txt' });
    expect(attached.body).toBe('attached');
  });

  it('that are no spans, or belong nowhere, are refused as a whole', async () => {
    const id = newId();
    const good = span(id);
    const cases: readonly [Content, Record<string, string>, number, string][] = [
      [JSON.stringify(request(good, { ...span(newId()), spanId: '' })), {}, 422, 'span_id has 0 bytes instead of 8'],
      [
        JSON.stringify(request(good, { ...span(newId()), traceId: '1'.repeat(34) })),
        {},
        422,
        'trace_id has 17 bytes instead of 16',
      ],
      [JSON.stringify(request(good)), { 'x-mlflow-experiment-id': '99' }, 404, 'No Experiment with id=99 exists'],
      [JSON.stringify(request(good)), { 'x-mlflow-experiment-id': 'x' }, 400, "Invalid experiment ID 'x'"],
      [JSON.stringify(request(good)), { 'x-mlflow-run-id': 'none' }, 404, 'Run with id=none not found'],
      [
        JSON.stringify(
          request(
            good,
            span(newId(), { attributes: [{ key: 'session.id', value: { stringValue: 's'.repeat(251) } }] }),
          ),
        ),
        {},
        400,
        "'Session ID' exceeds the maximum length of 250 characters",
      ],
      [
        new Uint8Array(gzipSync(Buffer.alloc(17 * 1024 * 1024))),
        { 'content-encoding': 'gzip' },
        413,
        'more than 16777216 bytes',
      ],
    ];
    for (const [body, headers, status, says] of cases) {
      const events = await written(async () => {
        const response = await send(body, headers);
        expect(response.status, says).toBe(status);
        expect(((await response.json()) as { message: string }).message).toContain(says);
      });
      expect(events, says).toBe(0n);
    }
    expect(await v3('GET', `/${id}`)).toMatchObject({ status: 404 });
  });
});
