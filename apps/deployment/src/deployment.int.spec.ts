import { createHash } from 'node:crypto';
import { upcasters } from '@kontor/domain/contexts';
import {
  deployment,
  type DeploymentCommand,
  type DeploymentEvent,
  endpoint,
  endpointStream,
  revisionOfBucket,
  type RouteEntry,
  routeEntry,
  splitBucket,
} from '@kontor/domain/deployment';
import { manifestDigestOf } from '@kontor/domain/registry';
import type { InferenceRecord } from '@kontor/domain/monitoring';
import { type AppendResult, fold, isRejected, type NewEvent, type RecordedEvent } from '@kontor/event-sourcing';
import {
  createEventStore,
  createPool,
  LOGIN_ROLES,
  type PostgresEventStore,
  prepareDatabase,
} from '@kontor/event-store';
import { ensureStreams, ROUTES_BUCKET } from '@kontor/messaging';
import { eventually, testDatabase, type TestDatabase, testNats, type TestNats, uuidv7 } from '@kontor/testing';
import { type KV, Kvm } from '@nats-io/kv';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SendCommand } from './rollout-measurement.js';
import { startTraffic } from './traffic.js';

// The whole way of a rollout on a real log and a real JetStream: gate, load, route, traffic, analysis, end.

const PASSWORDS = Object.fromEntries(LOGIN_ROLES.map((role) => [role, 'kontor-test']));
const sha256 = (text: string): Uint8Array => createHash('sha256').update(text).digest();
const hex = (digit: number): string => `sha256:${String(digit).repeat(64)}`;
const files = (n: number) => [{ path: 'model.onnx', sizeBytes: 1000, digest: hex(n + 3) }];
const version = (n: number) => ({ modelName: 'credit', version: n, manifestDigest: manifestDigestOf(files(n)) });
const servable = (n: number) => ({
  flavor: 'onnx' as const,
  digest: hex(n + 3),
  sizeBytes: 1000,
  goldenDigest: null,
});
const subjectOf = (n: number) => `default/governance/subject/${version(n).manifestDigest.slice(7)}`;
const POLICY = { policyId: 'production-low', version: 1, digest: hex(9) };
const POLICY_STREAM = `default/governance/policy/${POLICY.policyId}`;
const stream = endpointStream('default', 'credit');
const failures: string[] = [];

let database: TestDatabase;
let server: TestNats;
let pool: pg.Pool;
let nats: NatsConnection;
let routes: KV;
let store: PostgresEventStore;
let governance: PostgresEventStore;
let traffic: ReturnType<typeof startTraffic>;

const newEvent = (type: string, data: unknown): NewEvent => ({
  eventId: uuidv7(),
  type,
  schemaVersion: 1,
  data,
  meta: { correlationId: uuidv7(), actorKind: 'person' },
});

const streamEvents = async (): Promise<RecordedEvent[]> => {
  const events: RecordedEvent[] = [];
  for await (const event of store.readStream(stream)) events.push(event);
  return events;
};

/** What the service's dispatcher does: validate, fold, decide, append with the route's guards. */
const dispatch = async (
  type: DeploymentCommand['type'],
  data: unknown,
  actor: DeploymentCommand['metadata']['actor'] = { id: 'ada', kind: 'person', roles: [] },
): Promise<string> => {
  const command = {
    type,
    data: deployment.commands[type]?.parse(data),
    metadata: {
      commandId: uuidv7(),
      workspace: 'default',
      actor,
      now: new Date().toISOString(),
      correlationId: uuidv7(),
    },
  } as DeploymentCommand;
  const past = await streamEvents();
  const decision = endpoint.decide(command, fold(endpoint, past as unknown as DeploymentEvent[]));
  if (isRejected(decision)) return decision.rejection.code;
  if (decision.length === 0) return 'nothing';
  const result: AppendResult = await store.append({
    commandId: command.metadata.commandId,
    requestHash: sha256(JSON.stringify(data)),
    actor: actor.id,
    writes: [
      {
        stream,
        expected: past.length === 0 ? 'none' : BigInt(past.length),
        events: decision.map((event) => newEvent(event.type, event.data)),
      },
    ],
    guards: deployment.routes[type]?.guards?.(command) ?? [],
  });
  return result.outcome;
};

const OWN = { id: 'service:deployment', kind: 'service', roles: [] } as const;
const send: SendCommand = async (_, type, data) => void (await dispatch(type, data, OWN));

const start = () =>
  startTraffic({
    pool,
    nats,
    send,
    onMalformed: (subject, problem) => failures.push(`${subject}: ${problem}`),
    onFailure: (part, error) => failures.push(`${part}: ${String(error)}`),
  });

/** Something that governance has recorded. */
const govern = (of: string, type: string, data: unknown) =>
  governance.append({
    commandId: uuidv7(),
    requestHash: sha256(JSON.stringify(data)),
    actor: 'eve',
    writes: [{ stream: of, expected: 'any', events: [newEvent(type, data)] }],
  });

