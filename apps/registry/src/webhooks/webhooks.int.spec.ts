import { createHmac } from 'node:crypto';
import type { WebhookSettings } from '@kontor/domain/registry';
import { eventually } from '@kontor/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openRegistry, type Received, startReceiver } from './webhooks.fixture.js';

// The whole way of a message: from a command over the log and the queue to a real target, which is slow, wrong or away.

let service: Awaited<ReturnType<typeof openRegistry>>;
let target: Awaited<ReturnType<typeof startReceiver>>;
let running: Awaited<ReturnType<typeof service.start>>;
beforeAll(async () => {
  [service, target] = await Promise.all([openRegistry(), startReceiver()]);
  running = await service.start();
});
afterAll(async () => {
  target.stop();
  await service.close();
});

const VERSION = {
  ...{ source: 's3://bucket/model', storageLocation: 's3://bucket/model', runId: null, loggedModelId: null },
  ...{ runLink: '', description: '', tags: [], artifacts: null, filesOf: null, trainedBy: null },
};
const register = (modelId: string, more: object = {}, workspace?: string) =>
  service.command('RegisterModelVersion', { modelId, ...VERSION, ...more }, workspace);

const ALIASES: WebhookSettings['events'] = ['model_version_alias.created', 'model_version_alias.deleted'];
const ALL_OF_MODELS: WebhookSettings['events'] = [
  ...(['registered_model.created', 'model_version.created'] as const),
  ...(['model_version_tag.set', 'model_version_tag.deleted', ...ALIASES] as const),
];

interface Told {
  readonly entity: string;
  readonly action: string;
  readonly data: Readonly<Record<string, unknown>>;
}
const told = ({ body }: Received): Told => JSON.parse(body) as Told;
const kinds = (path: string) => target.at(path).map((one) => `${told(one).entity}.${told(one).action}`);
const idOf = ({ headers }: Received) => String(headers['x-mlflow-delivery-id']);
/** Waits until so many messages have come; then nothing more may be on its way, which the order of the queue tells. */
const arrived = (path: string, count: number) => eventually(() => target.at(path).length >= count && target.at(path));

/** A model with a version in a workspace of its own, whose aliases a webhook is told of. */
const watched = async (path: string) => {
  const workspace = path.slice(1);
  const modelId = await service.model('watched', { workspace });
  await register(modelId, {}, workspace);
  const webhookId = await service.webhook(target.url(path), ALIASES, { workspace });
  const command: typeof service.command = (type, data) => service.command(type, data, workspace);
  const setAlias = (alias: string) => command('SetAlias', { modelId, alias, version: 1 });
  const names = () => target.at(path).map((one) => told(one).data['alias']);
  return { modelId, webhookId, command, setAlias, names };
};

const settled = (webhookId: string, state: string) =>
  eventually(async () => {
    const rows = await service.deliveries(webhookId);
    return rows.length > 0 && rows.every((row) => row.state === state) && rows;
  });

