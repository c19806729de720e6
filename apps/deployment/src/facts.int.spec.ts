// A rollout and the deletion of its version, on a real log: whichever comes first, no deleted version gets traffic.
import { upcasters } from '@kontor/domain/contexts';
import { deployment } from '@kontor/domain/deployment';
import { manifestDigestOf } from '@kontor/domain/registry';
import type { Actor, AppendRequest, EventStore } from '@kontor/event-sourcing';
import { plainData } from '@kontor/event-sourcing/testing';
import { createEventStore, LOGIN_ROLES, type PostgresEventStore, prepareDatabase } from '@kontor/event-store';
import { Dispatch, DispatchHandler } from '@kontor/service';
import { testDatabase, type TestDatabase, uuidv7 } from '@kontor/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { deploymentFacts } from './facts.js';

const PASSWORDS = Object.fromEntries(LOGIN_ROLES.map((role) => [role, 'kontor-test']));
const SELF: Actor = { id: 'service:deployment', kind: 'service', roles: [] };
const ADA: Actor = { id: 'ada', kind: 'person', roles: [] };

const digest = `sha256:${'a'.repeat(64)}`;
const files = [{ path: 'model.onnx', sizeBytes: 9, digest }];
const servable = { flavor: 'onnx' as const, digest, sizeBytes: 9, goldenDigest: null };
const version = { modelName: 'fraud', version: 7, manifestDigest: manifestDigestOf(files) };
const policy = { policyId: 'production-low', version: 1, digest };
const subject = `default/governance/subject/${version.manifestDigest.slice('sha256:'.length)}`;
const policyStream = `default/governance/policy/${policy.policyId}`;
const modelId = '7'.repeat(32);
const model = `default/registry/registered-model/${modelId}`;

let database: TestDatabase;
const stores = new Map<string, PostgresEventStore>();
/** Runs once, right before the next append of the deployment service: another writer that comes first. */
let meanwhile: (() => Promise<void>) | undefined;
let handler: DispatchHandler;

const storeOf = (context: string): PostgresEventStore => {
  const store = stores.get(context);
  if (!store) throw new Error(context);
  return store;
};

const record = async (stream: string, type: string, data: object): Promise<void> => {
  const event = { eventId: uuidv7(), type, schemaVersion: 1, data };
  const meta = { correlationId: uuidv7(), actorKind: 'service' as const };
  await storeOf(stream.split('/')[1] ?? '').append({
    commandId: uuidv7(),
    requestHash: new Uint8Array(32),
    actor: 'ada',
    writes: [{ stream, expected: 'any', events: [{ ...event, meta }] }],
  });
};

const send = (type: string, data: object, actor = ADA) => {
  const now = new Date().toISOString();
  const metadata = { commandId: uuidv7(), workspace: 'default', actor, now, correlationId: uuidv7() };
  return handler.execute(new Dispatch({ type, data, wantsEvents: true, metadata }));
};

let endpoints = 0;
/** A rollout whose gate has passed. @returns what the reaction to that sends */
const awaiting = async () => {
  endpoints += 1;
  const endpoint = `scoring-${endpoints}`;
  const rolloutId = uuidv7();
  await send('CreateEndpoint', { endpoint, environment: 'production', description: '' });
  const strategy = { steps: [{ weightBps: 10_000, minRows: 0, minDurationMs: 0 }] };
  await send('RequestRollout', { rolloutId, endpoint, version, modelId, servable, files, strategy });
  const restsOn = [subject, policyStream].map((stream) => ({ stream, version: '1' }));
  const at = new Date().toISOString();
  const gate = { gateId: uuidv7(), rolloutId, endpoint, environment: 'production', subject: version, policy, at };
  return { rolloutId, endpoint, gate: { ...gate, outcome: 'PASS', restsOn } };
};

const typesAfter = async (data: object): Promise<readonly string[]> => {
  const reply = await send('StartRollout', data, SELF);
  if (reply.outcome !== 'accepted') throw new Error(JSON.stringify(reply));
  return (reply.events ?? []).map(({ type }) => type);
};

const ofVersion = { modelId, name: 'fraud', version: 7 };
const remove = () => record(model, 'ModelVersionDeleted', { ...ofVersion, stage: 'None' });
const restore = () => record(model, 'ModelVersionRestored', ofVersion);

beforeAll(async () => {
  database = await testDatabase();
  const prepared = await prepareDatabase({
    adminUrl: database.url,
    database: new URL(database.url).pathname.slice(1),
    passwords: PASSWORDS,
    origin: 'kontor.test/facts',
  });
  for (const context of ['registry', 'deployment', 'governance'])
    stores.set(context, createEventStore({ connectionString: prepared.urlFor(`kontor_${context}`) }, { upcasters }));
  const raced: EventStore = {
    ...storeOf('deployment'),
    append: async (request: AppendRequest) => {
      const first = meanwhile;
      meanwhile = undefined;
      await first?.();
      return storeOf('deployment').append(request);
    },
  };
  const log = { info: () => undefined, error: () => undefined };
  handler = new DispatchHandler(deployment, { store: raced, personal: plainData(), log, facts: deploymentFacts() });
  await record(subject, 'GateEvaluated', {});
  await record(policyStream, 'PolicyActivated', {});
  await record(model, 'AliasProtected', { modelId, name: 'fraud', alias: 'champion' });
});
afterAll(async () => {
  await Promise.all([...stores.values()].map((store) => store.close()));
  await database.drop();
});

it('starts while its version is there, also if something else of the model moves meanwhile', async () => {
  expect(await typesAfter(await awaiting())).toEqual(['RolloutStarted', 'RevisionAdded']);
  const data = await awaiting();
  meanwhile = () => record(model, 'AliasUnprotected', { modelId, name: 'fraud', alias: 'champion' });
  expect(await typesAfter(data)).toEqual(['RolloutStarted', 'RevisionAdded']);
});

it('is refused if its version, or the model, was deleted since it was requested', async () => {
  const data = await awaiting();
  await remove();
  expect(await typesAfter(data)).toEqual(['RolloutRefused']);
  await restore();
  const again = await awaiting();
  await record(model, 'RegisteredModelDeleted', { modelId, name: 'fraud' });
  expect(await typesAfter(again)).toEqual(['RolloutRefused']);
  await record(model, 'RegisteredModelRestored', { modelId, name: 'fraud' });
});

it('loses the race: a deletion between the look and the start is seen', async () => {
  const data = await awaiting();
  meanwhile = remove;
  expect(await typesAfter(data)).toEqual(['RolloutRefused']);
  await restore();
});

it('is refused by its gate as before if what that rests on has moved', async () => {
  const data = await awaiting();
  await record(subject, 'EvidenceRecorded', {});
  expect(await send('StartRollout', data, SELF)).toMatchObject({ outcome: 'rejected', code: 'GUARD_MOVED' });
});
