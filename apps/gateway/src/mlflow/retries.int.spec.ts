// "Retries of the same request change nothing twice where the protocol lets us know that they are the same."
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { registry } from '@kontor/domain/registry';
import { connectNats, serveCommands } from '@kontor/messaging';
import { holdAppends, uuidv7 } from '@kontor/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestGateway, type TestGateway } from '../gateway.fixture.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startTestGateway({ services: [registry] });
});
afterAll(() => gateway.stop());

interface Answer {
  readonly status: number;
  readonly text: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- answers of many shapes
  readonly json: any;
}

const asked = async (at: TestGateway, method: string, path: string, body: object | string, key?: string) => {
  const response = await fetch(`${at.server.url}/api/2.0/${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...(key !== undefined && { 'Idempotency-Key': key }) },
    ...(method !== 'GET' && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, text, json: text.startsWith('{') ? (JSON.parse(text) as unknown) : {} } as Answer;
};
const send = (method: string, path: string, body: object | string, key?: string) =>
  asked(gateway, method, path, body, key);
const post = (path: string, body: object, key?: string) => send('POST', `mlflow/${path}`, body, key);

const head = () => gateway.server.gateway.log.head();

/** The events of a type, oldest first. */
const recorded = async (type: string) => {
  const { log } = gateway.server.gateway;
  return log.page({ workspace: 'default', after: 0n, upTo: await log.head(), limit: 10_000, types: [type] });
};

describe('a key of the client', () => {
  interface Step {
    readonly method: string;
    readonly path: string;
    readonly body: object | string;
    readonly key: string;
    readonly answer: Answer;
  }
  const steps: Step[] = [];
  const step = async (method: string, path: string, body: object | string) => {
    const key = uuidv7();
    const before = await head();
    const answer = await send(method, path, body, key);
    expect(answer.status, `${method} ${path}: ${answer.text}`).toBeLessThan(300);
    expect(await head(), `${method} ${path} writes`).toBeGreaterThan(before);
    steps.push({ method, path, body, key, answer });
    return answer.json;
  };
  const write = (path: string, body: object, method = 'POST') => step(method, `mlflow/${path}`, body);

  beforeAll(async () => {
    const { experiment_id } = await write('experiments/create', { name: 'keyed' });
    const { run } = await write('runs/create', { experiment_id, start_time: 1 });
    const { run_id } = run.info;
    await write('runs/log-batch', { run_id, metrics: [{ key: 'loss', value: 1, timestamp: 1, step: 1 }] });
    await write('runs/log-parameter', { run_id, key: 'depth', value: '3' });
    await write('runs/set-tag', { run_id, key: 'team', value: 'risk' });
    await write('runs/delete-tag', { run_id, key: 'team' });
    const files = `mlflow-artifacts/artifacts/${experiment_id}/${run_id}/artifacts`;
    await step('PUT', `${files}/a.txt`, 'abc');
    await step('DELETE', `${files}/a.txt`, '');
    await write('runs/update', { run_id, status: 'FINISHED' });
    const { model } = await write('logged-models', { experiment_id, params: [{ key: 'a', value: 'b' }] });
    await write(
      `logged-models/${model.info.model_id}`,
      { model_id: model.info.model_id, status: 'LOGGED_MODEL_READY' },
      'PATCH',
    );
    await write('registered-models/create', { name: 'first', description: 'one' });
    const version = { name: 'first', version: '1' };
    await write('model-versions/create', { name: 'first', source: 's3://bucket/model', run_id });
    await write('model-versions/update', { ...version, description: 'd' }, 'PATCH');
    await write('model-versions/set-tag', { ...version, key: 'team', value: 'risk' });
    await write('model-versions/transition-stage', { ...version, stage: 'Staging', archive_existing_versions: false });
    await write('registered-models/alias', { ...version, alias: 'champion' });
    await write('registered-models/alias', { name: 'first', alias: 'champion' }, 'DELETE');
    await write('registered-models/rename', { name: 'first', new_name: 'second' });
    await write('model-versions/delete', { ...version, name: 'second' }, 'DELETE');
    await write('registered-models/delete', { name: 'second' }, 'DELETE');
    const events = [{ entity: 'REGISTERED_MODEL', action: 'CREATED' }];
    const hook = { name: 'hook', url: 'https://93.184.216.34/', events, secret: 'geheim' };
    const { webhook } = await write('webhooks', hook);
    await write(`webhooks/${webhook.webhook_id}`, {}, 'DELETE');
    const later = (method: string, path: string, body: object) => step(method, `../3.0/mlflow/${path}`, body);
    const judge = { experiment_id, name: 'tone' };
    await later('POST', 'scorers/register', { ...judge, serialized_scorer: '{}' });
    await later('DELETE', 'scorers/delete', judge);
    const { dataset } = await later('POST', 'datasets/create', { name: 'questions' });
    await later('POST', `datasets/${dataset.dataset_id}/records`, { records: '[{"inputs": {"q": 1}}]' });
    const trace_id = `tr-${'1'.repeat(32)}`;
    const trace_info = { trace_id, trace_location: { mlflow_experiment: { experiment_id } } };
    await later('POST', 'traces', { trace: { trace_info } });
    const assessment = { assessment_name: 'good', feedback: { value: 1 } };
    await later('POST', `traces/${trace_id}/assessments`, { assessment });
    await later('PATCH', `traces/${trace_id}/tags`, { key: 'team', value: 'risk' });
    await later('POST', 'traces/delete-traces', { experiment_id, request_ids: [trace_id] });
    await write('traces', { experiment_id, timestamp_ms: 1 });
    await write('runs/delete', { run_id });
    await write('runs/restore', { run_id });
    await write('experiments/update', { experiment_id, new_name: 'renamed' });
    await write('experiments/delete', { experiment_id });
    await step('POST', '../3.0/mlflow/workspaces', { name: 'lab' });
  });

  it('gives the same answer for the same request, also when everything has changed since and after a restart', async () => {
    for (const restarts of [false, true]) {
      if (restarts) await gateway.restart();
      const before = await head();
      for (const { method, path, body, key, answer } of steps) {
        const { status, text } = await send(method, path, body, key);
        expect(`${status} ${text}`, `${method} ${path}`).toBe(`${answer.status} ${answer.text}`);
      }
      expect(await head()).toBe(before);
    }
  });

  it('is refused for another request, whatever its path and body', async () => {
    const before = await head();
    for (const { method, path, body, key } of steps) {
      const other = typeof body === 'string' ? 'other bytes' : { ...body, Other: 1 };
      // The removal of a file has no body that is read.
      if (method === 'DELETE' && typeof body === 'string') continue;
      const { status, json } = await send(method, path, other, key);
      expect({ status, code: json.error_code }, `${method} ${path}`).toEqual({
        status: 409,
        code: 'RESOURCE_CONFLICT',
      });
    }
    const [first] = steps;
    const elsewhere = await post('experiments/delete', { experiment_id: '0' }, first?.key);
    expect(elsewhere).toMatchObject({ status: 409, json: { rejection: 'IDEMPOTENCY_MISMATCH' } });
    expect(await head()).toBe(before);
  });

  it('is for one: 30 requests at a time make one run', async () => {
    const key = uuidv7();
    const before = (await recorded('RunStarted')).length;
    const answers = await Promise.all(
      Array.from({ length: 30 }, () => post('runs/create', { experiment_id: '0', run_name: 'r' }, key)),
    );
    expect([...new Set(answers.map(({ status, text }) => `${status} ${text}`))]).toHaveLength(1);
    expect(answers[0]?.status).toBe(200);
    expect((await recorded('RunStarted')).length).toBe(before + 1);
  });

  it('must be a UUIDv7 of the months that the log remembers', async () => {
    for (const key of ['x', '6ba7b810-9dad-41d1-80b4-00c04fd430c8', '00000000-0000-7000-8000-000000000001']) {
      const { status, json } = await post('experiments/create', { name: 'never' }, key);
      expect({ status, code: json.error_code }, key).toEqual({ status: 400, code: 'INVALID_PARAMETER_VALUE' });
      expect(json.message).toMatch(/^Idempotency-Key: must be a UUIDv7 made between .* got "/);
    }
    expect((await post('experiments/search', { max_results: 1 }, 'x')).status).toBe(200);
  });
});

/** Sends a request and breaks the connection after its command was sent, and before it can be answered. */
const unanswered = async (path: string, body: object): Promise<void> => {
  const held = await holdAppends(gateway.adminUrl, 'registry');
  const headers = { 'content-type': 'application/json' };
  const sent = httpRequest(`${gateway.server.url}/api/2.0/mlflow/${path}`, { method: 'POST', headers });
  const failed = once(sent, 'error');
  sent.end(JSON.stringify(body));
  await held.waited();
  sent.destroy(new Error('cut'));
  await failed;
  await held.release();
};

describe('a request without a key', () => {
  it('makes two if it is answered twice', async () => {
    const body = { experiment_id: '0', run_name: 'twice', start_time: 1 };
    const [first, second] = [await post('runs/create', body), await post('runs/create', body)];
    expect(first.json.run.info.run_id).not.toBe(second.json.run.info.run_id);
  });

  it('makes one if its first answer never left, and is a new one after that', async () => {
    const creates = [
      ['experiments/create', { name: 'cut' }, 'ExperimentCreated'],
      ['runs/create', { experiment_id: '0', start_time: 7 }, 'RunStarted'],
      ['logged-models', { experiment_id: '0' }, 'LoggedModelCreated'],
      ['registered-models/create', { name: 'cut' }, 'RegisteredModelCreated'],
      ['model-versions/create', { name: 'cut', source: 's3://bucket/cut' }, 'ModelVersionRegistered'],
    ] as const;
    for (const [path, body, type] of creates) {
      const before = (await recorded(type)).length;
      await unanswered(path, body);
      const repeated = await post(path, body);
      expect(repeated.status, `${path}: ${repeated.text}`).toBe(200);
      const [made, ...others] = (await recorded(type)).slice(before);
      expect(others, path).toEqual([]);
      const { runId, loggedModelId, experimentId } = made?.data as Record<string, string | undefined>;
      const id = runId ?? loggedModelId ?? (path === 'experiments/create' ? experimentId : undefined);
      if (id !== undefined) expect(repeated.text, path).toContain(`"${id}"`);
      // Answered by now: whoever asks once more means it.
      await post(path, body);
      const isNamed = path.startsWith('experiments') || path.startsWith('registered-models');
      expect((await recorded(type)).length, path).toBe(before + (isNamed ? 1 : 2));
    }
  });

  it('sets a value once more if another one was set since', async () => {
    const set = (value: string) => ({ name: 'cut', key: 'owner', value });
    await unanswered('registered-models/set-tag', set('ada'));
    await post('registered-models/set-tag', set('bob'));
    await post('registered-models/set-tag', set('ada'));
    const { json } = await send('GET', 'mlflow/registered-models/get?name=cut', '');
    expect(json.registered_model.tags).toEqual([{ key: 'owner', value: 'ada' }]);
  });
});

describe('a registry that fails', () => {
  let alone: TestGateway;
  let registryAway: Awaited<ReturnType<typeof connectNats>>;
  beforeAll(async () => {
    alone = await startTestGateway();
    registryAway = await connectNats(alone.natsUrl, 'spec');
  });
  afterAll(async () => {
    await registryAway.close();
    await alone.stop();
  });

  it('gets the same command again for a request that was answered with 500, and is waited for', async () => {
    const ids: string[] = [];
    const create = (name: string) => asked(alone, 'POST', 'mlflow/experiments/create', { name });
    // Nobody is there yet: the gateway gave up after 1.5 s once.
    const first = create('a');
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    const failing = serveCommands(registryAway, 'registry', {
      concurrency: 1,
      handle: ({ payload }) => {
        const { metadata } = JSON.parse(Buffer.from(payload).toString()) as { metadata: { commandId: string } };
        ids.push(metadata.commandId);
        return Promise.resolve({ outcome: 'failed', code: 'INTERNAL', message: 'broken', correlationId: '' });
      },
      onBug: (error) => {
        throw error;
      },
    });
    const statuses = [await first, await create('a'), await create('b'), await create('a')].map(({ status }) => status);
    await failing.drain();
    expect(statuses).toEqual([500, 500, 500, 500]);
    const [a, again, b, once_more] = ids;
    expect([again, once_more]).toEqual([a, a]);
    expect(b).not.toBe(a);
  });
});
