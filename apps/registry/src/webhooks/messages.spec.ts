import { createHmac } from 'node:crypto';
import { type RegistryEvent, WEBHOOK_EVENTS } from '@kontor/domain/registry';
import { describe, expect, it } from 'vitest';
import { EXAMPLES } from './examples.js';
import { bodyOf, LOG_TYPES, messageOf, modelIdIn, webhookEventOf } from './messages.js';
import { signed } from './signature.js';

const modelId = '0'.repeat(32);
const MODEL = { name: 'wm', isPrompt: false };
const PROMPT = { name: 'greet', isPrompt: true };
const recorded = { recordedAt: '2026-11-23T09:42:41.352805Z', workspace: 'default' };

/** The message of an event as JSON; undefined if there is none. */
const told = (event: RegistryEvent, model = MODEL): unknown => {
  const kind = webhookEventOf(event, model);
  if (kind === undefined) return undefined;
  expect(LOG_TYPES[kind]).toBe(event.type);
  expect(modelIdIn(event)).toBe(modelId);
  const { entity, action, data } = JSON.parse(bodyOf(messageOf({ ...event, ...recorded }, kind, model))) as Record<
    string,
    unknown
  >;
  return { [`${String(entity)}.${String(action)}`]: data };
};

const promptTags = [
  { key: 'mlflow.prompt.is_prompt', value: 'true' },
  { key: '_mlflow_prompt_type', value: 'text' },
  { key: 'mlflow.prompt.text', value: 'Hello {{name}}!' },
  { key: 'team', value: 'risk' },
];
const created = (isPrompt: boolean): RegistryEvent => ({
  type: 'RegisteredModelCreated',
  data: { modelId, name: 'any', description: null, tags: promptTags, isPrompt, firstVersion: 1 },
});
const registered: RegistryEvent = {
  type: 'ModelVersionRegistered',
  data: {
    ...{ modelId, name: 'any', version: 3, source: 's3://b/m', storageLocation: 's3://b/m', runId: null },
    ...{ loggedModelId: null, runLink: '', description: '', tags: promptTags, artifacts: null },
    ...{ registeredBy: 'ada', trainedBy: null },
  },
};
const tagged = (target: Extract<RegistryEvent, { type: 'TagSet' }>['data']['target']): RegistryEvent => ({
  type: 'TagSet',
  data: { target, key: 'k', value: 'v', previousValue: null },
});
const untagged = (target: Extract<RegistryEvent, { type: 'TagSet' }>['data']['target']): RegistryEvent => ({
  type: 'TagRemoved',
  data: { target, key: 'k', previousValue: 'v' },
});
const ofModel = { aggregate: 'registered-model', modelId } as const;
const ofVersion = { aggregate: 'model-version', modelId, version: 3 } as const;
const alias = { modelId, name: 'any', version: 3, alias: 'champion' };

