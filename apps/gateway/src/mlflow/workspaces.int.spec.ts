import { randomUUID } from 'node:crypto';
import { registry } from '@kontor/domain/registry';
import { loadPrivateKey, ensureKeyPair, signToken, TOKEN_ISSUER } from '@kontor/service/process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestGateway, type TestGateway } from '../gateway.fixture.js';
import { endpoints } from './face.js';

interface Answer {
  readonly status: number;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- answers of many shapes
  readonly body: any;
}

let gateway: TestGateway;
let token: (roles: readonly string[], workspace: string, ...more: readonly string[]) => Promise<string>;

beforeAll(async () => {
  gateway = await startTestGateway({ services: [registry] });
  await ensureKeyPair(gateway.keysDir, TOKEN_ISSUER);
  const key = await loadPrivateKey(gateway.keysDir, TOKEN_ISSUER);
  token = (roles, workspace, ...moreWorkspaces) =>
    signToken(
      key,
      TOKEN_ISSUER,
      { actor: { id: 'ada', kind: 'person', roles }, workspace, moreWorkspaces, ttlMs: 3_600_000 },
      Date.now(),
    );
  for (const name of ['team-a', 'team-b'])
    expect(await call('POST', WORKSPACES, { name })).toMatchObject({ status: 201 });
});
afterAll(() => gateway.stop());

type Headers = Readonly<Record<string, string>>;

/** A request of the API: `body` in the query of a GET, as JSON otherwise. */
const call = async (method: string, path: string, body: object = {}, headers: Headers = {}): Promise<Answer> => {
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
  return { status: response.status, body: text.startsWith('{') ? JSON.parse(text) : text };
};

const WORKSPACES = '/api/3.0/mlflow/workspaces';
const at = (workspace: string, path: string): string => `/workspaces/${workspace}/api/2.0/mlflow/${path}`;
const refused = (status: number, error_code: string, message?: string) => ({
  status,
  body: expect.objectContaining({ error_code, ...(message !== undefined && { message }) }) as unknown,
});
const absent = (name: string) => refused(404, 'RESOURCE_DOES_NOT_EXIST', `Workspace '${name}' not found`);
const bearer = (value: string): Headers => ({ authorization: `Bearer ${value}` });
const header = (name: string): Headers => ({ 'X-MLFLOW-WORKSPACE': name });

