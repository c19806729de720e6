import { type InferenceRecord, type LabelRecord, monitoring, type MonitoringEvent } from '@kontor/domain/monitoring';
import { fold, isRejected, newestVersion, type RecordedEvent } from '@kontor/event-sourcing';
import {
  createEventStore,
  createPool,
  LOGIN_ROLES,
  type PostgresEventStore,
  prepareDatabase,
} from '@kontor/event-store';
import { connectNats, ensureStreams } from '@kontor/messaging';
import { eventually, prng, testDatabase, type TestDatabase, testNats, type TestNats, uuidv7 } from '@kontor/testing';
import { jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { referenceBins } from './evaluation.worker.js';
import { startPipeline } from './pipeline.js';
import { binsHashOf } from './profiles.js';
import type { Dispatch } from './windows.js';

const SEED = 4711;
const DAY_MS = 86_400_000;
const START_MS = Date.UTC(2016, 0, 1);
const ROWS = 1000;
const digest = (char: string) => `sha256:${char.repeat(64)}`;
const version = { modelName: 'employment', version: 1, manifestDigest: digest('a') };
const baselineId = uuidv7();

let database: TestDatabase;
let nats: TestNats;
let pool: pg.Pool;
let store: PostgresEventStore;
let connection: NatsConnection;
let pipeline: Awaited<ReturnType<typeof startPipeline>>;
const failures: unknown[] = [];

const collect = async (events: AsyncIterable<RecordedEvent>): Promise<RecordedEvent[]> => {
  const all: RecordedEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
};

/** The dispatcher of the service in short: fold, decide, append. */
const dispatchAs =
  (kind: 'service' | 'person'): Dispatch =>
  async (workspace, type, data) => {
    const route = monitoring.routes[type];
    if (!route) throw new Error(`no route for ${type}`);
    const commandId = uuidv7();
    const metadata = {
      commandId,
      workspace,
      actor: { id: kind, kind, roles: [] },
      now: '2026-06-01T12:00:00.000Z',
      correlationId: commandId,
    };
    const command = { type, data: monitoring.commands[type]?.parse(data), metadata };
    const stream = route.stream(command);
    const past = await collect(store.readStream(stream));
    const decision = route.decider.decide(command, fold(route.decider, past));
    if (isRejected(decision)) return { outcome: 'rejected', code: decision.rejection.code };
    if (decision.length > 0) {
      const meta = { correlationId: commandId, actorKind: kind };
      const events = decision.map((event) => ({
        eventId: uuidv7(),
        type: event.type,
        schemaVersion: newestVersion({}, event.type),
        data: monitoring.events[event.type]?.parse(event.data),
        meta,
      }));
      const writes = [{ stream, expected: 'any' as const, events }];
      await store.append({ commandId, requestHash: new Uint8Array(32), actor: kind, writes });
    }
    return { outcome: 'accepted' };
  };

const eventsOf = async <Type extends MonitoringEvent['type']>(type: Type) =>
  (await collect(store.readAll(0n, { types: [type] }))).map(
    ({ data }) => data as Extract<MonitoringEvent, { type: Type }>['data'],
  );

const uniform = prng(SEED);
const people = (n: number) =>
  Array.from({ length: n }, () => ({
    AGEP: 16 + Math.floor(70 * uniform()),
    SEX: uniform() < 0.5 ? 1 : 2,
    score: uniform(),
  }));

const record = (day: number, factor = 1): InferenceRecord => {
  const rows = people(ROWS);
  return {
    predictionId: uuidv7(),
    workspace: 'default',
    endpoint: 'employment',
    revisionId: 'r1',
    modelName: 'employment',
    version: 1,
    eventTimeMs: START_MS + day * DAY_MS + 1000,
    rows: ROWS,
    errorStatus: 0,
    latencyMs: 1,
    nonFiniteOutputs: 0,
    features: { AGEP: rows.map(({ AGEP }) => AGEP * factor), SEX: rows.map(({ SEX }) => SEX) },
    scores: rows.map(({ score }) => score),
  };
};

/** Labels that agree with the decision in every row but the first `wrong` ones. */
const labelsFor = ({ predictionId, scores }: InferenceRecord, wrong: number, revision: number): LabelRecord[] =>
  scores.map((score, row) => ({
    predictionId,
    workspace: 'default',
    endpoint: 'employment',
    labelName: 'employed',
    row,
    value: score >= 0.5 !== row < wrong ? 1 : 0,
    revision,
    observedAtMs: START_MS,
  }));

const send = (kind: 'infer' | 'label', records: readonly object[]) =>
  jetstream(connection).publish(`kontor.${kind}.default.employment`, JSON.stringify(records));

beforeAll(async () => {
  [database, nats] = await Promise.all([testDatabase(), testNats()]);
  const passwords = Object.fromEntries(LOGIN_ROLES.map((role) => [role, 'kontor-test']));
  const { urlFor } = await prepareDatabase({
    adminUrl: database.url,
    database: new URL(database.url).pathname.slice(1),
    passwords,
    origin: 'kontor.example/log/0',
  });
  pool = createPool({ connectionString: urlFor('kontor_monitoring') });
  store = createEventStore(pool, { upcasters: {} });
  connection = await connectNats(nats.url, 'spec');
  await ensureStreams(connection);

  const person = dispatchAs('person');
  const service = dispatchAs('service');
  const rows = people(10_000);
  const features = [
    referenceBins(
      'AGEP',
      rows.map(({ AGEP }) => AGEP),
      'auto',
    ),
    referenceBins(
      'SEX',
      rows.map(({ SEX }) => SEX),
      'auto',
    ),
  ];
  const score = referenceBins(
    'score',
    rows.map((row) => row.score),
    'numeric',
  );
  const dataset = { name: 'reference', digest: digest('d'), rows: rows.length };
  const asked = { baselineId, endpoint: 'employment', version, dataset };
  const names = { labelColumn: null, features: ['AGEP', 'SEX'], categoricalFeatures: [] };
  await person('default', 'RequestBaseline', { ...asked, ...names });
  const binsHash = binsHashOf([...features, score]);
  await service('default', 'PinBaseline', {
    baselineId,
    version,
    dataset,
    features,
    score,
    binsHash,
    performance: null,
  });
  await person('default', 'RegisterDataSource', {
    dataSourceId: 'census',
    name: 'Census',
    features: ['AGEP', 'SEX'],
    businessOwner: 'berta',
    dataOwner: 'dora',
  });
  await person('default', 'DefineMonitor', {
    monitorId: 'employment',
    endpoint: 'employment',
    baselineId,
    windowMs: DAY_MS,
    latenessMs: 0,
    psiThreshold: 0.1,
    persistence: { windows: 2, ofWindows: 3 },
    protectedAttributes: ['SEX'],
    dataSourceIds: ['census'],
  });
  pipeline = await startPipeline({
    pool,
    nats: connection,
    dispatch: service,
    // The worker finds no data set, fails the baseline, and is told that it was answered already.
    artifactsDir: '/nonexistent',
    servingUrl: 'http://127.0.0.1:1',
    onFailure: (_, error) => failures.push(error),
  });
});

afterAll(async () => {
  await pipeline.stop();
  await connection.close();
  await store.close();
  await pool.end();
  await Promise.all([nats.stop(), database.drop()]);
});

it('counts a record once that was sent twice, takes labels that came before it, and parks a malformed message', async () => {
  const first = record(0);
  await send('label', labelsFor(first, 100, 0));
  await send('infer', [{ not: 'a record' }]);
  await send('infer', [first]);
  await send('infer', [first, first]);
  await send('infer', [record(1)]);
  const [closed] = await eventually(
    async () => {
      expect(failures).toEqual([]);
      const windows = await eventsOf('WindowClosed');
      return windows.length > 0 && windows;
    },
    { timeoutMs: 20_000 },
  );
  expect(closed).toMatchObject({ rows: ROWS, labels: ROWS, performance: { accuracy: { value: 0.9, n: ROWS } } });
  expect(closed?.fairness).toHaveLength(4);
  expect((await pool.query('SELECT seq FROM monitoring.parked_message')).rowCount).toBe(1);

  await send('label', labelsFor(first, 200, 2));
  await send('label', labelsFor(first, 300, 1));
  const revised = await eventually(async () => (await eventsOf('WindowRevised')).at(-1), { timeoutMs: 20_000 });
  expect(revised).toMatchObject({ revision: 1, labels: ROWS, performance: { accuracy: { value: 0.8 } } });
});

it('revises a closed window when rows of it come late, and alerts nobody', async () => {
  const revisions = (await eventsOf('WindowRevised')).length;
  await send('infer', [record(0, 12)]);
  const revised = await eventually(
    async () => {
      const all = await eventsOf('WindowRevised');
      return all.length > revisions && all.at(-1);
    },
    { timeoutMs: 20_000 },
  );
  const start = new Date(START_MS).toISOString();
  expect(revised).toMatchObject({ window: { start }, revision: revisions + 1, rows: 2 * ROWS, labels: ROWS });
  expect(await eventsOf('AlertRaised')).toEqual([]);
});

it('alerts both owners of a changed unit within one window, resolves, and is silent otherwise', async () => {
  for (let day = 2; day < 30; day += 1) await send('infer', [record(day, day === 20 ? 12 : 1)]);
  await eventually(async () => (await eventsOf('WindowClosed')).length === 29, { timeoutMs: 30_000 });
  const [changed, ...otherChanges] = await eventsOf('DataSourceChanged');
  const [raised, ...otherAlerts] = await eventsOf('AlertRaised');
  console.info(`seed ${SEED}: ${raised?.sentence}`);
  expect(otherChanges).toEqual([]);
  expect(otherAlerts).toEqual([]);
  const start = new Date(START_MS + 20 * DAY_MS).toISOString();
  expect(changed).toMatchObject({ feature: 'AGEP', change: 'unit', dataSourceId: 'census', window: { start } });
  expect(raised).toMatchObject({
    severity: 'critical',
    features: ['AGEP'],
    window: { start },
    notify: [
      { role: 'businessOwner', actor: 'berta' },
      { role: 'dataOwner', actor: 'dora' },
    ],
  });
  const next = new Date(START_MS + 21 * DAY_MS).toISOString();
  expect(await eventsOf('AlertResolved')).toMatchObject([{ alertId: raised?.alertId, window: { start: next } }]);
  expect(failures).toEqual([]);
});