/** Governance decides, and the reaction of this context answers. */
const passGate = async (rolloutId: string, n: number): Promise<string> => {
  const gate = {
    gateId: uuidv7(),
    rolloutId,
    endpoint: 'credit',
    environment: 'production',
    subject: version(n),
    outcome: 'PASS',
    policy: POLICY,
    at: new Date().toISOString(),
    rules: [],
    restsOn: [{ stream: POLICY_STREAM, version: '1' }],
  };
  await govern(subjectOf(n), 'GateEvaluated', gate);
  let evaluated: RecordedEvent | undefined;
  for await (const event of store.readStream(subjectOf(n))) evaluated = event;
  const [command] = evaluated ? deployment.reactions.react(evaluated) : [];
  return command ? dispatch('StartRollout', command.data, OWN) : 'no reaction';
};

const requestRollout = (rolloutId: string, n: number, steps: readonly number[]) =>
  dispatch('RequestRollout', {
    rolloutId,
    endpoint: 'credit',
    version: version(n),
    servable: servable(n),
    files: files(n),
    strategy: { steps: steps.map((weightBps) => ({ weightBps, minRows: 50, minDurationMs: 0 })) },
  });

const report = async (n: number) => {
  const revision = await eventually(async () => (await route())?.revisions.find((one) => one.version.version === n));
  return dispatch(
    'ReportRevisionState',
    {
      endpoint: 'credit',
      revisionId: revision.revisionId,
      state: 'loaded',
      digest: servable(n).digest,
      goldenRows: 0,
      goldenMaxDifference: null,
      loadMs: 5,
    },
    { id: 'service:serving', kind: 'service', roles: [] },
  );
};

const route = async (): Promise<RouteEntry | undefined> => {
  const entry = await routes.get('default.credit');
  return entry ? routeEntry.parse(entry.json()) : undefined;
};
const shares = async () => (await route())?.revisions.map((one) => [one.version.version, one.weightBps]);

/** What a front does: route by hash, answer, say so. `fails` are the versions that answer 500. */
const serve = async (requests: number, fails: readonly number[] = []): Promise<void> => {
  const entry = await eventually(route);
  const records: InferenceRecord[] = [];
  for (let i = 0; i < requests; i += 1) {
    const predictionId = uuidv7();
    const target = revisionOfBucket(entry.revisions, splitBucket(sha256, entry.salt, predictionId));
    if (!target) continue;
    const failed = fails.includes(target.version.version);
    records.push({
      predictionId,
      workspace: 'default',
      endpoint: 'credit',
      revisionId: target.revisionId,
      modelName: 'credit',
      version: target.version.version,
      eventTimeMs: Date.now(),
      rows: 1,
      errorStatus: failed ? 500 : 0,
      latencyMs: 2,
      nonFiniteOutputs: 0,
      features: {},
      scores: failed ? [] : [(i % 10) / 10],
    });
  }
  nats.publish('kontor.infer.default.credit', JSON.stringify(records));
  await nats.flush();
};

/** Traffic as long as it takes. */
const serveUntil = (wanted: string, fails: readonly number[] = []) =>
  eventually(async () => {
    await serve(200, fails);
    return (await streamEvents()).some(({ type }) => type === wanted);
  });

beforeAll(async () => {
  [database, server] = await Promise.all([testDatabase(), testNats()]);
  const name = new URL(database.url).pathname.slice(1);
  const options = { adminUrl: database.url, database: name, passwords: PASSWORDS, origin: 'kontor.example/log/0' };
  const { urlFor } = await prepareDatabase(options);
  pool = createPool({ connectionString: urlFor('kontor_deployment') });
  store = createEventStore(pool, { upcasters });
  governance = createEventStore({ connectionString: urlFor('kontor_governance') }, { upcasters });
  const address = new URL(server.url);
  nats = await connect({ servers: address.host, user: address.username, pass: decodeURIComponent(address.password) });
  await ensureStreams(nats, { origin: 'kontor.example/log/0', base: 0n });
  routes = await new Kvm(nats).open(ROUTES_BUCKET);
  await govern(POLICY_STREAM, 'PolicyActivated', POLICY);
  traffic = start();
});

afterAll(async () => {
  await traffic.stop();
  await governance.close();
  await store.close();
  await pool.end();
  await nats.close();
  await server.stop();
  await database.drop();
});

