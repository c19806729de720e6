// Who did it is who signed in, at every door that writes, whatever the request says.
import { registry } from '@kontor/domain/registry';
import { ensureKeyPair, loadPrivateKey, signToken, TOKEN_ISSUER } from '@kontor/service/process';
import { isInputObjectType } from 'graphql';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestGateway, type TestGateway } from '../gateway.fixture.js';
import { buildSchema } from '../graphql/schema.js';
import { endpoints } from './face.js';

/** What proxies and other servers take a name from, and what a request might call it. */
const FORGED_HEADERS = {
  ...{ 'Kontor-Actor': 'mallory', 'X-Forwarded-User': 'mallory', 'X-Remote-User': 'mallory', 'Remote-User': 'mallory' },
  ...{ 'X-MLFLOW-USER': 'mallory', 'Kontor-Assertion': 'mallory', From: 'mallory@example.org' },
};
const FORGED_FIELDS = {
  ...{ user_id: 'mallory', user: 'mallory', actor: 'mallory', by: 'mallory', created_by: 'mallory' },
  ...{ registeredBy: 'mallory', registered_by: 'mallory', metadata: { actor: { id: 'mallory' } } },
};

let gateway: TestGateway;
let authorization: string;
beforeAll(async () => {
  gateway = await startTestGateway({ services: [registry], auth: 'token' });
  await ensureKeyPair(gateway.keysDir, TOKEN_ISSUER);
  const key = await loadPrivateKey(gateway.keysDir, TOKEN_ISSUER);
  const actor = { id: 'ada', kind: 'person' as const, roles: ['admin'] };
  authorization = `Bearer ${await signToken(key, TOKEN_ISSUER, { actor, workspace: 'default', ttlMs: 3_600_000 }, Date.now())}`;
});
afterAll(() => gateway.stop());

