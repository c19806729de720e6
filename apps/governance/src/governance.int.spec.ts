import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { upcasters } from '@kontor/domain/contexts';
import { deploymentEvents } from '@kontor/domain/deployment';
import {
  defaultPolicies,
  type GovernanceEvent,
  policyStream,
  subjectStream,
  useCaseStream,
} from '@kontor/domain/governance';
import { monitoringEvents } from '@kontor/domain/monitoring';
import { registryEvents } from '@kontor/domain/registry';
import { type Actor, BEGINNING, type Recorded } from '@kontor/event-sourcing';
import {
  createEventStore,
  createPool,
  LOGIN_ROLES,
  type PostgresEventStore,
  prepareDatabase,
  type PreparedDatabase,
  readCheckpoints,
} from '@kontor/event-store';
import { type CommandReply, connectNats, sendCommand } from '@kontor/messaging';
import { createLog, ensureKeyPair, loadPrivateKey, type Running, signAssertion } from '@kontor/service/process';
import { eventually, testDatabase, type TestDatabase, testNats, type TestNats, uuidv7 } from '@kontor/testing';
import type { NatsConnection } from '@nats-io/transport-node';
import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startGovernance } from './governance.service.js';

// One artifact from registration to a passed gate, on a real log and a real JetStream, through the service's own doors.
// The tests are one story and run in this order.

const schemas = { registry: registryEvents, monitoring: monitoringEvents, deployment: deploymentEvents };
const version = { modelName: 'credit', version: 1, manifestDigest: `sha256:${'a'.repeat(64)}` };
const servable = { flavor: 'onnx' as const, digest: `sha256:${'c'.repeat(64)}`, sizeBytes: 9, goldenDigest: null };
const SUBJECT = subjectStream('default', version.manifestDigest);
const person = (id: string, ...roles: string[]): Actor => ({ id, kind: 'person', roles });
const ADA = person('ada', 'validator'); // registered the version
const ROSA = person('rosa', 'validator'); // asks for rollouts
const VERA = person('vera', 'validator');
const OLGA = person('olga', 'risk-officer');
const SIMON = person('simon'); // no role at all

let database: TestDatabase;
let prepared: PreparedDatabase;
let server: TestNats;
let nats: NatsConnection;
let pool: pg.Pool;
let keysDir: string;
let stores: Record<keyof typeof schemas, PostgresEventStore>;
let service: Running;

const start = () =>
  startGovernance({
    config: {
      pgUrl: prepared.urlFor('kontor_governance'),
      natsUrl: server.url,
      keysDir,
      healthPort: 0,
    },
    log: createLog('governance'),
  });

/** Ends the service once all that follows from the log is done, so that each test begins with what the one before left. */
const stop = async (): Promise<void> => {
  await eventually(async () => {
    const waiting = await pool.query('SELECT FROM governance.outbox WHERE done_at IS NULL');
    const [reached] = await readCheckpoints(pool, 'governance', [{ name: 'reactions', version: 1 }]);
    return waiting.rowCount === 0 && reached === (await stores.registry.head());
  });
  await service.stop();
};

/** What another service says, in the form that its own schema allows. */
const append = async (context: keyof typeof schemas, type: string, data: unknown): Promise<void> => {
  const schema = (schemas[context] as Readonly<Record<string, { parse(data: unknown): unknown }>>)[type];
  if (!schema) throw new Error(`${context} has no event ${type}`);
  const event = {
    eventId: uuidv7(),
    type,
    schemaVersion: 1,
    data: schema.parse(data),
    meta: { correlationId: uuidv7(), actorKind: 'service' as const },
  };
  const result = await stores[context].append({
    commandId: uuidv7(),
    requestHash: createHash('sha256').update(event.eventId).digest(),
    actor: `service:${context}`,
    writes: [{ stream: `default/${context}/spec/credit`, expected: 'any', events: [event] }],
  });
  expect(result.outcome).toBe('appended');
};