describe('a webhook', () => {
  it('is told of what it wants, in the order of the log, signed, and of nothing that changed nothing', async () => {
    const secret = 'geheim-ü-71c3';
    const webhookId = await service.webhook(target.url('/all'), ALL_OF_MODELS, { secret });
    const modelId = await service.model('all');
    await register(modelId, { runId: 'r1', description: 'the first' });
    const tag = { modelId, version: 1, key: 'k', value: 'v' };
    await service.command('SetModelVersionTag', { ...tag, knownValue: null });
    await service.command('SetModelVersionTag', { ...tag, knownValue: 'v' });
    await service.command('RemoveModelVersionTag', { modelId, version: 1, key: 'k', knownValue: null });
    await service.command('SetAlias', { modelId, alias: 'a', version: 1 });
    await service.command('SetAlias', { modelId, alias: 'a', version: 1 });
    await service.command('RemoveAlias', { modelId, alias: 'a' });
    await service.command('SetRegisteredModelTag', { modelId, key: 'k', value: 'v' });
    const name = 'renamed';
    await service.command('RenameRegisteredModel', { modelId, name, previousName: 'all' });
    await register(modelId);
    const requests = await arrived('/all', 7);
    expect(kinds('/all')).toEqual([
      ...['registered_model.created', 'model_version.created', 'model_version_tag.set', 'model_version_tag.deleted'],
      ...['model_version_alias.created', 'model_version_alias.deleted', 'model_version.created'],
    ]);
    expect(requests.map((one) => told(one).data['name'])).toEqual([...Array.from({ length: 6 }, () => 'all'), name]);
    for (const { headers, body } of requests) {
      const [id, time] = [headers['x-mlflow-delivery-id'], headers['x-mlflow-timestamp']].map(String);
      const signature = createHmac('sha256', Buffer.from(secret)).update(`${id}.${time}.${body}`).digest('base64');
      expect(headers['x-mlflow-signature']).toBe(`v1,${signature}`);
      expect(headers['content-type']).toBe('application/json');
      expect(Math.abs(Number(time) - Date.now() / 1000)).toBeLessThan(60);
    }
    expect(new Set(requests.map(idOf)).size).toBe(7);
    expect(requests[1]?.body).toMatch(
      /^\{"entity": "model_version", "action": "created", "timestamp": "\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", "data": \{"name": "all", "version": "1", "source": "s3:\/\/bucket\/model", "run_id": "r1", "tags": \{\}, "description": "the first"\}, "workspace": "default"\}$/,
    );
    const rows = await settled(webhookId, 'DELIVERED');
    expect(rows[0]).toMatchObject({ tries: 1, response_status: 200, response_body: 'ok', error: null });
    expect(rows.map(({ delivery_id }) => delivery_id).sort()).toEqual(requests.map(idOf).sort());
  });

  it('is told of prompts apart from models', async () => {
    await service.webhook(target.url('/prompts'), [
      ...(['prompt.created', 'prompt_version.created', 'prompt_tag.set', 'prompt_version_tag.set'] as const),
      ...(['prompt_alias.created', 'prompt_alias.deleted'] as const),
    ]);
    await register(await service.model('no-prompt'));
    const modelId = await service.model('prompt', { isPrompt: true });
    await register(modelId, { tags: [{ key: 'mlflow.prompt.text', value: 'Hello {{name}}!' }] });
    await service.command('SetRegisteredModelTag', { modelId, key: 'k', value: 'v' });
    await service.command('SetModelVersionTag', { modelId, version: 1, key: 'k', value: 'v', knownValue: null });
    await service.command('SetAlias', { modelId, alias: 'a', version: 1 });
    await service.command('RemoveAlias', { modelId, alias: 'a' });
    const requests = await arrived('/prompts', 6);
    expect(kinds('/prompts')).toEqual([
      ...['prompt.created', 'prompt_version.created', 'prompt_tag.set', 'prompt_version_tag.set'],
      ...['prompt_alias.created', 'prompt_alias.deleted'],
    ]);
    expect(requests.slice(0, 2).map((one) => told(one).data)).toEqual([
      { name: 'prompt', tags: { team: 'risk' }, description: '' },
      { name: 'prompt', version: '1', template: 'Hello {{name}}!', tags: {}, description: null },
    ]);
  });

  it('is told of what happens while it is active, and in its workspace', async () => {
    const { webhookId, command, setAlias, names, modelId } = await watched('/active');
    await service.webhook(target.url('/elsewhere'), [...ALIASES, 'registered_model.created'], { workspace: 'team-b' });
    const status = (value: 'ACTIVE' | 'DISABLED') => command('ChangeWebhook', { webhookId, status: value });
    await setAlias('one');
    await status('DISABLED');
    await setAlias('two');
    await status('ACTIVE');
    await setAlias('three');
    await command('ChangeWebhook', { webhookId, events: ['model_version_alias.deleted'] });
    await setAlias('four');
    await command('RemoveAlias', { modelId, alias: 'four' });
    await arrived('/active', 3);
    expect(names()).toEqual(['one', 'three', 'four']);
    await service.model('theirs', { workspace: 'team-b' });
    await arrived('/elsewhere', 1);
    expect(kinds('/elsewhere')).toEqual(['registered_model.created']);
  });

  it('is sent what its persons wrote, which its queue does not hold', async () => {
    const value = 'ada-of-the-risk-team';
    await service.webhook(target.url('/personal'), ['model_version_tag.set']);
    const modelId = await service.model('personal');
    await register(modelId);
    const key = 'mlflow.user';
    await service.command('SetModelVersionTag', { modelId, version: 1, key, value, knownValue: null });
    const [request] = await arrived('/personal', 1);
    expect(request && told(request).data).toEqual({ name: 'personal', version: '1', key, value });
    const { rows } = await service.admin.query<{ text: string }>(
      'SELECT d::text AS text FROM registry.webhook_delivery d',
    );
    expect(rows.filter(({ text }) => text.includes(value))).toEqual([]);
  });

  it('that is deleted gets nothing of what waits, and its secret is gone', async () => {
    const secret = 'to-be-forgotten';
    target.answer('/deleted', (_, response) => response.writeHead(503).end());
    const webhookId = await service.webhook(target.url('/deleted'), ['registered_model.created'], { secret });
    const stored = async () => {
      const { rowCount } = await service.keys.query('SELECT FROM keys.secret WHERE owner = $1', [
        `webhook/${webhookId}`,
      ]);
      return rowCount;
    };
    expect(await stored()).toBe(1);
    await service.model('deleted');
    await arrived('/deleted', 2);
    await service.command('DeleteWebhook', { webhookId });
    await settled(webhookId, 'DROPPED');
    expect(await stored()).toBe(0);
  });
});

