// "Ask what any read would have answered at any past moment": every read endpoint, while random writes go on.
import { registry } from '@kontor/domain/registry';
import { ensureKeyPair, loadPrivateKey, signToken, TOKEN_ISSUER } from '@kontor/service/process';
import { prng } from '@kontor/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeTokens } from '../graphql/consistency.js';
import { startTestGateway, type TestGateway } from '../gateway.fixture.js';
import { endpoints } from './face.js';

const SEED = Number(process.env['KONTOR_SEED'] ?? Date.now() % 1_000_000);
const WRITES = 60;
/** The answers are recorded after every so manieth write. */
const RECORDED_EVERY = 4;

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startTestGateway({ services: [registry] });
});
afterAll(() => gateway.stop());

type Headers = Readonly<Record<string, string>>;
interface Answer {
  readonly status: number;
  readonly text: string;
  readonly position: string | null;
  readonly headers: globalThis.Headers;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- answers of many shapes
  readonly json: any;
}

/** A request; `body` in the query of a GET, as JSON otherwise, as it is if it is a text. */
const send = async (
  method: string,
  path: string,
  body: object | string = {},
  headers: Headers = {},
): Promise<Answer> => {
  const isQuery = method === 'GET' && typeof body !== 'string';
  const query = new URLSearchParams(
    Object.entries(isQuery ? body : {}).flatMap(([name, value]: [string, unknown]) =>
      [value].flat().map((one): [string, string] => [name, String(one)]),
    ),
  );
  const response = await fetch(`${gateway.server.url}${path}${query.size > 0 ? `?${query.toString()}` : ''}`, {
    method,
    headers: { ...(typeof body !== 'string' && { 'content-type': 'application/json' }), ...headers },
    ...(method !== 'GET' && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const json: unknown = text.startsWith('{') ? JSON.parse(text) : undefined;
  return {
    status: response.status,
    text,
    position: response.headers.get('kontor-position'),
    headers: response.headers,
    json,
  };
};

const api = (path: string) => `/api/2.0/mlflow/${path}`;
const write = (method: string, path: string, body: object) => send(method, api(path), body);
const FILES = '/api/2.0/mlflow-artifacts/artifacts';

const MODELS = ['fraud', 'credit'];
const RUNS: string[] = [];
const LOGGED_MODELS: string[] = [];
const WEBHOOKS: string[] = [];
const TRACES = ['1', '2'].map((digit) => `tr-${digit.repeat(32)}`);
const TRACE_PATH = '/api/3.0/mlflow/traces';
const EXPERIMENT = { type: 'MLFLOW_EXPERIMENT', mlflow_experiment: { experiment_id: '1' } };

/** Exports a span of a trace, as OpenTelemetry does. */
const logSpan = (trace: string, span: Readonly<Record<string, unknown>>): Promise<Answer> => {
  const spans = [{ traceId: trace.slice(3), startTimeUnixNano: '1785000000000000000', ...span }];
  const headers = { 'x-mlflow-experiment-id': '1' };
  return send('POST', '/v1/traces', { resourceSpans: [{ scopeSpans: [{ spans }] }] }, headers);
};
const ASSESSMENT = { assessment_id: 'a-1', assessment_name: 'good', feedback: { value: 1 } };
const SCORERS: string[] = [];
const DATASETS: string[] = [];

const RECORDS: string[] = [];
const dataset = (method: string, path: string, body: object = {}): Promise<Answer> =>
  send(method, `/api/3.0/mlflow/datasets/${DATASETS[0] ?? ''}/${path}`, body);
const JUDGE = { experiment_id: '0', name: 'relevance' };
const registerScorer = (name: string, kind: string): Promise<Answer> =>
  send('POST', '/api/3.0/mlflow/scorers/register', { ...JUDGE, name, serialized_scorer: JSON.stringify({ kind }) });

/** Writes of every kind, foolish ones among them: a refused one changes nothing. */
const writes = (chance: () => number): readonly (() => Promise<Answer>)[] => {
  const of = <Item>(items: readonly Item[]): Item => items[Math.floor(chance() * items.length)] as Item;
  const value = () => String(Math.floor(chance() * 1000));
  const run = () => of(RUNS);
  const model = () => of(MODELS);
  const version = () => ({ name: model(), version: of(['1', '2', '3']) });
  const path = () => `${FILES}/1/${run()}/artifacts/${of(['a.txt', 'model/b.txt'])}`;
  const tag = () => ({ key: of(['team', 'stage']), value: value() });
  const logged = () => `logged-models/${of(LOGGED_MODELS)}`;
  const trace = () => of(TRACES);
  const judged = () => `${TRACE_PATH}/${trace()}/assessments/a-1`;
  return [
    () => write('POST', 'experiments/create', { name: `e${value()}` }),
    () => write('POST', 'experiments/update', { experiment_id: '1', new_name: `e${value()}` }),
    () => write('POST', `experiments/${of(['delete', 'restore'])}`, { experiment_id: '1' }),
    () => write('POST', 'experiments/set-experiment-tag', { experiment_id: '1', ...tag() }),
    () => write('POST', 'runs/create', { experiment_id: '1', run_name: value(), start_time: 1 }),
    () => write('POST', 'runs/update', { run_id: run(), run_name: `r${value()}`, status: of(['RUNNING', 'FINISHED']) }),
    () => write('POST', `runs/${of(['delete', 'restore'])}`, { run_id: run() }),
    () =>
      write('POST', 'runs/log-batch', {
        run_id: run(),
        metrics: [{ key: 'loss', value: chance(), timestamp: 1, step: Math.floor(chance() * 9) }],
        params: [{ key: value(), value: 'x' }],
        tags: [tag()],
      }),
    () => {
      const dataset = { name: value(), digest: 'd', source_type: 'local', source: 'x' };
      return write('POST', 'runs/log-inputs', { run_id: run(), datasets: [{ dataset, tags: [] }] });
    },
    () => write('POST', 'runs/delete-tag', { run_id: run(), key: 'team' }),
    () => send('PUT', path(), value(), { 'content-type': 'text/plain' }),
    () => send('PUT', path(), value(), { 'content-type': 'text/plain' }),
    () => send('DELETE', path()),
    () => write('POST', 'logged-models', { experiment_id: '1', name: `m${value()}`, source_run_id: run() }),
    () => write('PATCH', `${logged()}/tags`, { tags: [tag()] }),
    () => write('DELETE', logged(), {}),
    () => send('PATCH', `${TRACE_PATH}/${trace()}/tags`, tag()),
    () => send('DELETE', `${TRACE_PATH}/${trace()}/tags`, { key: 'team' }),
    () => logSpan(trace(), { spanId: of(['2', '3']).repeat(16), parentSpanId: '1'.repeat(16), name: value() }),
    () => send('PATCH', judged(), { assessment: { rationale: value() }, update_mask: 'rationale' }),
    () => send('DELETE', judged()),
    () => write('POST', 'traces/link-to-run', { trace_ids: TRACES, run_id: run() }),
    () => send('POST', `${TRACE_PATH}/delete-traces`, { experiment_id: '1', request_ids: [TRACES[1]] }),
    () => write('POST', 'registered-models/create', { name: model() }),
    () => write('PATCH', 'registered-models/update', { name: model(), description: value() }),
    () => write('POST', 'registered-models/rename', { name: model(), new_name: model() }),
    () => write('DELETE', 'registered-models/delete', { name: model() }),
    () => write('POST', 'registered-models/set-tag', { name: model(), ...tag() }),
    () => write('POST', 'registered-models/alias', { ...version(), alias: of(['champion', 'next']) }),
    () => write('POST', 'registered-models/alias', { ...version(), alias: 'champion' }),
    () => write('DELETE', 'registered-models/alias', { name: model(), alias: 'champion' }),
    () => write('POST', 'model-versions/create', { name: model(), source: 's3://bucket/model' }),
    () => write('POST', 'model-versions/create', { name: model(), source: 's3://bucket/model' }),
    () => write('PATCH', 'model-versions/update', { ...version(), description: value() }),
    () =>
      write('POST', 'model-versions/transition-stage', {
        ...version(),
        stage: of(['Staging', 'Production']),
        archive_existing_versions: true,
      }),
    () => write('POST', 'model-versions/set-tag', { ...version(), ...tag() }),
    () => write('DELETE', 'model-versions/delete', version()),
    () => write('PATCH', `webhooks/${WEBHOOKS[0] ?? ''}`, { description: value() }),
    () => write('DELETE', `webhooks/${of(WEBHOOKS)}`, {}),
    () => send('PATCH', '/api/3.0/mlflow/workspaces/default', { description: value() }),
    () => dataset('POST', `${of(['add', 'remove'])}-experiments`, { experiment_ids: ['1'] }),
    () => dataset('PATCH', 'tags', { tags: JSON.stringify({ team: value() }) }),
    () =>
      dataset('POST', 'records', {
        records: JSON.stringify([{ inputs: { q: value() } }, { inputs: {}, outputs: value() }]),
      }),
    () => dataset('DELETE', 'records', { dataset_record_ids: RECORDS.slice(0, 1) }),
    () => registerScorer(of(['relevance', 'tone']), value()),
    () => send('DELETE', '/api/3.0/mlflow/scorers/delete', { ...JUDGE, version: 1 + Math.floor(chance() * 3) }),
    () => send('PUT', '/api/3.0/mlflow/scorers/online-config', { ...JUDGE, sample_rate: 0, filter_string: value() }),
  ];
};

/** What each read endpoint is asked, several questions each; `no rows` answers from nothing that the log holds. */
const questions = (): Readonly<Record<string, readonly object[] | 'no rows'>> => {
  const [run = ''] = RUNS;
  const experiments = { experiment_ids: ['0', '1', '2'], max_results: 50 };
  const perModel = MODELS.map((name) => ({ name }));
  const versions = perModel.flatMap((model) => ['1', '2'].map((version) => ({ ...model, version })));
  const metric = { metric_key: 'loss' };
  return {
    'GET /mlflow/experiments/get': [{ experiment_id: '1' }, { experiment_id: '2' }],
    'GET /mlflow/experiments/get-by-name': [{ experiment_name: 'Default' }, { experiment_name: 'scoring' }],
    'GET /mlflow/experiments/search': [{ max_results: 50, view_type: 'ALL' }, { max_results: 1 }],
    'POST /mlflow/experiments/search': [{ max_results: 50, view_type: 'DELETED_ONLY' }],
    'POST /mlflow/experiments/search-datasets': [{ experiment_ids: ['1'] }],
    'GET /mlflow/runs/get': RUNS.map((run_id) => ({ run_id })),
    'GET /mlflow/runs/search': [{ ...experiments, run_view_type: 'ALL' }],
    'POST /mlflow/runs/search': [
      { ...experiments, filter: 'metrics.loss > 0.3', order_by: ['metrics.loss DESC'] },
      { ...experiments, run_view_type: 'DELETED_ONLY' },
    ],
    'GET /mlflow/artifacts/list': [{ run_id: run }, { run_id: run, path: 'model' }],
    'GET /mlflow/metrics/get-history': [{ run_id: run, ...metric }],
    'GET /mlflow/metrics/get-history-bulk': [{ run_id: RUNS, ...metric }],
    'GET /mlflow/metrics/get-history-bulk-interval': [{ run_ids: RUNS, ...metric }],
    'POST /mlflow/logged-models/search': [{ experiment_ids: ['1'] }],
    'GET /mlflow/logged-models/{model_id}': [{}],
    'GET /mlflow/logged-models/{model_id}/artifacts/directories': [{}],
    'GET /mlflow/traces': [{ experiment_ids: ['1'] }],
    'GET /mlflow/traces/{trace_id}': [{}],
    'GET /mlflow/traces/{request_id}/info': [{}],
    'GET /mlflow/traces/{trace_id}/assessments/{assessment_id}': [{}],
    'GET /mlflow/traces/get': TRACES.map((trace_id) => ({ trace_id })),
    'GET /mlflow/traces/batchGet': [{ trace_ids: TRACES }],
    'POST /mlflow/traces/batchGetInfos': [{ trace_ids: TRACES }],
    'POST /mlflow/traces/search': [
      { locations: [EXPERIMENT] },
      { locations: [EXPERIMENT], filter: "span.name LIKE '%1%' AND tags.team IS NOT NULL", order_by: ['tags.team'] },
      { locations: [EXPERIMENT], filter: 'feedback.good > 0' },
    ],
    'POST /mlflow/traces/calculate-filter-correlation': [
      { experiment_ids: ['1'], filter_string1: "span.name LIKE '%1%'", filter_string2: 'feedback.good > 0' },
    ],
    'GET /mlflow/registered-models/get': perModel,
    'GET /mlflow/registered-models/search': [{}, { filter: "name LIKE '%r%'", order_by: ['name DESC'] }],
    'GET /mlflow/registered-models/get-latest-versions': perModel,
    'POST /mlflow/registered-models/get-latest-versions': perModel,
    'GET /mlflow/registered-models/alias': perModel.map((model) => ({ ...model, alias: 'champion' })),
    'GET /mlflow/model-versions/get': versions,
    'GET /mlflow/model-versions/search': [{}, { filter: "name = 'fraud'", max_results: 1 }],
    'GET /mlflow/model-versions/get-download-uri': versions,
    'GET /kontor/aliases/history': perModel.map((model) => ({ ...model, alias: 'champion' })),
    'GET /mlflow/webhooks': [{}, { max_results: 1 }],
    'GET /mlflow/webhooks/{webhook_id}': [{}],
    'GET /mlflow/workspaces': [{}],
    'GET /mlflow/workspaces/{name}': [{}],
    'POST /mlflow/datasets/search': [{}, { filter_string: "tags.team = '1'" }],
    'GET /mlflow/datasets/search': [{ experiment_ids: ['1'] }],
    'GET /mlflow/datasets/{dataset_id}': [{}],
    'GET /mlflow/datasets/{dataset_id}/records': [{}, { max_results: 1 }],
    'GET /mlflow/datasets/{dataset_id}/experiment-ids': [{}],
    'GET /mlflow/scorers/list': [{}, { experiment_id: '0' }],
    'GET /mlflow/scorers/versions': [JUDGE],
    'GET /mlflow/scorers/get': [JUDGE, { ...JUDGE, version: 1 }],
    'GET /mlflow/scorers/online-configs': [{ scorer_ids: SCORERS }],
    // Files on disk have no links.
    'GET /mlflow-artifacts/presigned/*': 'no rows',
    'GET /mlflow/server-info': 'no rows',
    'GET /mlflow/server-features': 'no rows',
  };
};

interface Question {
  readonly what: string;
  readonly method: string;
  readonly path: string;
  readonly body: object;
}

const asked = (): readonly Question[] => {
  const table = questions();
  const reads = endpoints.filter(({ method, reads }) => method === 'GET' || reads);
  expect(Object.keys(table).sort(), 'each read endpoint is asked').toEqual(
    reads.map(({ method, path }) => `${method} ${path}`).sort(),
  );
  const [run = ''] = RUNS;
  const files = [FILES, `${FILES}/1/${run}/artifacts/a.txt`, `${FILES}/1/${run}/artifacts/model/b.txt`];
  return [
    ...reads.flatMap(({ method, path, version = 2, isAjaxOnly }) => {
      const bodies = table[`${method} ${path}`];
      if (bodies === undefined || bodies === 'no rows') return [];
      const filled = path
        .replace('{model_id}', LOGGED_MODELS[0] ?? '')
        .replace('{webhook_id}', WEBHOOKS[0] ?? '')
        .replace(/\{(?:trace|request)_id\}/, TRACES[0] ?? '')
        .replace('{assessment_id}', 'a-1')
        .replace('{dataset_id}', DATASETS[0] ?? '')
        .replace('{name}', 'default');
      return bodies.map((body) => ({
        what: `${method} ${path}`,
        method,
        path: `/${isAjaxOnly ? 'ajax-api' : 'api'}/${version}.0${filled}`,
        body,
      }));
    }),
    ...files.map((path) => ({ what: path, method: 'GET', path, body: {} })),
    { what: 'list', method: 'GET', path: FILES, body: { path: `1/${run}/artifacts` } },
  ];
};

const ask = ({ method, path, body }: Question, headers: Headers = {}) => send(method, path, body, headers);

beforeAll(async () => {
  await write('GET', 'experiments/get', { experiment_id: '0' });
  await write('POST', 'experiments/create', { name: 'scoring' });
  for (const name of ['a', 'b', 'c']) {
    const { json } = await write('POST', 'runs/create', { experiment_id: '1', run_name: name, start_time: 1 });
    RUNS.push(json.run.info.run_id);
  }
  for (const file of ['a.txt', 'model/b.txt'])
    await send('PUT', `${FILES}/1/${RUNS[0] ?? ''}/artifacts/${file}`, 'x', { 'content-type': 'text/plain' });
  const measured = { run_id: RUNS[0], key: 'loss', value: 0.5, timestamp: 1 };
  await write('POST', 'runs/log-metric', measured);
  for (const name of MODELS) {
    await write('POST', 'registered-models/create', { name });
    for (const _ of ['1', '2']) await write('POST', 'model-versions/create', { name, source: 's3://bucket/model' });
    await write('POST', 'registered-models/alias', { name, alias: 'champion', version: '1' });
  }
  const { json } = await write('POST', 'logged-models', { experiment_id: '1', name: 'm', source_run_id: RUNS[0] });
  LOGGED_MODELS.push(json.model.info.model_id);
  for (const trace of TRACES) {
    expect((await logSpan(trace, { spanId: '1'.repeat(16), name: 'root' })).status).toBe(200);
    const { status } = await send('POST', `${TRACE_PATH}/${trace}/assessments`, { assessment: ASSESSMENT });
    expect(status).toBe(200);
  }
  const { json: registered } = await registerScorer('relevance', 'first');
  SCORERS.push(registered.scorer_id);
  const { json: made } = await send('POST', '/api/3.0/mlflow/datasets/create', { name: 'questions' });
  DATASETS.push(made.dataset.dataset_id);
  await dataset('POST', 'records', { records: '[{"inputs": {"q": "first"}}]' });
  const { json: first } = await dataset('GET', 'records');
  RECORDS.push(...JSON.parse(first.records).map((one: { dataset_record_id: string }) => one.dataset_record_id));
  for (const name of ['one', 'two']) {
    const events = [{ entity: 'REGISTERED_MODEL', action: 'CREATED' }];
    const { json: made } = await write('POST', 'webhooks', { name, url: 'https://93.184.216.34/', events });
    WEBHOOKS.push(made.webhook.webhook_id);
  }
});

describe('as of a moment', () => {
  it('every read answers again byte for byte, by position and by time, whatever is written since', async () => {
    console.info(`seed ${SEED} (KONTOR_SEED repeats it)`);
    const chance = prng(SEED);
    const all = writes(chance);
    const table = asked();
    const remembered: { position: string; time: string; answers: readonly Answer[] }[] = [];
    const record = async (): Promise<void> => {
      const head = await gateway.server.gateway.log.head();
      const answers = await Promise.all(table.map((question) => ask(question)));
      for (const [index, { position, headers }] of answers.entries()) {
        expect(position, table[index]?.what).toBe(String(head));
        expect(headers.get('cache-control'), table[index]?.what).toBe('no-store');
        const token = headers.get('kontor-consistency') ?? '';
        expect(decodeTokens(gateway.server.gateway.log.identity, token)).toBe(head);
      }
      const page = { workspace: 'default', after: head - 1n, upTo: head, limit: 1 };
      const [event] = await gateway.server.gateway.log.page(page);
      remembered.push({ position: String(head), time: event?.recordedAt ?? '', answers });
    };
    let changed = 0;
    await record();
    for (let n = 1; n <= WRITES; n += 1) {
      // Each kind at least once, and then by chance.
      const next = all[n <= all.length ? n - 1 : Math.floor(chance() * all.length)];
      const before = await gateway.server.gateway.log.head();
      const answer = await next?.();
      expect(answer?.status, answer?.text).toBeLessThan(500);
      const head = await gateway.server.gateway.log.head();
      if (head > before) changed += 1;
      if (n % RECORDED_EVERY === 0) await record();
    }
    expect(changed).toBeGreaterThan(WRITES / 3);
    // Else nothing was proved of those that only ever said "not found".
    const found = new Set(
      table.filter((_, n) => remembered.some(({ answers }) => answers[n]?.status === 200)).map(({ what }) => what),
    );
    expect([...new Set(table.map(({ what }) => what))].filter((what) => !found.has(what))).toEqual([]);

    for (const [n, { position, time, answers }] of remembered.entries()) {
      const moment = n % 2 === 0 ? position : time;
      await Promise.all(
        table.map(async (question, index) => {
          const where = `${question.what} as of ${moment}`;
          const again = await ask(question, { 'Kontor-As-Of': moment });
          const first = answers[index];
          // The last event of a moment by time may have a later one of the same microsecond; positions are exact.
          expect([again.status, again.text], where).toEqual([first?.status, first?.text]);
          expect(again.position, where).toBe(position);
          expect(again.headers.get('cache-control'), where).toBe(
            again.status === 200 ? 'private, immutable' : 'no-store',
          );
        }),
      );
    }
  }, 240_000);

  it('says nothing that is kept of what the server is set to now', async () => {
    for (const path of ['server-info', 'server-features']) {
      const { status, headers } = await send('GET', api(path).replace('/2.0/', '/3.0/'), {}, { 'Kontor-As-Of': '1' });
      expect([status, headers.get('cache-control')], path).toEqual([200, 'no-store']);
    }
  });

  it('is named in the address too, and twice only if it is the same', async () => {
    const { position = '' } = await write('GET', 'experiments/get', { experiment_id: '1' });
    const at = (as_of: string | string[], headers: Headers = {}) =>
      send('GET', api('experiments/get'), { experiment_id: '1', as_of }, headers);
    expect(await at('1')).toMatchObject({ status: 404, position: '1' });
    expect(await at(String(position))).toMatchObject({ status: 200, position });
    expect(await at('1', { 'Kontor-As-Of': '1' })).toMatchObject({ status: 404, position: '1' });
    for (const twice of [at(['1', '2']), at('1', { 'Kontor-As-Of': '2' })]) {
      expect(await twice).toMatchObject({ status: 400, json: { error_code: 'INVALID_PARAMETER_VALUE' } });
    }
    // A search that sends its fields as JSON is asked in the same two ways.
    const search = `${api('experiments/search')}?as_of=1`;
    expect(await send('POST', search, { max_results: 5 })).toMatchObject({ status: 200, position: '1' });
  });

  it('is refused outside of what is recorded, with what is allowed', async () => {
    const head = await gateway.server.gateway.log.head();
    const [first] = await gateway.server.gateway.log.page({ workspace: 'default', after: 0n, upTo: 1n, limit: 1 });
    const begin = first?.recordedAt ?? '';
    const range = `; allowed are positions from 1 to ${head} and times of RFC 3339 from ${begin} to now`;
    for (const [moment, problem] of [
      ['0', '0 is before the first event'],
      [String(head + 1n), `${head + 1n} is in the future`],
      ['9223372036854775807', '9223372036854775807 is in the future'],
      ['2020-01-01T00:00:00Z', '2020-01-01T00:00:00Z is before the first event'],
      ['2999-01-01T00:00:00Z', '2999-01-01T00:00:00Z is in the future'],
      ['yesterday', '"yesterday" is no moment'],
      ['', '"" is no moment'],
      ['1.5', '"1.5" is no moment'],
      ['-1', '"-1" is no moment'],
      ['2026-01-01', '"2026-01-01" is no moment'],
      ['9223372036854775808', '"9223372036854775808" is no moment'],
    ] as const) {
      const body = { error_code: 'INVALID_PARAMETER_VALUE', message: `Kontor-As-Of: ${problem}${range}` };
      const answer = await send('GET', api('runs/get'), { run_id: RUNS[0] }, { 'Kontor-As-Of': moment });
      expect(answer, moment).toMatchObject({ status: 400, json: body });
      expect(answer.headers.get('cache-control')).toBe('no-store');
    }
  });

  it('is refused on every write, which changes nothing', async () => {
    const head = await gateway.server.gateway.log.head();
    const run = RUNS[0] ?? '';
    for (const { method, path, version = 2, reads } of endpoints) {
      if (method === 'GET' || reads) continue;
      const filled = path
        .replace('{model_id}', LOGGED_MODELS[0] ?? '')
        .replace('{tag_key}', 'x')
        .replace('{name}', 'y');
      const answer = await send(method, `/api/${version}.0${filled}`, {}, { 'Kontor-As-Of': '1' });
      expect(answer.status, `${method} ${path}`).toBe(400);
      expect(answer.json.message).toBe('Kontor-As-Of: what has happened cannot be changed; only reads can be asked so');
    }
    for (const method of ['PUT', 'DELETE']) {
      const path = `${FILES}/1/${run}/artifacts/a.txt?as_of=1`;
      expect(await send(method, path, 'x'), method).toMatchObject({ status: 400 });
    }
    expect(await gateway.server.gateway.log.head()).toBe(head);
  });

  it('makes nothing that a first read of now would make', async () => {
    expect((await send('POST', '/api/3.0/mlflow/workspaces', { name: 'lab' })).status).toBe(201);
    const head = await gateway.server.gateway.log.head();
    const headers = { 'X-MLFLOW-WORKSPACE': 'lab', 'Kontor-As-Of': '1' };
    const answer = await send('GET', api('experiments/get'), { experiment_id: '0' }, headers);
    expect(answer).toMatchObject({ status: 404, position: '1' });
    expect(await gateway.server.gateway.log.head()).toBe(head);
  });

  it('goes on through pages of one moment, and refuses the page of another one', async () => {
    for (const name of ['p1', 'p2', 'p3']) await write('POST', 'registered-models/create', { name });
    const before = String(await gateway.server.gateway.log.head());
    await write('POST', 'registered-models/create', { name: 'p4' });
    const now = String(await gateway.server.gateway.log.head());
    const page = (headers: Headers, page_token?: string) =>
      send(
        'GET',
        api('registered-models/search'),
        { filter: "name LIKE 'p%'", max_results: 2, ...(page_token && { page_token }) },
        headers,
      );
    const names = ({ json }: Answer) => json.registered_models?.map(({ name }: { name: string }) => name);
    const first = await page({ 'Kontor-As-Of': before });
    expect(names(first)).toEqual(['p1', 'p2']);
    const token = first.json.next_page_token;
    const second = await page({ 'Kontor-As-Of': before }, token);
    expect([names(second), second.json.next_page_token]).toEqual([['p3'], undefined]);
    expect(await page({ 'Kontor-As-Of': now }, token)).toMatchObject({
      status: 400,
      json: { message: `Invalid page token, it belongs to position ${before}, but the request asks about ${now}` },
    });
    const present = await page({});
    expect((await page({ 'Kontor-As-Of': before }, present.json.next_page_token)).status).toBe(400);
    // Without a moment of its own a page is of the moment of the first one.
    expect(names(await page({}, present.json.next_page_token))).toEqual(['p3', 'p4']);
    expect(names(await page({}, token))).toEqual(['p3']);
  });

  it('gives the bytes that a path named then, whole and in part', async () => {
    const path = `${FILES}/7/notes/b.txt`;
    await send('PUT', path, 'first', { 'content-type': 'text/plain' });
    const first = String(await gateway.server.gateway.log.head());
    await send('PUT', path, 'second', { 'content-type': 'text/plain' });
    const second = String(await gateway.server.gateway.log.head());
    await send('DELETE', path);
    expect((await send('GET', path)).status).toBe(404);
    expect(await send('GET', path, {}, { 'Kontor-As-Of': first })).toMatchObject({ status: 200, text: 'first' });
    expect((await send('GET', `${path}?as_of=${second}`)).text).toBe('second');
    const part = await send('GET', path, {}, { 'Kontor-As-Of': second, range: 'bytes=0-2' });
    expect([part.status, part.text]).toEqual([206, 'sec']);
  });

  it('is read with the rights of today', async () => {
    await ensureKeyPair(gateway.keysDir, TOKEN_ISSUER);
    const key = await loadPrivateKey(gateway.keysDir, TOKEN_ISSUER);
    const actor = { id: 'ada', kind: 'person' as const, roles: ['data-scientist'] };
    const token = await signToken(key, TOKEN_ISSUER, { actor, workspace: 'lab', ttlMs: 60_000 }, Date.now());
    const head = String(await gateway.server.gateway.log.head());
    const headers = { authorization: `Bearer ${token}`, 'X-MLFLOW-WORKSPACE': 'default', 'Kontor-As-Of': head };
    expect((await send('GET', api('experiments/get'), { experiment_id: '1' }, headers)).status).toBe(404);
  });
});

describe('the consistency token', () => {
  it('lets a reader see what another one was told, and is refused if it is of another log', async () => {
    const written = await write('POST', 'experiments/create', { name: 'seen' });
    const token = written.headers.get('kontor-consistency') ?? '';
    const query = { experiment_name: 'seen' };
    const read = await send('GET', api('experiments/get-by-name'), query, { 'Kontor-Consistency': token });
    expect(read.status).toBe(200);
    expect(BigInt(read.position ?? 0)).toBeGreaterThanOrEqual(BigInt(written.position ?? 0));
    expect(await send('GET', api('experiments/get-by-name'), query, { 'Kontor-Consistency': 'junk' })).toMatchObject({
      status: 400,
      json: { error_code: 'INVALID_PARAMETER_VALUE' },
    });
  });
});