/** @returns the answer, and who did what it recorded. */
const send = async (method: string, path: string, body: string, headers: Readonly<Record<string, string>> = {}) => {
  const { log } = gateway.server.gateway;
  const before = await log.head();
  const response = await fetch(`${gateway.server.url}${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...FORGED_HEADERS, authorization, ...headers },
    body,
  });
  const text = await response.text();
  expect(response.status, `${method} ${path}: ${text}`).toBeLessThan(400);
  const recorded = await log.page({ workspace: 'default', after: before, upTo: await log.head(), limit: 100 });
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- answers of many shapes
  const answer: any = text.startsWith('{') ? JSON.parse(text) : {};
  return { answer, recorded };
};

it('every write of the MLflow API', async () => {
  const left = new Set(
    endpoints.filter(({ method, reads }) => method !== 'GET' && !reads).map(({ method, path }) => `${method} ${path}`),
  );
  // These answer with a refusal or change nothing, whoever asks.
  left.delete('POST /mlflow/webhooks/{webhook_id}/test');
  for (const step of ['create', 'complete', 'abort']) left.delete(`POST /mlflow-artifacts/mpu/${step}/*`);
  for (const direction of ['upload', 'download']) left.delete(`POST /mlflow/artifacts/presigned-${direction}-url`);
  const write = async (name: string, body: object, ...parts: readonly string[]) => {
    const declared = endpoints.find(({ method, path }) => `${method} ${path}` === name);
    if (!declared) throw new Error(`no endpoint: ${name}`);
    const values = [...parts];
    const path = declared.path.replace(/\{\w+\}/g, () => values.shift() ?? '');
    const forged = { ...FORGED_FIELDS, ...body };
    const { answer, recorded } = await send(
      declared.method,
      `/api/${declared.version ?? 2}.0${path}`,
      JSON.stringify(forged),
    );
    expect(recorded.length, name).toBeGreaterThan(0);
    for (const { actor, type, data } of recorded) {
      expect(actor, `${name} recorded ${type}`).toBe('ada');
      // A field of the run is what the client calls its user, and nothing else is.
      const { userId: _, ...others } = data as { readonly userId?: unknown };
      expect(JSON.stringify(others), `${name} recorded ${type}`).not.toContain('mallory');
    }
    left.delete(name);
    return answer;
  };
  const tag = { key: 'team', value: 'risk' };
  const { experiment_id } = await write('POST /mlflow/experiments/create', { name: 'e' });
  const experiment = { experiment_id };
  await write('POST /mlflow/experiments/update', { ...experiment, new_name: 'f' });
  await write('POST /mlflow/experiments/set-experiment-tag', { ...experiment, ...tag });
  await write('POST /mlflow/experiments/delete-experiment-tag', { ...experiment, ...tag });
  await write('POST /mlflow/experiments/delete', experiment);
  await write('POST /mlflow/experiments/restore', experiment);
  const { run } = await write('POST /mlflow/runs/create', { ...experiment, start_time: 1 });
  const { run_id } = run.info;
  expect(run.info.user_id).toBe('mallory');
  const ofRun = { run_id };
  await write('POST /mlflow/runs/update', { ...ofRun, status: 'FINISHED' });
  await write('POST /mlflow/runs/log-metric', { ...ofRun, key: 'loss', value: 1, timestamp: 1 });
  await write('POST /mlflow/runs/log-parameter', { ...ofRun, key: 'depth', value: '3' });
  await write('POST /mlflow/runs/set-tag', { ...ofRun, ...tag });
  await write('POST /mlflow/runs/delete-tag', { ...ofRun, ...tag });
  await write('POST /mlflow/runs/log-batch', { ...ofRun, tags: [tag] });
  const dataset = { name: 'd', digest: 'x', source_type: 's', source: 's' };
  await write('POST /mlflow/runs/log-inputs', { ...ofRun, datasets: [{ dataset }] });
  const model_json = JSON.stringify({ run_id, artifact_path: 'm', flavors: {}, utc_time_created: 'x' });
  await write('POST /mlflow/runs/log-model', { ...ofRun, model_json });
  const { model: logged } = await write('POST /mlflow/logged-models', { ...experiment, name: 'm' });
  const { model_id } = logged.info;
  await write('POST /mlflow/runs/outputs', { ...ofRun, models: [{ model_id }] });
  await write('POST /mlflow/logged-models/{id}/params', { model_id, params: [{ key: 'a', value: 'b' }] }, model_id);
  await write('PATCH /mlflow/logged-models/{model_id}/tags', { tags: [tag] }, model_id);
  await write('DELETE /mlflow/logged-models/{model_id}/tags/{tag_key}', {}, model_id, 'team');
  await write('PATCH /mlflow/logged-models/{id}', { model_id, status: 'LOGGED_MODEL_READY' }, model_id);
  await write('DELETE /mlflow/logged-models/{model_id}', {}, model_id);
  await write('POST /mlflow/runs/delete', ofRun);
  await write('POST /mlflow/runs/restore', ofRun);
  const model = { name: 'fraud' };
  await write('POST /mlflow/registered-models/create', model);
  await write('PATCH /mlflow/registered-models/update', { ...model, description: 'd' });
  await write('POST /mlflow/registered-models/set-tag', { ...model, ...tag });
  await write('DELETE /mlflow/registered-models/delete-tag', { ...model, ...tag });
  const made = await write('POST /mlflow/model-versions/create', { ...model, source: 's3://bucket/model' });
  expect(made.model_version.user_id).toBe('ada');
  const version = { ...model, version: '1' };
  await write('PATCH /mlflow/model-versions/update', { ...version, description: 'd' });
  await write('POST /mlflow/model-versions/transition-stage', {
    ...{ ...version, stage: 'Staging', archive_existing_versions: false },
  });
  await write('POST /mlflow/model-versions/set-tag', { ...version, ...tag });
  await write('DELETE /mlflow/model-versions/delete-tag', { ...version, ...tag });
  await write('POST /mlflow/registered-models/alias', { ...version, alias: 'champion' });
  await write('DELETE /mlflow/registered-models/alias', { ...model, alias: 'champion' });
  await write('DELETE /mlflow/model-versions/delete', version);
  await write('POST /mlflow/registered-models/rename', { ...model, new_name: 'loss' });
  await write('DELETE /mlflow/registered-models/delete', { name: 'loss' });
  const trace_id = `tr-${'1'.repeat(32)}`;
  const trace_info = { trace_id, trace_location: { mlflow_experiment: experiment }, ...FORGED_FIELDS };
  await write('POST /mlflow/traces', { trace: { trace_info } });
  for (const id of ['{trace_id}', '{request_id}']) {
    await write(`PATCH /mlflow/traces/${id}/tags`, tag, trace_id);
    await write(`DELETE /mlflow/traces/${id}/tags`, tag, trace_id);
  }
  await write('PATCH /mlflow/traces/{request_id}', { timestamp_ms: 1, status: 'OK' }, trace_id);
  await write('POST /mlflow/traces/link-to-run', { trace_ids: [trace_id], run_id });
  await write('POST /mlflow/traces/link-prompts', { trace_id, prompt_versions: [{ name: 'p', version: '1' }] });
  const assessments = '/mlflow/traces/{trace_id}/assessments';
  const assessment = { assessment_name: 'good', feedback: { value: 1 } };
  const { assessment_id } = (await write(`POST ${assessments}`, { assessment }, trace_id)).assessment;
  const change = { assessment: { rationale: 'so' }, update_mask: 'rationale' };
  await write(`PATCH ${assessments}/{assessment_id}`, change, trace_id, assessment_id);
  await write(`DELETE ${assessments}/{assessment_id}`, {}, trace_id, assessment_id);
  await write('POST /mlflow/traces/delete-traces', { ...experiment, request_ids: [trace_id] });
  const span = { traceId: '2'.repeat(32), spanId: '3'.repeat(16), ...FORGED_FIELDS };
  const spans = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] });
  const exported = await send('POST', '/v1/traces', spans, { 'x-mlflow-experiment-id': experiment_id });
  expect(exported.recorded.map(({ actor, type }) => `${type} ${actor}`)).toEqual(['SpansLogged ada']);
  const judge = { ...experiment, name: 'relevance' };
  await write('POST /mlflow/scorers/register', { ...judge, serialized_scorer: '{}' });
  await write('PUT /mlflow/scorers/online-config', { ...judge, sample_rate: 0 });
  await write('DELETE /mlflow/scorers/delete', judge);
  const { dataset_id } = (await write('POST /mlflow/datasets/create', { name: 'questions' })).dataset;
  const questions = '/mlflow/datasets/{dataset_id}';
  await write(`PATCH ${questions}/tags`, { tags: '{"team": "risk"}' }, dataset_id);
  await write(`DELETE ${questions}/tags/{key}`, {}, dataset_id, 'team');
  await write(`POST ${questions}/add-experiments`, { experiment_ids: [experiment_id] }, dataset_id);
  await write(`POST ${questions}/remove-experiments`, { experiment_ids: [experiment_id] }, dataset_id);
  await write(`POST ${questions}/records`, { records: '[{"inputs": {"q": 1}}]' }, dataset_id);
  const held = await fetch(`${gateway.server.url}/api/3.0/mlflow/datasets/${dataset_id}/records`, {
    headers: { authorization },
  });
  const { records } = (await held.json()) as { readonly records: string };
  const ids = (JSON.parse(records) as { dataset_record_id: string }[]).map((record) => record.dataset_record_id);
  await write(`DELETE ${questions}/records`, { dataset_record_ids: ids }, dataset_id);
  await write(`DELETE ${questions}`, {}, dataset_id);
  const { webhook } = await write('POST /mlflow/webhooks', {
    ...{ name: 'hook', url: 'https://93.184.216.34/' },
    events: [{ entity: 'REGISTERED_MODEL', action: 'CREATED' }],
  });
  await write('PATCH /mlflow/webhooks/{webhook_id}', { description: 'd' }, webhook.webhook_id);
  await write('DELETE /mlflow/webhooks/{webhook_id}', {}, webhook.webhook_id);
  // An import says when something happened; who took it over is who signed in.
  const { import_id, started_at } = await write('POST /kontor/imports', { source: 'http://tracking.example' });
  const ofImport = { import_id, started_at };
  const updated_at = '2024-01-01T00:00:00Z';
  await write('POST /kontor/imports/experiments', {
    ...{ ...ofImport, experiments: [{ experiment_id: '77', name: 'i', updated_at }] },
  });
  const data = { modelId: 'a'.repeat(32), name: 'i', description: null, tags: [], isPrompt: false, firstVersion: 1 };
  const commands = [{ type: 'CreateRegisteredModel', data, occurred_at: updated_at }];
  await write('POST /kontor/imports/commands', { ...ofImport, items: [{ commands }] });
  await write('POST /kontor/imports/complete', { import_id, counts: [] });
  await write('POST /mlflow/workspaces', { name: 'lab' });
  await write('PATCH /mlflow/workspaces/{name}', { description: 'd' }, 'default');
  left.delete('DELETE /mlflow/workspaces/{name}'); // A new one holds its experiment 0 until that is deleted.
  expect([...left], 'every endpoint that writes is tried').toEqual([]);

  const files = `/api/2.0/mlflow-artifacts/artifacts/${experiment_id}/${run_id}/artifacts/a.txt`;
  for (const method of ['PUT', 'DELETE']) {
    const { recorded } = await send(method, files, 'x', { 'content-type': 'text/plain' });
    expect(
      recorded.map(({ actor }) => actor),
      `${method} of a file`,
    ).toEqual(['ada']);
  }
});

it('every mutation of the graph: none has a field for it, and no header is one', async () => {
  const schema = await buildSchema();
  const fields = Object.values(schema.getTypeMap()).flatMap((type) =>
    isInputObjectType(type) ? Object.keys(type.getFields()).map((field) => `${type.name}.${field}`) : [],
  );
  expect(fields.length).toBeGreaterThan(100);
  expect(fields.filter((field) => /\.(?:actor|by|user|userId|onBehalfOf|\w+By)$/.test(field))).toEqual([]);
  const create = (name: string) => JSON.stringify({ name });
  await send('POST', '/api/2.0/mlflow/registered-models/create', create('credit'));
  const query = 'mutation { protectAlias(input: { modelName: "credit", alias: "a" }) { __typename } }';
  const { recorded } = await send('POST', '/graphql', JSON.stringify({ query }));
  expect(recorded.map(({ actor, type }) => `${type} ${actor}`)).toEqual(['AliasProtected ada']);
});