describe('a message that is not taken', () => {
  it('is tried four times as by MLflow, under one id and with one body, and holds its own queue only', async () => {
    const { webhookId, setAlias, names } = await watched('/failing');
    const healthy = await watched('/healthy');
    let calls = 0;
    target.answer('/failing', (_, response) => {
      calls += 1;
      response.writeHead(calls <= 3 ? 503 : 200, calls === 1 ? { 'retry-after': '1' } : {}).end(`call ${calls}`);
    });
    await setAlias('first');
    await setAlias('second');
    await arrived('/failing', 1);
    await healthy.setAlias('unhindered');
    await arrived('/healthy', 1);
    expect(calls).toBeLessThan(4);
    const requests = await arrived('/failing', 5);
    expect(names()).toEqual(['first', 'first', 'first', 'first', 'second']);
    expect(new Set(requests.slice(0, 4).map(idOf)).size).toBe(1);
    expect(new Set(requests.slice(0, 4).map(({ body }) => body)).size).toBe(1);
    const seconds = requests.slice(0, 4).map(({ headers }) => Number(headers['x-mlflow-timestamp']));
    expect((seconds[1] ?? 0) - (seconds[0] ?? 0), 'as long as the target asked').toBeGreaterThanOrEqual(1);
    const rows = await settled(webhookId, 'DELIVERED');
    expect(rows).toMatchObject([
      { tries: 4, response_body: 'call 4' },
      { tries: 1, response_body: 'call 5' },
    ]);
    expect((await service.eventsOf(webhookId)).map(({ type }) => type)).toEqual(['WebhookCreated']);
  });

  it.each([
    ['a refusal', 400, {}],
    ['a redirect, which is not followed', 302, { location: '/never' }],
  ])('is given up at once after %s, and sent again when somebody asks', async (_, status, headers) => {
    const path = `/refusing-${status}`;
    const { webhookId, command, setAlias, names } = await watched(path);
    target.answer(path, (_request, response) => response.writeHead(status, headers).end('no'));
    await setAlias('first');
    const [row] = await settled(webhookId, 'ABANDONED');
    expect(row).toMatchObject({ tries: 1, response_status: status, response_body: 'no' });
    const deliveryId = row?.delivery_id ?? '';
    expect((await service.eventsOf(webhookId)).at(-1)).toMatchObject({
      type: 'WebhookDeliveryAbandoned',
      data: { deliveryId, event: 'model_version_alias.created', tries: 1, responseStatus: status },
    });
    expect(target.at('/never')).toEqual([]);
    target.answer(path, (_request, response) => response.end('yes'));
    await setAlias('second');
    await arrived(path, 2);
    await command('RedeliverWebhook', { webhookId, deliveryId });
    const requests = await arrived(path, 3);
    expect(names()).toEqual(['first', 'second', 'first']);
    expect([requests[0], requests[2]].map((one) => one && idOf(one))).toEqual([deliveryId, deliveryId]);
    await settled(webhookId, 'DELIVERED');
  });

  it('is given up after nine tries, whether the target cuts the connection or does not listen', async () => {
    const { webhookId, command, setAlias } = await watched('/cutting');
    target.answer('/cutting', (_, response) => response.socket?.destroy());
    await setAlias('lost');
    await eventually(async () => {
      await service.hurry(webhookId);
      return (await service.deliveries(webhookId))[0]?.state === 'ABANDONED';
    });
    expect(target.at('/cutting')).toHaveLength(9);
    expect(await service.deliveries(webhookId)).toMatchObject([{ tries: 9, response_status: null }]);
    expect((await service.eventsOf(webhookId)).at(-1)).toMatchObject({
      type: 'WebhookDeliveryAbandoned',
      data: { tries: 9, responseStatus: null },
    });
    await command('ChangeWebhook', { webhookId, url: 'http://127.0.0.1:9/' });
    await setAlias('lost-too');
    const refused = await eventually(async () =>
      (await service.deliveries(webhookId)).find(({ error }) => /ECONNREFUSED/.test(error ?? '')),
    );
    expect(refused.state).toBe('WAITING');
    await command('DeleteWebhook', { webhookId });
  });

  it('is kept with the first 8 KiB of an answer, whatever is in it', async () => {
    const { webhookId, setAlias } = await watched('/huge');
    target.answer('/huge', (_, response) => response.end(`\0${'x'.repeat(1_000_000)}`));
    await setAlias('one');
    const [row] = await settled(webhookId, 'DELIVERED');
    expect(row?.response_body).toBe(`\ufffd${'x'.repeat(8191)}`);
  });
});