/** A command as the gateway sends it: signed, over NATS, and once more under the same id while nobody answers. */
const send = async (actor: Actor, type: string, data: unknown): Promise<CommandReply> => {
  const [commandId, correlationId] = [uuidv7(), uuidv7()];
  const metadata = { commandId, workspace: 'default', now: new Date().toISOString(), correlationId };
  const payload = Buffer.from(JSON.stringify({ type, data, metadata }));
  const key = await loadPrivateKey(keysDir, 'gateway');
  return eventually(async () => {
    const assertion = await signAssertion(key, { issuer: 'gateway', actor, workspace: 'default', commandId, payload });
    const reply = await sendCommand(nats, { context: 'governance', type, payload, assertion, correlationId });
    return reply.outcome === 'failed' && reply.code === 'UNAVAILABLE' ? undefined : reply;
  });
};

const events = async (stream: string): Promise<Recorded<GovernanceEvent>[]> => {
  const found: Recorded<GovernanceEvent>[] = [];
  for await (const event of stores.registry.readStream(stream)) found.push(event as Recorded<GovernanceEvent>);
  return found;
};

type Evaluated = Extract<GovernanceEvent, { type: 'GateEvaluated' }>['data'];
const decisions = async (rolloutId: string): Promise<Evaluated[]> =>
  (await events(SUBJECT)).flatMap((event) =>
    event.type === 'GateEvaluated' && event.data.rolloutId === rolloutId ? [event.data] : [],
  );

/** The n-th decision about a rollout, once it is there. */
const decision = (rolloutId: string, n = 1): Promise<Evaluated> =>
  eventually(async () => (await decisions(rolloutId))[n - 1]);

const requestRollout = async (environment: 'staging' | 'production' = 'production'): Promise<string> => {
  const rolloutId = uuidv7();
  await append('deployment', 'RolloutRequested', {
    rolloutId,
    endpoint: 'credit',
    environment,
    revisionId: 'r1',
    version,
    servable,
    strategy: { steps: [{ weightBps: 10_000, minRows: 0, minDurationMs: 0 }] },
    requestedBy: ROSA.id,
  });
  return rolloutId;
};

const approve = (actor: Actor, role: string) =>
  send(actor, 'GiveApproval', {
    approvalId: uuidv7(),
    subject: version,
    environment: 'production',
    role,
    meaning: 'APPROVED',
    comment: '',
    expiresAt: null,
  });

const review = () => ({
  subject: version,
  evidence: [{ evidenceId: uuidv7(), type: 'review', metrics: {} }],
  reviewer: null,
  sourceEventId: null,
});

const failing = ({ rules }: Evaluated): string[] =>
  rules.filter(({ outcome }) => outcome !== 'PASS').map(({ id, outcome }) => `${id} ${outcome}`);

const ofType = async <Type extends GovernanceEvent['type']>(type: Type) => {
  const found: Extract<Recorded<GovernanceEvent>, { type: Type }>[] = [];
  for await (const event of stores.registry.readAll(BEGINNING, { types: [type] })) {
    found.push(event as (typeof found)[number]);
  }
  return found;
};

const activated = async (): Promise<string[]> =>
  (await ofType('PolicyActivated')).map(({ data }) => `${data.policyId} by ${data.by}`);

beforeAll(async () => {
  [database, server, keysDir] = await Promise.all([
    testDatabase(),
    testNats(),
    mkdtemp(join(tmpdir(), 'kontor-test-keys-')),
  ]);
  prepared = await prepareDatabase({
    adminUrl: database.url,
    database: new URL(database.url).pathname.slice(1),
    // Roles belong to the server that all spec files share, so their passwords must not change from file to file.
    passwords: Object.fromEntries(LOGIN_ROLES.map((role) => [role, 'kontor-test'])),
    origin: `kontor.test/${randomBytes(4).toString('hex')}`,
  });
  await ensureKeyPair(keysDir, 'gateway');
  const open = (context: keyof typeof schemas): PostgresEventStore =>
    createEventStore({ connectionString: prepared.urlFor(`kontor_${context}`) }, { upcasters });
  stores = { registry: open('registry'), monitoring: open('monitoring'), deployment: open('deployment') };
  pool = createPool({ connectionString: prepared.urlFor('kontor_governance') });
  service = await start();
  nats = await connectNats(server.url, 'spec');
});

afterAll(async () => {
  await stop();
  await nats.close();
  await pool.end();
  await Promise.all(Object.values(stores).map((store) => store.close()));
  await server.stop();
  await database.drop();
  await rm(keysDir, { recursive: true, force: true });
});