describe('the message of an event', () => {
  it('of a model', () => {
    const tags = Object.fromEntries(promptTags.map(({ key, value }) => [key, value]));
    expect(told(created(false))).toEqual({ 'registered_model.created': { name: 'wm', tags, description: '' } });
    expect(told(registered)).toEqual({
      'model_version.created': { name: 'wm', version: '3', source: 's3://b/m', run_id: null, tags, description: null },
    });
    expect(told(tagged(ofVersion))).toEqual({
      'model_version_tag.set': { name: 'wm', version: '3', key: 'k', value: 'v' },
    });
    expect(told(untagged(ofVersion))).toEqual({ 'model_version_tag.deleted': { name: 'wm', version: '3', key: 'k' } });
    expect(told({ type: 'AliasSet', data: { ...alias, previousVersion: 2 } })).toEqual({
      'model_version_alias.created': { name: 'wm', alias: 'champion', version: '3' },
    });
    expect(told({ type: 'AliasRemoved', data: alias })).toEqual({
      'model_version_alias.deleted': { name: 'wm', alias: 'champion' },
    });
  });

  it('of a prompt, without the tags that make it one', () => {
    expect(told(created(true), PROMPT)).toEqual({
      'prompt.created': { name: 'greet', tags: { team: 'risk' }, description: '' },
    });
    expect(told(registered, PROMPT)).toEqual({
      'prompt_version.created': {
        ...{ name: 'greet', version: '3', template: 'Hello {{name}}!', tags: { team: 'risk' }, description: null },
      },
    });
    expect(told(tagged(ofModel), PROMPT)).toEqual({ 'prompt_tag.set': { name: 'greet', key: 'k', value: 'v' } });
    expect(told(untagged(ofModel), PROMPT)).toEqual({ 'prompt_tag.deleted': { name: 'greet', key: 'k' } });
    expect(told(tagged(ofVersion), PROMPT)).toEqual({
      'prompt_version_tag.set': { name: 'greet', version: '3', key: 'k', value: 'v' },
    });
    expect(told(untagged(ofVersion), PROMPT)).toEqual({
      'prompt_version_tag.deleted': { name: 'greet', version: '3', key: 'k' },
    });
    expect(told({ type: 'AliasSet', data: { ...alias, previousVersion: null } }, PROMPT)).toEqual({
      'prompt_alias.created': { name: 'greet', alias: 'champion', version: '3' },
    });
    expect(told({ type: 'AliasRemoved', data: alias }, PROMPT)).toEqual({
      'prompt_alias.deleted': { name: 'greet', alias: 'champion' },
    });
  });

  it('is none for what MLflow tells nobody', () => {
    expect(told(tagged(ofModel))).toBeUndefined();
    expect(told(untagged(ofModel))).toBeUndefined();
    for (const event of [
      tagged({ aggregate: 'run', runId: 'r' }),
      { type: 'RegisteredModelRenamed', data: { modelId, name: 'a', previousName: 'b' } },
      { type: 'ModelVersionDeleted', data: { modelId, name: 'a', version: 1, stage: 'None' } },
    ] as RegistryEvent[]) {
      expect(modelIdIn(event)).toBeUndefined();
      expect(told(event, PROMPT)).toBeUndefined();
    }
  });

  it('has its fields in the order and the bytes of MLflow', () => {
    const event: RegistryEvent = {
      type: 'AliasSet',
      data: { ...alias, alias: 'c', version: 1, previousVersion: null },
    };
    expect(bodyOf(messageOf({ ...event, ...recorded }, 'model_version_alias.created', MODEL))).toBe(
      '{"entity": "model_version_alias", "action": "created", "timestamp": "2026-11-23T09:42:41.352805+00:00", ' +
        '"data": {"name": "wm", "alias": "c", "version": "1"}, "workspace": "default"}',
    );
  });
});

it('has an example for every event, with the fields of the real ones', () => {
  expect(Object.keys(EXAMPLES).sort()).toEqual([...WEBHOOK_EVENTS].sort());
  expect(Object.keys(EXAMPLES['model_version.created'] as object)).toEqual(
    Object.keys((told(registered) as Record<string, object>)['model_version.created'] ?? {}),
  );
});

describe('the headers of a message', () => {
  const sent = { deliveryId: '0197a1b2-0000-7000-8000-000000000002', nowMs: 1_764_000_000_999, body: '{"a": "b"}' };

  it('name the delivery and the second of the try', () => {
    expect(signed({ ...sent, secret: undefined })).toEqual({
      'Content-Type': 'application/json',
      'X-MLflow-Delivery-Id': sent.deliveryId,
      'X-MLflow-Timestamp': '1764000000',
    });
  });

  it('sign id, time and body with the secret as it is', () => {
    const signature = createHmac('sha256', Buffer.from('geheim-ü'))
      .update(`${sent.deliveryId}.1764000000.{"a": "b"}`)
      .digest('base64');
    expect(signed({ ...sent, secret: 'geheim-ü' })['X-MLflow-Signature']).toBe(`v1,${signature}`);
  });
});