describe('workspaces', () => {
  it('are created, shown, changed, deleted when empty, and created again', async () => {
    expect(await call('POST', WORKSPACES, { name: 'lab', description: 'of the lab' })).toEqual({
      status: 201,
      body: { workspace: { name: 'lab', description: 'of the lab' } },
    });
    expect(await call('POST', WORKSPACES, { name: 'lab' })).toEqual(
      refused(400, 'RESOURCE_ALREADY_EXISTS', "Workspace 'lab' already exists."),
    );
    const { experiments } = (await call('POST', at('lab', 'experiments/search'), { max_results: 10 })).body;
    expect(experiments).toMatchObject([
      {
        experiment_id: '0',
        name: 'Default',
        workspace: 'lab',
        artifact_location: 'mlflow-artifacts:/workspaces/lab/0',
      },
    ]);
    expect(await call('PATCH', `${WORKSPACES}/lab`, { description: 'of both labs' })).toEqual({
      status: 200,
      body: { workspace: { name: 'lab', description: 'of both labs' } },
    });
    expect(await call('PATCH', `${WORKSPACES}/lab`)).toEqual(
      refused(400, 'INVALID_PARAMETER_VALUE', 'Workspace update must have at least one key'),
    );
    expect(await call('DELETE', `${WORKSPACES}/lab`)).toEqual({ status: 204, body: '' });
    expect(await call('GET', `${WORKSPACES}/lab`)).toEqual(absent('lab'));
    expect(await call('DELETE', `${WORKSPACES}/lab`)).toEqual(absent('lab'));
    expect(await call('POST', at('lab', 'experiments/search'), { max_results: 10 })).toEqual(absent('lab'));
    expect(await call('POST', WORKSPACES, { name: 'lab' })).toMatchObject({ status: 201 });
    expect(await call('GET', at('lab', 'experiments/get'), { experiment_id: '0' })).toMatchObject({ status: 200 });
    await call('DELETE', `${WORKSPACES}/lab`);
  });

  it('begin with default, which can be changed and nothing else', async () => {
    expect((await call('GET', WORKSPACES)).body).toEqual({
      workspaces: [{ name: 'default' }, { name: 'team-a' }, { name: 'team-b' }],
    });
    expect((await call('GET', `${WORKSPACES}/default`)).body).toEqual({ workspace: { name: 'default' } });
    const changed = { workspace: { name: 'default', description: 'the first' } };
    expect((await call('PATCH', `${WORKSPACES}/default`, { description: 'the first' })).body).toEqual(changed);
    expect((await call('GET', WORKSPACES)).body.workspaces).toHaveLength(3);
    for (const [method, path, what] of [
      ['POST', WORKSPACES, 'created'],
      ['DELETE', `${WORKSPACES}/default`, 'deleted'],
    ] as const) {
      expect(await call(method, path, { name: 'default' })).toEqual(
        refused(400, 'INVALID_PARAMETER_VALUE', `The 'default' workspace is reserved and cannot be ${what}`),
      );
    }
  });

  it('that hold something are not deleted, whatever the mode', async () => {
    expect((await call('POST', WORKSPACES, { name: 'held' })).status).toBe(201);
    const holds = async (what: string): Promise<void> => {
      for (const mode of ['', '?mode=CASCADE', '?mode=SET_DEFAULT']) {
        expect(await call('DELETE', `${WORKSPACES}/held${mode}`)).toEqual(
          refused(
            400,
            'INVALID_STATE',
            `Cannot delete workspace 'held': table '${what}' still contains 1 resource(s). Remove or reassign them before deleting the workspace.`,
          ),
        );
      }
    };
    expect(await call('DELETE', `${WORKSPACES}/held?mode=NOW`)).toEqual(
      refused(
        400,
        'INVALID_PARAMETER_VALUE',
        "Invalid deletion mode 'NOW'. Must be one of: SET_DEFAULT, CASCADE, RESTRICT",
      ),
    );
    await call('POST', at('held', 'registered-models/create'), { name: 'm' });
    await holds('registered_models');
    await call('DELETE', at('held', 'registered-models/delete'), { name: 'm' });
    const { experiment_id } = (await call('POST', at('held', 'experiments/create'), { name: 'e' })).body;
    await holds('experiments');
    await call('POST', at('held', 'experiments/delete'), { experiment_id });
    const { run } = (await call('POST', at('held', 'runs/create'), { experiment_id: '0' })).body;
    await holds('runs');
    await call('POST', at('held', 'runs/delete'), { run_id: run.info.run_id });
    const { model } = (await call('POST', at('held', 'logged-models'), { experiment_id: '0' })).body;
    await holds('logged_models');
    await call('DELETE', at('held', `logged-models/${model.info.model_id}`));
    const { trace_info } = (await call('POST', at('held', 'traces'), { experiment_id: '0' })).body;
    await holds('trace_info');
    const deletion = { experiment_id: '0', request_ids: [trace_info.request_id] };
    await call('POST', at('held', 'traces/delete-traces'), deletion);
    const file = '/workspaces/held/api/2.0/mlflow-artifacts/artifacts/shared/a.txt';
    await fetch(`${gateway.server.url}${file}`, { method: 'PUT', body: 'a' });
    await holds('artifacts');
    await call('DELETE', file);
    const datasets = '/workspaces/held/api/3.0/mlflow/datasets';
    const { dataset } = (await call('POST', `${datasets}/create`, { name: 'd' })).body;
    await holds('evaluation_datasets');
    await call('DELETE', `${datasets}/${dataset.dataset_id}`);
    expect(await call('DELETE', `${WORKSPACES}/held`)).toEqual({ status: 204, body: '' });
  });

  it('keep the files of their experiments below their own root, or where they are told', async () => {
    const located = async (workspace: string, name: string): Promise<string> => {
      const { experiment_id } = (await call('POST', at(workspace, 'experiments/create'), { name })).body;
      return (await call('GET', at(workspace, 'experiments/get'), { experiment_id })).body.experiment.artifact_location;
    };
    expect(await located('team-b', 'located')).toMatch(/^mlflow-artifacts:\/workspaces\/team-b\/\d+$/);
    await call('PATCH', `${WORKSPACES}/team-b`, { default_artifact_root: 's3://bucket/b/' });
    expect(await located('team-b', 'in a bucket')).toMatch(/^s3:\/\/bucket\/b\/\d+$/);
    expect((await call('GET', `${WORKSPACES}/team-b`)).body.workspace.default_artifact_root).toBe('s3://bucket/b/');
    await call('PATCH', `${WORKSPACES}/team-b`, { default_artifact_root: '' });
    expect(await located('team-b', 'located again')).toMatch(/^mlflow-artifacts:\/workspaces\/team-b\/\d+$/);
  });

  it.each<[object, string]>([
    [{}, "Missing value for required parameter 'name'"],
    [{ name: 5 }, "Invalid value 5 for parameter 'name'"],
    [{ name: 'x' }, "Workspace name 'x' must be between 2 and 63 characters."],
    [{ name: 'x'.repeat(64) }, 'must be between 2 and 63 characters.'],
    ...['Team', 'team_a', 'team.a', 'team a', '-ab', 'ab-', 'a/b', '..', 'äb', 'ab\n', '%2e%2e', 'a,b'].map(
      (name): [object, string] => [{ name }, `Workspace name '${name}' must match the pattern ^[a-z0-9]`],
    ),
    [{ name: 'ab\0' }, 'it holds the character U+0000'],
    ...['workspaces', 'api', 'ajax-api', 'static-files'].map((name): [object, string] => [
      { name },
      `Workspace name '${name}' is reserved and cannot be used.`,
    ]),
    [{ name: 'ok', description: 1 }, "Invalid value 1 for parameter 'description'"],
    [{ name: 'ok', description: 'x'.repeat(100_001) }, "'description' exceeds the maximum length"],
    [
      { name: 'ok', default_artifact_root: 'relative/path' },
      "Invalid value for 'default_artifact_root'. Expected a URI",
    ],
    [{ name: 'ok', default_artifact_root: 'http://host/x' }, "'default_artifact_root' cannot use the 'http' scheme"],
    [{ name: 'ok', default_artifact_root: 's3://b/x#y' }, "'default_artifact_root' URL can't include fragments"],
    [{ name: 'ok', default_artifact_root: 'runs:/x' }, 'Artifact location cannot be a runs:/ URI'],
    [
      { name: 'ok', default_artifact_root: 'mlflow-artifacts:/workspaces/team-a' },
      "Artifact path targets workspace 'team-a' but the workspace specified in the request is 'ok'.",
    ],
    [{ name: 'ok', trace_archival_config: { retention: '30d' } }, "'trace_archival_config' is not supported"],
    [{ name: 'ok', trace_archival_config: 'x' }, "parameter 'trace_archival_config'"],
  ])('are not made of %j', async (body, says) => {
    const answer = await call('POST', WORKSPACES, body);
    expect(answer).toEqual(refused(400, 'INVALID_PARAMETER_VALUE'));
    expect(answer.body.message).toContain(says);
  });

  it('are known to exist by clients that ask first, also through one that does not', async () => {
    for (const prefix of ['', '/workspaces/nope', '/workspaces/NO']) {
      const { body } = await call('GET', `${prefix}/api/3.0/mlflow/server-info`);
      expect(body.workspaces_enabled).toBe(true);
      const features = await call('GET', `${prefix}/ajax-api/3.0/mlflow/server-features`, {}, header('other'));
      expect(features).toEqual({ status: 200, body: { workspaces_enabled: true } });
    }
  });
});