it('has gate tables after its first start, and no more of them after its second', async () => {
  const expected = defaultPolicies.map(({ policyId }) => `${policyId} by service:governance`);
  expect(await activated()).toEqual(expected);
  await stop();
  service = await start();
  expect(await activated()).toEqual(expected);
});

it('lets a person without a role register a use case, and only a risk officer classify it', async () => {
  const useCase = { useCaseId: 'credit', name: 'Credit', purpose: 'Who gets a loan', owner: 'o' };
  expect(
    await send(SIMON, 'RegisterUseCase', { ...useCase, endpoints: ['credit'], modelNames: ['credit'] }),
  ).toMatchObject({ outcome: 'accepted' });
  const answers = {
    ...{ legalTriggers: ['credit'], effect: 3, autonomy: 2, affectedPersons: 3, materiality: 2, irreversibility: 2 },
    ...{ opacity: 1, dataSensitivity: 2, dependents: 0, vendorUnknowns: 0 },
  };
  const classify = (actor: Actor) => send(actor, 'ClassifyUseCase', { useCaseId: 'credit', answers });
  expect(await classify(SIMON)).toMatchObject({ outcome: 'rejected', code: 'ROLE_REQUIRED' });
  expect(await classify(OLGA)).toMatchObject({ outcome: 'accepted' });
  expect((await events(useCaseStream('default', 'credit'))).at(-1)).toMatchObject({
    type: 'RiskTierAssigned',
    data: { tier: 'HIGH', by: 'olga' },
  });
});

it('needs evidence before it passes anything', async () => {
  await append('registry', 'ModelVersionRegistered', {
    modelId: uuidv7(),
    name: 'credit',
    version: 1,
    source: 's',
    storageLocation: 's',
    runId: null,
    loggedModelId: null,
    runLink: '',
    description: '',
    tags: [],
    artifacts: { manifestDigest: version.manifestDigest, files: [], servable },
    registeredBy: ADA.id,
    trainedBy: null,
  });
  const gate = await decision(await requestRollout());
  expect(gate).toMatchObject({ outcome: 'BLOCK', tier: 'HIGH', policy: { policyId: 'production-high', version: 1 } });
  expect(gate.facts).toMatchObject({ authors: ['ada'], requestedBy: 'rosa' });
  expect(failing(gate)).toEqual([
    'EVALUATION NEEDS',
    'FAIRNESS NEEDS',
    'BASELINE NEEDS',
    'GOLDEN NEEDS',
    'APPROVALS BLOCK',
  ]);
});

it('takes its evidence from an evaluation, and still blocks without two approvals', async () => {
  const measure = (value: number) => ({ value, n: 500, low: null, high: null, reason: null });
  const performance = (accuracy: number) => ({
    accuracy: measure(accuracy),
    logLoss: measure(0.4),
    rocAuc: measure(0.9),
  });
  const difference = (metric: string, value: number) => ({
    attribute: 'SEX',
    metric,
    difference: measure(value),
    groups: [],
  });
  await append('monitoring', 'EvaluationCompleted', {
    evaluationId: uuidv7(),
    endpoint: 'credit-staging',
    environment: 'staging',
    version,
    dataset: { name: 'd', digest: version.manifestDigest, rows: 500 },
    performance: performance(0.8),
    slices: [],
    fairness: [difference('demographicParityDifference', 0.1), difference('equalOpportunityDifference', -0.05)],
    golden: { rows: 3, maxDifference: 0 },
    comparedWith: { version, performance: performance(0.75) },
  });
  await eventually(async () => (await events(SUBJECT)).some(({ type }) => type === 'EvidenceRecorded'));
  expect(failing(await decision(await requestRollout()))).toEqual(['APPROVALS BLOCK']);
});

it('refuses an approval by an author, and records that it was tried', async () => {
  expect(await approve(ADA, 'validator')).toMatchObject({ outcome: 'accepted' });
  expect((await events(SUBJECT)).at(-1)).toMatchObject({
    type: 'ApprovalRefused',
    actor: 'ada',
    data: { by: 'ada', reason: 'SELF_APPROVAL' },
  });
  expect(await send(ADA, 'RecordEvidence', review())).toMatchObject({ outcome: 'rejected', code: 'REVIEW_BY_AUTHOR' });
  expect(await send(VERA, 'RecordEvidence', review())).toMatchObject({ outcome: 'accepted' });
});

