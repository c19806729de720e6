// A read sees every write that was answered before it, whoever made it, although the answer did not wait for its rows (adr/0009).
import { registry } from '@kontor/domain/registry';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestGateway, type TestGateway } from '../gateway.fixture.js';

/** Rows are late by chance, so each story is told often. */
const ROUNDS = 25;

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startTestGateway({ services: [registry] });
});
afterAll(() => gateway.stop());

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- answers of many shapes
type Answer = { readonly status: number; readonly json: any };

const send = async (method: string, path: string, body?: object): Promise<Answer> => {
  const response = await fetch(`${gateway.server.url}${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  });
  return { status: response.status, json: await response.json() };
};
const api = '/api/2.0/mlflow/';
const post = (path: string, body: object) => send('POST', `${api}${path}`, body);
const get = (path: string) => send('GET', `${api}${path}`);
const graph = (query: string) => send('POST', '/graphql', { query });

const rounds = Array.from({ length: ROUNDS }, (_, round) => round);

describe('a call right after a write', () => {
  it.each(rounds)('finds a run, what was logged, and that its experiment is gone (%i)', async (round) => {
    const { experiment_id } = (await post('experiments/create', { name: `experiment-${round}` })).json;
    const { run_id } = (await post('runs/create', { experiment_id, start_time: 1 })).json.run.info;
    expect((await post('runs/log-metric', { run_id, key: 'loss', value: round, timestamp: 1 })).status).toBe(200);
    expect((await get(`runs/get?run_id=${run_id}`)).json.run.data.metrics).toMatchObject([{ value: round }]);
    expect((await post('runs/set-tag', { run_id, key: 'team', value: 'risk' })).status).toBe(200);
    expect((await post('runs/delete-tag', { run_id, key: 'team' })).status).toBe(200);
    expect((await post('runs/set-tag', { run_id, key: 'team', value: 'ops' })).status).toBe(200);
    const seen = await graph(`{ run(runId: "${run_id}") { tags { key value } } }`);
    expect(seen.json.data.run.tags).toContainEqual({ key: 'team', value: 'ops' });

    expect((await post('experiments/delete', { experiment_id })).status).toBe(200);
    expect((await post('runs/create', { experiment_id, start_time: 1 })).status).toBe(400);
    expect((await post('runs/log-metric', { run_id, key: 'loss', value: 2, timestamp: 2 })).status).toBe(400);
    expect((await post('experiments/restore', { experiment_id })).status).toBe(200);
    expect((await post('runs/log-metric', { run_id, key: 'loss', value: 3, timestamp: 3 })).status).toBe(200);
    expect((await post('runs/delete', { run_id })).status).toBe(200);
    expect((await post('runs/set-tag', { run_id, key: 'team', value: 'web' })).status).toBe(400);
  });

  it.each(rounds)('finds a model by the name that it has now, and its versions (%i)', async (round) => {
    const [name, new_name] = [`model-${round}`, `renamed-${round}`];
    expect((await post('registered-models/create', { name })).status).toBe(200);
    for (const version of ['1', '2']) {
      const made = await post('model-versions/create', { name, source: 's3://bucket/model' });
      expect(made.json.model_version.version).toBe(version);
      expect((await post('registered-models/alias', { name, alias: 'champion', version })).status).toBe(200);
      expect((await get(`registered-models/alias?name=${name}&alias=champion`)).json).toMatchObject({
        model_version: { version },
      });
    }
    expect((await post('registered-models/rename', { name, new_name })).status).toBe(200);
    expect((await post('model-versions/create', { name, source: 's3://bucket/model' })).status).toBe(404);
    expect((await post('model-versions/create', { name: new_name, source: 's3://bucket/model' })).status).toBe(200);
    expect((await send('DELETE', `${api}registered-models/delete`, { name: new_name })).status).toBe(200);
    expect((await post('model-versions/create', { name: new_name, source: 's3://bucket/model' })).status).toBe(404);
    expect((await post('registered-models/create', { name: new_name })).status).toBe(200);
  });

  it('finds each of the models that were logged to one run at once', async () => {
    const { experiment_id } = (await post('experiments/create', { name: 'models' })).json;
    const { run_id } = (await post('runs/create', { experiment_id, start_time: 1 })).json.run.info;
    const paths = rounds.map((round) => `model-${round}`);
    const logged = paths.map((artifact_path) => {
      const model_json = JSON.stringify({ artifact_path, flavors: {}, utc_time_created: 'now', run_id });
      return post('runs/log-model', { run_id, model_json });
    });
    expect((await Promise.all(logged)).map(({ status }) => status)).toEqual(rounds.map(() => 200));
    const { tags } = (await get(`runs/get?run_id=${run_id}`)).json.run.data as Record<
      string,
      { key: string; value: string }[]
    >;
    const history = tags?.find(({ key }) => key === 'mlflow.log-model.history')?.value ?? '';
    const kept = (JSON.parse(history) as { artifact_path: string }[]).map((model) => model.artifact_path);
    expect(kept.sort()).toEqual(paths.sort());
  });

  it('finds what another client has just been told, while many write', async () => {
    const { experiment_id } = (await post('experiments/create', { name: 'shared' })).json;
    const clients = Array.from({ length: 8 }, async (_, client) => {
      for (const round of rounds) {
        const { run_id } = (await post('runs/create', { experiment_id, start_time: 1 })).json.run.info;
        const param = { run_id, key: 'round', value: `${client}-${round}` };
        expect((await post('runs/log-parameter', param)).status).toBe(200);
        const found = await post('runs/search', {
          experiment_ids: [experiment_id],
          filter: `params.round = '${client}-${round}'`,
        });
        expect(found.json.runs).toMatchObject([{ info: { run_id } }]);
      }
    });
    await Promise.all(clients);
  });
});