describe('a request', () => {
  const SEARCH = { max_results: 10 };
  const experimentsOf = (path: string, headers: Headers = {}) => call('POST', path, SEARCH, headers);
  const PLAIN = '/api/2.0/mlflow/experiments/search';

  it('chooses its workspace by the path, by the header, or by both alike', async () => {
    const chosen = async (path: string, headers: Headers = {}): Promise<unknown> =>
      (await experimentsOf(path, headers)).body.experiments.at(-1).workspace;
    expect(await chosen(PLAIN)).toBe('default');
    expect(await chosen(PLAIN, header(' '))).toBe('default');
    expect(await chosen(PLAIN, header(' team-a '))).toBe('team-a');
    expect(await chosen(at('team-a', 'experiments/search'))).toBe('team-a');
    expect(await chosen(at('team%2Da', 'experiments/search'), header('team-a'))).toBe('team-a');
    expect(await chosen(at('default', 'experiments/search'))).toBe('default');
    expect(await chosen('/workspaces/team-b/ajax-api/2.0/mlflow/experiments/search')).toBe('team-b');
  });

  it('is understood with more than one slash at the start of its path, and behind the workspace', async () => {
    const query = '?name=nobody&version=1&path=a';
    const plain = await call('GET', `/model-versions/get-artifact${query}`);
    expect(plain).toEqual(refused(404, 'RESOURCE_DOES_NOT_EXIST'));
    expect(await call('GET', `//model-versions/get-artifact${query}`)).toEqual(plain);
    expect(await call('GET', '///health')).toEqual({ status: 200, body: 'OK' });
    for (const url of [`//${at('team-a', 'experiments/search')}`, at('team-a/', 'experiments/search')]) {
      const { experiments } = (await experimentsOf(url)).body;
      expect(experiments.at(-1).workspace, url).toBe('team-a');
    }
  });

  it('finds health and version below a workspace too, and nothing that is not of MLflow', async () => {
    expect(await call('GET', '/workspaces/team-a/health')).toEqual({ status: 200, body: 'OK' });
    expect((await call('GET', '/workspaces/team-a/version')).status).toBe(200);
    const { body: page } = await call('GET', '/workspaces/team-a/');
    expect(page).toContain(`MLFLOW_TRACKING_URI=${gateway.server.url}/workspaces/team-a<`);
    expect((await call('GET', '/')).body).toContain(`MLFLOW_TRACKING_URI=${gateway.server.url}<`);
    for (const path of ['graphql', 'explorer', 'apis', 'healthy', 'workspaces/team-a/api/2.0/mlflow/runs/get'])
      expect((await call('GET', `/workspaces/team-a/${path}`)).status, path).toBe(404);
    expect(await call('GET', at('team-a', 'nothing/here'))).toEqual(refused(404, 'ENDPOINT_NOT_FOUND'));
  });

  it.each<[string, string, Headers, number, string, string]>([
    [
      'one that does not exist',
      at('nope', 'experiments/search'),
      {},
      404,
      'RESOURCE_DOES_NOT_EXIST',
      "Workspace 'nope' not found",
    ],
    [
      'one that does not exist, in the header',
      PLAIN,
      header('nope'),
      404,
      'RESOURCE_DOES_NOT_EXIST',
      "Workspace 'nope' not found",
    ],
    [
      'two',
      at('team-a', 'experiments/search'),
      header('team-b'),
      400,
      'INVALID_PARAMETER_VALUE',
      "The path names the workspace 'team-a', but the header X-MLFLOW-WORKSPACE names 'team-b'.",
    ],
    [
      'two, one of them default',
      at('default', 'experiments/search'),
      header('team-b'),
      400,
      'INVALID_PARAMETER_VALUE',
      "The path names the workspace 'default', but the header X-MLFLOW-WORKSPACE names 'team-b'.",
    ],
    [
      'two in the header',
      PLAIN,
      header('team-a, team-b'),
      400,
      'INVALID_PARAMETER_VALUE',
      "Workspace name 'team-a, team-b' must match",
    ],
    [
      'none',
      '/workspaces//api/2.0/mlflow/experiments/search',
      {},
      400,
      'INVALID_PARAMETER_VALUE',
      "Workspace name '' must be between",
    ],
    [
      'a path',
      at('..%2f..', 'experiments/search'),
      {},
      400,
      'INVALID_PARAMETER_VALUE',
      "Workspace name '../..' must match",
    ],
    [
      'an encoded name',
      at('team%252Da', 'experiments/search'),
      {},
      400,
      'INVALID_PARAMETER_VALUE',
      "Workspace name 'team%2Da' must match",
    ],
    [
      'half an escape',
      at('team%2', 'experiments/search'),
      {},
      400,
      'INVALID_PARAMETER_VALUE',
      "Workspace name 'team%2' must match",
    ],
    ['a null', at('ab%00', 'experiments/search'), {}, 400, 'INVALID_PARAMETER_VALUE', 'must match the pattern'],
    [
      'a reserved name',
      at('api', 'experiments/search'),
      {},
      400,
      'INVALID_PARAMETER_VALUE',
      "Workspace name 'api' is reserved",
    ],
    [
      'one of other letters',
      PLAIN,
      header('TEAM-A'),
      400,
      'INVALID_PARAMETER_VALUE',
      "Workspace name 'TEAM-A' must match",
    ],
  ])('that names %s is refused', async (_, path, headers, status, code, says) => {
    const answer = await experimentsOf(path, headers);
    expect(answer).toEqual(refused(status, code));
    expect(answer.body.message).toContain(says);
  });

  it('with a token finds the workspaces of the token, and all others missing', async () => {
    const both = bearer(await token(['data-scientist'], 'team-a', 'team-b'));
    const workspaceOf = ({ body }: Answer): unknown => body.experiments?.at(-1).workspace;
    expect(workspaceOf(await experimentsOf(PLAIN, both))).toBe('team-a');
    expect(workspaceOf(await experimentsOf(PLAIN, { ...both, ...header('team-b') }))).toBe('team-b');
    expect(workspaceOf(await experimentsOf(at('team-b', 'experiments/search'), both))).toBe('team-b');
    const one = bearer(await token(['data-scientist'], 'team-a'));
    expect(workspaceOf(await experimentsOf(at('team-a', 'experiments/search'), one))).toBe('team-a');
    for (const name of ['team-b', 'default', 'nope']) {
      expect(await experimentsOf(at(name, 'experiments/search'), one)).toEqual(absent(name));
      expect(await experimentsOf(PLAIN, { ...one, ...header(name) })).toEqual(absent(name));
      expect(await call('GET', `${WORKSPACES}/${name}`, {}, one)).toEqual(absent(name));
      expect(await call('PATCH', `${WORKSPACES}/${name}`, { description: 'x' }, one)).toEqual(absent(name));
      if (name !== 'default') expect(await call('DELETE', `${WORKSPACES}/${name}`, {}, one)).toEqual(absent(name));
    }
    expect((await call('GET', WORKSPACES, {}, one)).body).toEqual({ workspaces: [{ name: 'team-a' }] });
  });

  it('makes and changes workspaces only as an administrator of default', async () => {
    const denied = refused(403, 'PERMISSION_DENIED');
    for (const roles of [['data-scientist'], ['owner', 'risk-officer']]) {
      const person = bearer(await token(roles, 'default', 'team-a'));
      expect(await call('POST', WORKSPACES, { name: 'made' }, person)).toEqual(denied);
      expect(await call('PATCH', `${WORKSPACES}/team-a`, { description: 'x' }, person)).toEqual(denied);
      expect(await call('DELETE', `${WORKSPACES}/team-a`, {}, person)).toEqual(denied);
    }
    expect(await call('POST', WORKSPACES, { name: 'made' }, bearer(await token(['admin'], 'team-a')))).toEqual(denied);
    const admin = bearer(await token(['admin'], 'default'));
    expect((await call('POST', WORKSPACES, { name: 'made' }, admin)).status).toBe(201);
    expect(
      (await call('GET', WORKSPACES, {}, admin)).body.workspaces.map(({ name }: { name: string }) => name),
    ).toEqual(expect.arrayContaining(['default', 'made', 'team-a', 'team-b']));
    // Seeing that it is there is not being in it.
    expect(await experimentsOf(at('made', 'experiments/search'), admin)).toEqual(absent('made'));
    expect(await call('DELETE', `${WORKSPACES}/made`, {}, admin)).toEqual({ status: 204, body: '' });
  });
});