let rollout: string;

it('passes after two persons with two roles have approved these bytes', async () => {
  expect(await approve(VERA, 'validator')).toMatchObject({ outcome: 'accepted' });
  expect(failing(await decision(await requestRollout()))).toEqual(['APPROVALS BLOCK']);
  expect(await approve(OLGA, 'risk-officer')).toMatchObject({ outcome: 'accepted' });
  rollout = await requestRollout();
  const gate = await decision(rollout);
  expect(gate.outcome).toBe('PASS');
  expect(gate.facts).toMatchObject({
    validApprovals: [
      { actor: 'vera', role: 'validator' },
      { actor: 'olga', role: 'risk-officer' },
    ],
  });
  expect(gate.restsOn).toEqual([
    { stream: 'default/governance/use-case/credit', version: '2' },
    { stream: 'default/governance/policy/production-high', version: '1' },
  ]);
});

it('asks a passed gate again when its policy moves before the rollout has started', async () => {
  const high = defaultPolicies.find(({ policyId }) => policyId === 'production-high');
  const rules = high?.rules.filter(({ id }) => id !== 'BASELINE');
  expect(await send(VERA, 'ActivatePolicy', { ...high, rules })).toMatchObject({ code: 'ROLE_REQUIRED' });
  expect(await send(OLGA, 'ActivatePolicy', { ...high, rules })).toMatchObject({ outcome: 'accepted' });
  expect(await decision(rollout, 2)).toMatchObject({ outcome: 'PASS', policy: { version: 2 } });
  const rechecked = await eventually(async () => (await ofType('GatesRechecked')).at(-1));
  expect(rechecked).toMatchObject({
    data: { moved: 'default/governance/policy/production-high', subjects: [version] },
  });
});

it('is stopped by one person, which ends the open rollout, and is started again by a risk officer only', async () => {
  expect(await send(SIMON, 'SuspendUseCase', { useCaseId: 'credit', reason: 'complaints' })).toMatchObject({
    outcome: 'accepted',
  });
  expect((await events(useCaseStream('default', 'credit'))).at(-1)).toMatchObject({
    type: 'UseCaseSuspended',
    actor: 'simon',
    data: { endpoints: ['credit'], by: 'simon' },
  });
  expect(failing(await decision(rollout, 3))).toEqual(['SUSPENDED BLOCK']);
  const resume = (actor: Actor) => send(actor, 'ResumeUseCase', { useCaseId: 'credit', reason: 'settled' });
  expect(await resume(SIMON)).toMatchObject({ outcome: 'rejected', code: 'ROLE_REQUIRED' });
  expect(await resume(OLGA)).toMatchObject({ outcome: 'accepted' });
});

it('decides nothing about staging, and only once about each rollout in production', async () => {
  const staging = await requestRollout('staging');
  const production = await requestRollout();
  // Reactions are carried out in order: once the later one is decided, the earlier one was left alone.
  expect(await decision(production)).toMatchObject({ outcome: 'PASS' });
  expect(await decisions(staging)).toEqual([]);
  expect(await decisions(rollout)).toHaveLength(3);
});

it('puts its gate tables into force in a workspace that is made, in each only once', async () => {
  const data = { name: 'team-a', description: '', defaultArtifactRoot: null };
  const versions = (policyId: string) => events(policyStream('team-a', policyId));
  for (let times = 0; times < 2; times += 1) {
    await append('registry', 'WorkspaceCreated', data);
    // Reactions are carried out in order, those to the second creation before the gate of a later rollout.
    expect(await decision(await requestRollout())).toMatchObject({ outcome: 'PASS' });
  }
  for (const { policyId, tiers } of defaultPolicies) {
    const [first, ...more] = await versions(policyId);
    expect(first).toMatchObject({
      type: 'PolicyActivated',
      workspace: 'team-a',
      data: { policyId, tiers, version: 1 },
    });
    expect(more).toEqual([]);
  }
});