describe('a rollout', () => {
  it('goes from a passed gate over a first revision and a measured canary to all traffic', async () => {
    const [first, second] = [uuidv7(), uuidv7()];
    expect(await dispatch('CreateEndpoint', { endpoint: 'credit', environment: 'production', description: '' })).toBe(
      'appended',
    );
    expect(await requestRollout(first, 1, [10_000])).toBe('appended');
    expect(await passGate(first, 1)).toBe('appended');
    expect(await report(1)).toBe('appended');
    await eventually(async () => (await shares())?.join() === '1,10000');
    await serveUntil('RolloutPromoted');

    expect(await requestRollout(second, 2, [2000, 5000])).toBe('appended');
    expect(await passGate(second, 2)).toBe('appended');
    expect(await report(2)).toBe('appended');
    await eventually(async () => (await shares())?.join() === '2,2000,1,8000');
    await eventually(async () => {
      await serve(200);
      return (await streamEvents()).filter(({ type }) => type === 'RolloutPromoted').length === 2;
    });
    await eventually(async () => (await shares())?.join() === '2,10000,1,0');
    expect(failures).toEqual([]);
  });

  it('whose canary fails gives its traffic back to stable', async () => {
    const third = uuidv7();
    expect(await requestRollout(third, 3, [2000])).toBe('appended');
    expect(await passGate(third, 3)).toBe('appended');
    expect(await report(3)).toBe('appended');
    await eventually(async () => (await shares())?.join() === '3,2000,2,8000,1,0');
    const from = performance.now();
    await serve(200, [3]);
    await serveUntil('RolloutAborted', [3]);
    await eventually(async () => (await shares())?.[0]?.join() === '2,10000');
    process.stdout.write(`failing canary to stable in ${Math.round(performance.now() - from)} ms\n`);
    expect((await streamEvents()).slice(-3).map(({ type }) => type)).toEqual([
      'AnalysisMeasured',
      'RolloutAborted',
      'WeightSet',
    ]);
  });

  it('goes on after a restart of the controller, from the traffic since its step began', async () => {
    const fourth = uuidv7();
    await requestRollout(fourth, 4, [2000]);
    await passGate(fourth, 4);
    await report(4);
    await eventually(async () => (await shares())?.join() === '4,2000,2,8000,1,0');
    await traffic.stop();
    // Nobody measures while this traffic passes; the next controller reads it from the stream.
    await serve(1000);
    traffic = start();
    const promoted = await eventually(async () =>
      (await streamEvents()).find(
        ({ type, data }) => type === 'RolloutPromoted' && (data as { rolloutId: string }).rolloutId === fourth,
      ),
    );
    expect(promoted.data).toMatchObject({ version: version(4) });
  });

  it('is refused when its gate decision is no longer the newest fact about the version', async () => {
    const fifth = uuidv7();
    await requestRollout(fifth, 5, [2000]);
    const gate = {
      gateId: uuidv7(),
      rolloutId: fifth,
      endpoint: 'credit',
      environment: 'production',
      subject: version(5),
      outcome: 'PASS',
      policy: POLICY,
      at: new Date().toISOString(),
    };
    // An approval was revoked after the decision.
    for (const reason of ['decided', 'revoked']) await govern(subjectOf(5), 'ApprovalRevoked', { reason });
    const data = {
      rolloutId: fifth,
      endpoint: 'credit',
      gate: {
        ...gate,
        restsOn: [
          { stream: subjectOf(5), version: '1' },
          { stream: POLICY_STREAM, version: '1' },
        ],
      },
    };
    expect(await dispatch('StartRollout', data, OWN)).toBe('guard');
  });
});

describe('the routes', () => {
  it('are written again from the log when the bucket was emptied', async () => {
    // The publisher may still be behind the last event of the specs above.
    const before = await eventually(async () => {
      const present = await route();
      return present?.streamVersion === (await streamEvents()).length && present;
    });
    await traffic.stop();
    await routes.purge('default.credit');
    expect((await routes.get('default.credit'))?.operation).not.toBe('PUT');
    traffic = start();
    await eventually(async () => (await routes.get('default.credit'))?.operation === 'PUT');
    expect(await route()).toEqual(before);
  });

  it('never go back to an older version of the stream', async () => {
    const present = await eventually(route);
    const newer = { ...present, streamVersion: present.streamVersion + 1000 };
    await traffic.stop();
    await routes.put('default.credit', JSON.stringify(newer));
    traffic = start();
    expect(await dispatch('SuspendEndpoint', { endpoint: 'credit', reason: 'incident' })).toBe('appended');
    // A second endpoint's route shows that the publisher has read past the suspension.
    const other = deployment.events['EndpointCreated']?.parse({
      endpoint: 'other',
      environment: 'staging',
      description: '',
    });
    await store.append({
      commandId: uuidv7(),
      requestHash: sha256('other'),
      actor: 'ada',
      writes: [
        { stream: endpointStream('default', 'other'), expected: 'none', events: [newEvent('EndpointCreated', other)] },
      ],
    });
    await eventually(async () => (await routes.get('default.other'))?.operation === 'PUT');
    expect((await route())?.streamVersion).toBe(newer.streamVersion);
  });
});