describe('of another workspace', () => {
  type Known = Readonly<
    Record<'experiment' | 'run' | 'loggedModel' | 'webhook' | 'trace' | 'scorer' | 'dataset', string>
  >;
  let known: Known;
  const model = 'theirs';
  const created = { entity: 'REGISTERED_MODEL', action: 'CREATED' };

  beforeAll(async () => {
    const made = async (path: string, body: object) => (await call('POST', at('team-b', path), body)).body;
    // Experiments are numbered in each workspace, so one more here than there.
    for (const name of ['one', 'two']) await made('experiments/create', { name });
    const { experiment_id: experiment } = await made('experiments/create', { name: 'theirs' });
    const { run } = await made('runs/create', { experiment_id: experiment, run_name: 'theirs' });
    const run_id = run.info.run_id as string;
    await made('runs/log-batch', {
      run_id,
      metrics: [{ key: 'loss', value: 1, timestamp: 1, step: 0 }],
      params: [{ key: 'depth', value: '3' }],
      tags: [{ key: 'team', value: 'b' }],
    });
    const dataset = { name: 'theirs', digest: 'd', source_type: 'local', source: 'x' };
    await made('runs/log-inputs', { run_id, datasets: [{ dataset, tags: [] }] });
    const logged = await made('logged-models', { experiment_id: experiment, name: 'theirs', source_run_id: run_id });
    const { webhook } = await made('webhooks', {
      name: 'theirs',
      url: 'https://93.184.216.34/theirs',
      events: [created],
    });
    const trace = `tr-${'7'.repeat(32)}`;
    const span = { traceId: trace.slice(3), spanId: '7'.repeat(16), name: 'theirs', startTimeUnixNano: '1' };
    const exported = await fetch(`${gateway.server.url}/workspaces/team-b/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-mlflow-experiment-id': experiment },
      body: JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] }),
    });
    expect(exported.status).toBe(200);
    const ofTrace = `/workspaces/team-b/api/3.0/mlflow/traces/${trace}`;
    await call('PATCH', `${ofTrace}/tags`, { key: 'team', value: 'b' });
    const assessment = { assessment_id: 'a-theirs', assessment_name: 'theirs', feedback: { value: 1 } };
    expect((await call('POST', `${ofTrace}/assessments`, { assessment })).status).toBe(200);
    const scorers = '/workspaces/team-b/api/3.0/mlflow/scorers';
    const judge = { experiment_id: experiment, name: 'theirs' };
    const { scorer_id } = (await call('POST', `${scorers}/register`, { ...judge, serialized_scorer: '{}' })).body;
    expect((await call('PUT', `${scorers}/online-config`, { ...judge, sample_rate: 0 })).status).toBe(200);
    const datasets = '/workspaces/team-b/api/3.0/mlflow/datasets';
    const asked = { name: 'theirs', tags: '{"team": "b"}', experiment_ids: [experiment] };
    const { dataset_id } = (await call('POST', `${datasets}/create`, asked)).body.dataset;
    await call('POST', `${datasets}/${dataset_id}/records`, { records: '[{"inputs": {"q": "theirs"}}]' });
    known = {
      trace,
      scorer: scorer_id as string,
      dataset: dataset_id as string,
      ...{ experiment, run: run_id, loggedModel: logged.model.info.model_id as string },
      webhook: webhook.webhook_id as string,
    };
    await made('registered-models/create', { name: model, tags: [{ key: 'team', value: 'b' }] });
    await made('model-versions/create', { name: model, source: 's3://bucket/model' });
    await made('registered-models/alias', { name: model, alias: 'champion', version: '1' });
    const file = `/workspaces/team-b/api/2.0/mlflow-artifacts/artifacts/workspaces/team-b/${experiment}/${run_id}/artifacts/model/a.txt`;
    expect((await fetch(`${gateway.server.url}${file}`, { method: 'PUT', body: 'secret' })).status).toBe(200);
  });

  /** What each endpoint answers in team-a when it is given what team-b has: not found, or nothing. */
  type Outcome = 'missing' | 'nothing' | 'own' | 'no id';
  const cases = ({
    experiment,
    run,
    loggedModel,
    trace,
    scorer,
  }: Known): Readonly<Record<string, readonly [Outcome, object?]>> => {
    const version = { name: model, version: '1' };
    const tag = { key: 'team', value: 'x' };
    const judge = { experiment_id: experiment, name: 'theirs' };
    const importId = '00000000-0000-8000-8000-000000000000';
    const goesOn = { import_id: importId, started_at: new Date().toISOString() };
    return {
      'POST /mlflow/experiments/create': ['own', { name: 'theirs' }],
      'GET /mlflow/experiments/get': ['missing', { experiment_id: experiment }],
      'GET /mlflow/experiments/get-by-name': ['missing', { experiment_name: 'two' }],
      'POST /mlflow/experiments/search': ['nothing', { max_results: 10, filter: "name = 'two'" }],
      'GET /mlflow/experiments/search': ['nothing', { max_results: 10, filter: "name = 'two'" }],
      'POST /mlflow/experiments/search-datasets': ['nothing', { experiment_ids: [experiment] }],
      'POST /mlflow/experiments/delete': ['missing', { experiment_id: experiment }],
      'POST /mlflow/experiments/restore': ['missing', { experiment_id: experiment }],
      'POST /mlflow/experiments/update': ['missing', { experiment_id: experiment, new_name: 'x' }],
      'POST /mlflow/experiments/set-experiment-tag': ['missing', { experiment_id: experiment, ...tag }],
      'POST /mlflow/experiments/delete-experiment-tag': ['missing', { experiment_id: experiment, key: 'team' }],
      'POST /mlflow/runs/create': ['missing', { experiment_id: experiment }],
      'GET /mlflow/runs/get': ['missing', { run_id: run }],
      'POST /mlflow/runs/update': ['missing', { run_id: run, status: 'FINISHED' }],
      'POST /mlflow/runs/delete': ['missing', { run_id: run }],
      'POST /mlflow/runs/restore': ['missing', { run_id: run }],
      'POST /mlflow/runs/search': ['nothing', { experiment_ids: [experiment] }],
      'GET /mlflow/runs/search': ['nothing', { experiment_ids: [experiment] }],
      'POST /mlflow/runs/log-metric': ['missing', { run_id: run, key: 'loss', value: 1, timestamp: 1 }],
      'POST /mlflow/runs/log-parameter': ['missing', { run_id: run, key: 'depth', value: '3' }],
      'POST /mlflow/runs/set-tag': ['missing', { run_id: run, ...tag }],
      'POST /mlflow/runs/delete-tag': ['missing', { run_id: run, key: 'team' }],
      'POST /mlflow/runs/log-batch': ['missing', { run_id: run, tags: [tag] }],
      'POST /mlflow/runs/log-inputs': ['missing', { run_id: run, models: [{ model_id: loggedModel }] }],
      'POST /mlflow/runs/outputs': ['missing', { run_id: run, models: [{ model_id: loggedModel, step: 0 }] }],
      'POST /mlflow/runs/log-model': [
        'missing',
        {
          run_id: run,
          model_json: JSON.stringify({ artifact_path: 'm', flavors: {}, utc_time_created: '', run_id: run }),
        },
      ],
      'GET /mlflow/artifacts/list': ['missing', { run_id: run }],
      'POST /mlflow/artifacts/presigned-upload-url': ['missing', { run_id: run, path: 'model/a.txt' }],
      'POST /mlflow/artifacts/presigned-download-url': ['missing', { run_id: run, path: 'model/a.txt' }],
      // A store on disk has none of these; artifacts.int.spec.ts asks them of a bucket.
      'POST /mlflow-artifacts/mpu/create/*': ['no id'],
      'POST /mlflow-artifacts/mpu/complete/*': ['no id'],
      'POST /mlflow-artifacts/mpu/abort/*': ['no id'],
      'GET /mlflow-artifacts/presigned/*': ['no id'],
      'GET /mlflow/metrics/get-history': ['nothing', { run_id: run, metric_key: 'loss' }],
      'GET /mlflow/metrics/get-history-bulk': ['nothing', { run_id: run, metric_key: 'loss' }],
      'GET /mlflow/metrics/get-history-bulk-interval': ['nothing', { run_ids: run, metric_key: 'loss' }],
      'POST /mlflow/logged-models/search': ['nothing', { experiment_ids: [experiment] }],
      'POST /mlflow/logged-models': ['missing', { experiment_id: experiment }],
      'GET /mlflow/logged-models/{model_id}': ['missing'],
      'PATCH /mlflow/logged-models/{id}': ['missing', { model_id: loggedModel, status: 'LOGGED_MODEL_READY' }],
      'DELETE /mlflow/logged-models/{model_id}': ['missing'],
      'POST /mlflow/logged-models/{id}/params': [
        'missing',
        { model_id: loggedModel, params: [{ key: 'a', value: 'b' }] },
      ],
      'PATCH /mlflow/logged-models/{model_id}/tags': ['missing', { tags: [tag] }],
      'DELETE /mlflow/logged-models/{model_id}/tags/{tag_key}': ['missing'],
      'GET /mlflow/logged-models/{model_id}/artifacts/directories': ['missing'],
      'POST /mlflow/registered-models/create': ['own', { name: 'of team a' }],
      'GET /mlflow/registered-models/get': ['missing', { name: model }],
      'PATCH /mlflow/registered-models/update': ['missing', { name: model, description: 'x' }],
      'POST /mlflow/registered-models/rename': ['missing', { name: model, new_name: 'x' }],
      'DELETE /mlflow/registered-models/delete': ['missing', { name: model }],
      'GET /mlflow/registered-models/search': ['nothing', { filter: `name = '${model}'` }],
      'POST /mlflow/registered-models/get-latest-versions': ['missing', { name: model }],
      'GET /mlflow/registered-models/get-latest-versions': ['missing', { name: model }],
      'POST /mlflow/registered-models/set-tag': ['missing', { name: model, ...tag }],
      'DELETE /mlflow/registered-models/delete-tag': ['missing', { name: model, key: 'team' }],
      'POST /mlflow/registered-models/alias': ['missing', { ...version, alias: 'x' }],
      'DELETE /mlflow/registered-models/alias': ['missing', { name: model, alias: 'champion' }],
      'GET /mlflow/registered-models/alias': ['missing', { name: model, alias: 'champion' }],
      'POST /mlflow/model-versions/create': ['missing', { name: 'mine', source: `models:/${model}/1` }],
      'GET /mlflow/model-versions/get': ['missing', version],
      'PATCH /mlflow/model-versions/update': ['missing', { ...version, description: 'x' }],
      'POST /mlflow/model-versions/transition-stage': [
        'missing',
        { ...version, stage: 'Production', archive_existing_versions: false },
      ],
      'DELETE /mlflow/model-versions/delete': ['missing', version],
      'GET /mlflow/model-versions/search': ['nothing', { filter: `name = '${model}'` }],
      'GET /mlflow/model-versions/get-download-uri': ['missing', version],
      'POST /mlflow/model-versions/set-tag': ['missing', { ...version, ...tag }],
      'DELETE /mlflow/model-versions/delete-tag': ['missing', { ...version, key: 'team' }],
      // Both versions of MLflow's calls, where both have the same path.
      'POST /mlflow/traces': [
        'missing',
        {
          experiment_id: experiment,
          trace: {
            trace_info: { trace_id: 'tr-new', trace_location: { mlflow_experiment: { experiment_id: experiment } } },
          },
        },
      ],
      'GET /mlflow/traces': ['nothing', { experiment_ids: [experiment] }],
      'GET /mlflow/traces/{trace_id}': ['missing'],
      'GET /mlflow/traces/get': ['missing', { trace_id: trace }],
      'GET /mlflow/traces/batchGet': ['nothing', { trace_ids: [trace] }],
      'POST /mlflow/traces/batchGetInfos': ['nothing', { trace_ids: [trace] }],
      'POST /mlflow/traces/calculate-filter-correlation': [
        'nothing',
        { experiment_ids: [experiment], filter_string1: 'timestamp > 0', filter_string2: 'timestamp > 0' },
      ],
      'POST /mlflow/traces/search': ['nothing', { locations: [{ mlflow_experiment: { experiment_id: experiment } }] }],
      'POST /mlflow/traces/delete-traces': ['nothing', { experiment_id: experiment, request_ids: [trace] }],
      'PATCH /mlflow/traces/{trace_id}/tags': ['missing', tag],
      'DELETE /mlflow/traces/{trace_id}/tags': ['missing', { key: 'team' }],
      'PATCH /mlflow/traces/{request_id}': ['missing', { status: 'ERROR' }],
      'GET /mlflow/traces/{request_id}/info': ['missing'],
      'PATCH /mlflow/traces/{request_id}/tags': ['missing', tag],
      'DELETE /mlflow/traces/{request_id}/tags': ['missing', { key: 'team' }],
      'POST /mlflow/traces/link-to-run': ['missing', { trace_ids: [trace], run_id: run }],
      'POST /mlflow/traces/link-prompts': [
        'missing',
        { trace_id: trace, prompt_versions: [{ name: model, version: '1' }] },
      ],
      'POST /mlflow/traces/{trace_id}/assessments': [
        'missing',
        { assessment: { assessment_name: 'x', feedback: { value: 1 } } },
      ],
      'GET /mlflow/traces/{trace_id}/assessments/{assessment_id}': ['missing'],
      'PATCH /mlflow/traces/{trace_id}/assessments/{assessment_id}': [
        'missing',
        { assessment: { rationale: 'x' }, update_mask: 'rationale' },
      ],
      // What is not there is deleted, as in MLflow.
      'DELETE /mlflow/traces/{trace_id}/assessments/{assessment_id}': ['nothing'],
      'POST /mlflow/webhooks': ['own', { name: 'of-team-a', url: 'https://93.184.216.34/', events: [created] }],
      'GET /mlflow/webhooks': ['nothing'],
      'GET /mlflow/webhooks/{webhook_id}': ['missing'],
      'PATCH /mlflow/webhooks/{webhook_id}': ['missing', { status: 'DISABLED' }],
      'DELETE /mlflow/webhooks/{webhook_id}': ['missing'],
      'POST /mlflow/webhooks/{webhook_id}/test': ['missing', {}],
      'POST /mlflow/scorers/register': ['missing', { ...judge, serialized_scorer: '{}' }],
      'GET /mlflow/scorers/list': ['nothing'],
      'GET /mlflow/scorers/versions': ['missing', judge],
      'GET /mlflow/scorers/get': ['missing', judge],
      'DELETE /mlflow/scorers/delete': ['missing', judge],
      'PUT /mlflow/scorers/online-config': ['missing', { ...judge, sample_rate: 0 }],
      'GET /mlflow/scorers/online-configs': ['nothing', { scorer_ids: [scorer] }],
      'POST /mlflow/datasets/create': ['missing', { name: 'mine', experiment_ids: [experiment] }],
      'POST /mlflow/datasets/search': ['nothing'],
      'GET /mlflow/datasets/search': ['nothing', { experiment_ids: [experiment] }],
      'GET /mlflow/datasets/{dataset_id}': ['missing'],
      'DELETE /mlflow/datasets/{dataset_id}': ['nothing'],
      'PATCH /mlflow/datasets/{dataset_id}/tags': ['missing', { tags: '{"team": "x"}' }],
      'DELETE /mlflow/datasets/{dataset_id}/tags/{key}': ['nothing'],
      'POST /mlflow/datasets/{dataset_id}/records': ['missing', { records: '[{"inputs": {}}]' }],
      'GET /mlflow/datasets/{dataset_id}/records': ['missing'],
      'DELETE /mlflow/datasets/{dataset_id}/records': ['missing', { dataset_record_ids: [] }],
      'GET /mlflow/datasets/{dataset_id}/experiment-ids': ['nothing'],
      'POST /mlflow/datasets/{dataset_id}/add-experiments': ['missing', { experiment_ids: ['0'] }],
      'POST /mlflow/datasets/{dataset_id}/remove-experiments': ['missing', { experiment_ids: [experiment] }],
      'GET /kontor/aliases/history': ['missing', { name: model, alias: 'champion' }],
      // The import of a source into team a is another one than that into team b.
      'POST /kontor/imports': ['no id'],
      'POST /kontor/imports/complete': ['missing', { import_id: importId, counts: [] }],
      'POST /kontor/imports/experiments': ['nothing', { ...goesOn, experiments: [] }],
      'POST /kontor/imports/commands': [
        'nothing',
        { ...goesOn, items: [{ commands: [{ type: 'DeleteRun', data: { runId: run } }] }] },
      ],
      'GET /mlflow/server-info': ['no id'],
      'GET /mlflow/server-features': ['no id'],
      // Its own describe above: which workspaces there are is no secret of any of them in open mode.
      'GET /mlflow/workspaces': ['no id'],
      'POST /mlflow/workspaces': ['no id'],
      'GET /mlflow/workspaces/{name}': ['no id'],
      'PATCH /mlflow/workspaces/{name}': ['no id'],
      'DELETE /mlflow/workspaces/{name}': ['no id'],
    };
  };

  it('every endpoint finds nothing, and changes nothing', async () => {
    const table = cases(known);
    const names = endpoints.map(({ method, path }) => `${method} ${path}`);
    expect(Object.keys(table).sort(), 'each endpoint has a case').toEqual([...new Set(names)].sort());
    await call('POST', at('team-a', 'registered-models/create'), { name: 'mine' });
    const before = await gateway.server.gateway.log.head();
    let own = 0n;
    for (const { method, path, version = 2, isAjaxOnly } of endpoints) {
      const name = `${method} ${path}`;
      const [outcome, body = {}] = table[name] ?? ['missing'];
      if (outcome === 'no id') continue;
      const filled = path
        .replace('{model_id}', known.loggedModel)
        .replace('{webhook_id}', known.webhook)
        .replace(/\{(?:trace|request)_id\}/, known.trace)
        .replace('{assessment_id}', 'a-theirs')
        .replace('{dataset_id}', known.dataset)
        .replace(/\{(?:tag_)?key\}/, 'team');
      for (const [url, headers] of [
        [`/workspaces/team-a/${isAjaxOnly ? 'ajax-api' : 'api'}/${version}.0${filled}`, {}],
        [`/ajax-api/${version}.0${filled}`, header('team-a')],
      ] as const) {
        const answer = await call(method, url, body, headers);
        if (outcome === 'missing') expect(answer, name).toEqual(refused(404, 'RESOURCE_DOES_NOT_EXIST'));
        if (outcome === 'nothing') {
          expect(answer.status, name).toBe(200);
          expect(JSON.stringify(answer.body), name).not.toMatch(
            new RegExp(`theirs|loss|${known.run}|${known.loggedModel}|${known.trace}|${known.scorer}`),
          );
        }
        // The same name is free here: the first call makes it, the second one finds it.
        if (outcome === 'own') {
          if (answer.status === 200) own += 1n;
          else expect(answer, name).toEqual(refused(400, 'RESOURCE_ALREADY_EXISTS'));
        }
      }
    }
    expect(own, 'an experiment, a model, and two webhooks, whose names may be the same').toBe(4n);
    expect((await gateway.server.gateway.log.head()) - before, 'events written by all of these').toBe(own);
  });

  it('the artifact proxy finds no file, and refuses a path that names it', async () => {
    const inB = `${known.experiment}/${known.run}/artifacts/model/a.txt`;
    const artifacts = (workspace: string, path: string) =>
      `${gateway.server.url}/workspaces/${workspace}/api/2.0/mlflow-artifacts/artifacts${path}`;
    const get = async (workspace: string, path: string) => {
      const response = await fetch(artifacts(workspace, path));
      return { status: response.status, text: await response.text() };
    };
    // With and without the root of the workspace: the same file.
    for (const path of [`/workspaces/team-b/${inB}`, `/${inB}`])
      expect(await get('team-b', path)).toEqual({ status: 200, text: 'secret' });
    expect((await get('team-b', '')).text).toContain(`"path":"${known.experiment}"`);
    for (const workspace of ['team-a', 'default']) {
      // Encoded twice it is the name of a folder of one's own.
      for (const path of [inB, `workspaces%252Fteam-b/${inB}`])
        expect((await get(workspace, `/${path}`)).status, path).toBe(404);
      expect(await get(workspace, `?path=${known.experiment}/${known.run}`)).toEqual({ status: 200, text: '{}' });
      expect((await get(workspace, '')).text).not.toContain(`"${known.experiment}"`);
      for (const path of ['workspaces/team-b', 'workspaces%2Fteam-b', './workspaces/team-b']) {
        for (const method of ['GET', 'PUT', 'DELETE']) {
          const response = await fetch(artifacts(workspace, `/${path}/${inB}`), {
            method,
            ...(method === 'PUT' && { body: 'x' }),
          });
          const body = (await response.json()) as { readonly message: string };
          expect(response.status, `${method} ${path}`).toBe(400);
          expect(body.message).toMatch(/targets workspace 'team-b'|^Invalid path$/);
        }
      }
      expect((await get(workspace, '?path=workspaces/team-b')).status).toBe(400);
    }
    const escaped = await call('POST', at('team-a', 'experiments/create'), {
      name: 'elsewhere',
      artifact_location: 'mlflow-artifacts:/workspaces/team-b/1',
    });
    expect(escaped).toEqual(refused(400, 'INVALID_PARAMETER_VALUE'));
    const source = `mlflow-artifacts:/workspaces/team-b/${known.experiment}/${known.run}/artifacts/model`;
    expect(
      await call('POST', at('team-a', 'model-versions/create'), { name: 'mine', source, run_id: known.run }),
    ).toEqual(refused(400, 'INVALID_PARAMETER_VALUE'));
  });

  it('a page token shows nothing of the workspace that it was made in', async () => {
    const { next_page_token: page_token } = (await call('POST', at('team-b', 'experiments/search'), { max_results: 1 }))
      .body;
    const { experiments = [] } = (
      await call('POST', at('team-a', 'experiments/search'), { max_results: 1, page_token })
    ).body;
    for (const { workspace } of experiments) expect(workspace).toBe('team-a');
  });

  it('the graph shows the workspaces to default, and only there', async () => {
    const query = '{ workspaces { nodes { name } } }';
    const names = async (headers: Headers) =>
      (await gateway.graphql(query, { headers })).data.workspaces.nodes.map(({ name }: { name: string }) => name);
    expect(await names({})).toEqual(['default', 'team-a', 'team-b']);
    expect(await names(bearer(await token(['owner'], 'team-a')))).toEqual([]);
    const nodeId = Buffer.from('Workspace:team-a').toString('base64url');
    const node = async (headers: Headers) =>
      (await gateway.graphql(`{ node(id: "${nodeId}") { ... on Workspace { name } } }`, { headers })).data.node;
    expect(await node({})).toEqual({ name: 'team-a' });
    expect(await node(bearer(await token(['owner'], 'default')))).toBeNull();
  });

  it('the graph shows nothing of a deleted workspace, nor in it', async () => {
    const nodeId = Buffer.from('Workspace:gone').toString('base64url');
    const shown = `workspaces { nodes { name } } node(id: "${nodeId}") { ... on Workspace { name } }`;
    const names = async (query: string) => (await gateway.graphql(query)).data;
    const experiments = async (role = 'owner') =>
      gateway.graphql('{ experiments { nodes { name } } }', { headers: bearer(await token([role], 'gone')) });
    await call('POST', WORKSPACES, { name: 'gone' });
    expect(await names(`{ ${shown} }`)).toMatchObject({ node: { name: 'gone' } });
    expect(await experiments()).toMatchObject({ status: 200, data: { experiments: { nodes: [{ name: 'Default' }] } } });
    const before = await gateway.server.gateway.log.head();
    await call('DELETE', `${WORKSPACES}/gone`);
    const after = await names(`{ ${shown} at(position: "${before}") { ${shown} } }`);
    expect(after.node).toBeNull();
    expect(after.workspaces.nodes).not.toContainEqual({ name: 'gone' });
    expect(after.at).toMatchObject({ node: { name: 'gone' } });
    expect(after.at.workspaces.nodes).toContainEqual({ name: 'gone' });
    expect(await experiments()).toMatchObject({
      status: 403,
      errors: [{ message: "Workspace 'gone' not found", extensions: { code: 'FORBIDDEN' } }],
    });
    const labels = await fetch(`${gateway.server.url}/v1/ground-truth`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...bearer(await token(['owner'], 'gone')) },
      body: JSON.stringify({
        endpoint: 'credit',
        labelName: 'repaid',
        labels: [{ predictionId: randomUUID(), label: 1, observedAt: '2026-06-01T12:00:00Z' }],
      }),
    });
    expect({ status: labels.status, json: await labels.json() }).toEqual({
      status: 403,
      json: { error_code: 'FORBIDDEN', message: "Workspace 'gone' not found" },
    });
    for (const role of ['admin', 'auditor'])
      expect((await experiments(role)).data).toMatchObject({ experiments: { nodes: [{ name: 'Default' }] } });
    await call('POST', WORKSPACES, { name: 'gone' });
    expect(await experiments()).toMatchObject({ status: 200, errors: [] });
    await call('DELETE', `${WORKSPACES}/gone`);
  });
});