describe('what waits', () => {
  it('outlives the process, and is sent by the next one', async () => {
    const { webhookId, setAlias, names } = await watched('/outlived');
    target.answer('/outlived', (_, response) => response.writeHead(503).end());
    await setAlias('one');
    await arrived('/outlived', 1);
    await setAlias('two');
    await service.stop(running);
    const before = names().length;
    target.answer('/outlived', (_, response) => response.end());
    running = await service.start();
    await settled(webhookId, 'DELIVERED');
    expect(names().slice(before)).toEqual(['one', 'two']);
  });

  it('is sent once by one of two processes, and by the other when the first one ends', async () => {
    const { setAlias, names } = await watched('/two');
    const other = await service.start();
    await setAlias('one');
    await arrived('/two', 1);
    await service.stop(running);
    running = other;
    await setAlias('two');
    await arrived('/two', 2);
    expect(names()).toEqual(['one', 'two']);
  });

  it('is sent again under its id by who does not know that it was sent', async () => {
    const { webhookId, setAlias } = await watched('/doubled');
    await setAlias('one');
    await settled(webhookId, 'DELIVERED');
    // As it stands after a crash between the answer and its note.
    await service.admin.query(
      `UPDATE registry.webhook_delivery SET state = 'WAITING', tries = 0 WHERE webhook_id = $1`,
      [webhookId],
    );
    const requests = await arrived('/doubled', 2);
    expect(new Set(requests.map((one) => `${idOf(one)} ${one.body}`)).size).toBe(1);
  });
});

describe('a test of a webhook', () => {
  it('sends an example once, and is answered by its row', async () => {
    const webhookId = await service.webhook(target.url('/test'), ['prompt_version.created'], { secret: 's' });
    target.answer('/test', (_, response) => response.writeHead(500).end('broken'));
    const { commandId } = await service.send('TestWebhook', { webhookId, event: 'prompt_version.created' });
    const [row] = await settled(webhookId, 'ABANDONED');
    expect(row).toMatchObject({ delivery_id: commandId, tries: 1, response_status: 500, response_body: 'broken' });
    expect(target.at('/test').map((one) => told(one).data)).toEqual([
      {
        ...{
          name: 'example_prompt',
          version: '1',
          template: 'Hello {{name}}!',
          tags: { example_key: 'example_value' },
        },
        description: 'An example prompt version',
      },
    ]);
    expect((await service.eventsOf(webhookId)).map(({ type }) => type)).toEqual(['WebhookCreated']);
    await expect(service.send('TestWebhook', { webhookId, event: 'nothing' })).rejects.toThrow('INVALID');
  });
});

it('shows no secret in the log, in rows or in the key store', async () => {
  const secret = 'canary-5f2e9a';
  const webhookId = await service.webhook(target.url('/canary'), ['registered_model.created'], { secret });
  await service.model('canary');
  await settled(webhookId, 'DELIVERED');
  const texts = async (pool: typeof service.admin): Promise<string[]> => {
    const { rows: tables } = await pool.query<{ name: string }>(
      `SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) AS name FROM pg_tables
       WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`,
    );
    const all = await Promise.all(
      tables.map(({ name }) => pool.query<{ text: string }>(`SELECT t::text AS text FROM ${name} t`)),
    );
    return all.flatMap(({ rows }) => rows.map(({ text }) => text));
  };
  const found = [...(await texts(service.admin)), ...(await texts(service.keys))];
  expect(found.some((text) => text.includes(webhookId))).toBe(true);
  for (const form of [secret, Buffer.from(secret).toString('hex'), Buffer.from(secret).toString('base64')])
    expect(found.filter((text) => text.includes(form))).toEqual([]);
});
