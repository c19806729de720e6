import { openArtifacts } from '@kontor/artifact-store';
import { type InferenceRecord, type LabelRecord, monitoring, type MonitoringEvent } from '@kontor/domain/monitoring';
import { fold, isRejected, newestVersion, type RecordedEvent } from '@kontor/event-sourcing';
import {
  createEventStore,
  createPool,
  LOGIN_ROLES,
  type PostgresEventStore,
  prepareDatabase,
} from '@kontor/event-store';
import { connectNats, ensureStreams, TELEMETRY_STREAM } from '@kontor/messaging';
import { eventually, prng, testDatabase, type TestDatabase, testNats, type TestNats, uuidv7 } from '@kontor/testing';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
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
const LOG = { origin: 'kontor.example/log/0', base: 0n };

const measure = (value: number) => ({ value, n: 10_000, low: value, high: value, reason: null });

let database: TestDatabase;
let nats: TestNats;
let pool: pg.Pool;
let store: PostgresEventStore;
let connection: NatsConnection;
let pipeline: Awaited<ReturnType<typeof startPipeline>>;
const failures: unknown[] = [];
/** Start of a window whose close is appended and then fails, as if the worker had died before it noted the answer. */
let crashAt: string | undefined;

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

const record = (day: number, factor = 1, count = ROWS): InferenceRecord => {
  const rows = people(count);
  return {
    predictionId: uuidv7(),
    workspace: 'default',
    endpoint: 'employment',
    revisionId: 'r1',
    modelName: 'employment',
    version: 1,
    eventTimeMs: START_MS + day * DAY_MS + 1000,
    rows: count,
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
  store = createEventStore(pool, { upcasters });
  connection = await connectNats(nats.url, 'spec');
  await ensureStreams(connection, LOG);

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
    performance: { accuracy: measure(0.9), logLoss: measure(0.4), rocAuc: measure(0.9) },
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
  pipeline = await start();
});

const start = async () =>
  startPipeline({
    pool,
    nats: connection,
    dispatch: async (workspace, type, data) => {
      const answer = await dispatchAs('service')(workspace, type, data);
      const { window } = data as { window?: { start: string } };
      if (window === undefined || window.start !== crashAt) return answer;
      crashAt = undefined;
      throw new Error(`crash after ${type}`);
    },
    // The worker finds no data set, fails the baseline, and is told that it was answered already.
    artifacts: await openArtifacts({ kind: 'disk', directory: '/nonexistent' }),
    servingUrl: 'http://127.0.0.1:1',
    token: async () => '',
    onFailure: (_, error) => failures.push(error),
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
  const [closed] = await eventually(async () => {
    expect(failures).toEqual([]);
    const windows = await eventsOf('WindowClosed');
    return windows.length > 0 && windows;
  });
  expect(closed).toMatchObject({ rows: ROWS, labels: ROWS, performance: { accuracy: { value: 0.9, n: ROWS } } });
  expect(closed?.fairness).toHaveLength(4);
  expect((await pool.query('SELECT seq FROM monitoring.parked_message')).rowCount).toBe(1);

  await send('label', labelsFor(first, 200, 2));
  await send('label', labelsFor(first, 300, 1));
  const revised = await eventually(async () => (await eventsOf('WindowRevised')).at(-1));
  expect(revised).toMatchObject({ revision: 1, labels: ROWS, performance: { accuracy: { value: 0.8 } } });
});

it('revises a closed window when rows of it come late, and alerts nobody', async () => {
  const revisions = (await eventsOf('WindowRevised')).length;
  await send('infer', [record(0, 12)]);
  const revised = await eventually(async () => {
    const all = await eventsOf('WindowRevised');
    return all.length > revisions && all.at(-1);
  });
  const start = new Date(START_MS).toISOString();
  expect(revised).toMatchObject({ window: { start }, revision: revisions + 1, rows: 2 * ROWS, labels: ROWS });
  expect(await eventsOf('AlertRaised')).toEqual([]);
});

it('alerts both owners of a changed unit within one window, resolves, and is silent otherwise', async () => {
  for (let day = 2; day < 30; day += 1) await send('infer', [record(day, day === 20 ? 12 : 1)]);
  await eventually(async () => (await eventsOf('WindowClosed')).length === 29);
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

/** The day after those that were used; the next one closes it. */
let today = 30;
const startOf = (day: number) => new Date(START_MS + day * DAY_MS).toISOString();

/** Sends a day and the beginning of the next, and waits until the day is closed. */
const closeDay = async (records: readonly InferenceRecord[]) => {
  const day = today;
  today += 2;
  for (const one of records) await send('infer', [one]);
  await send('infer', [record(day + 1)]);
  const isOfDay = ({ window }: { window: { start: string } }) => window.start === startOf(day);
  const closed = await eventually(async () => (await eventsOf('WindowClosed')).find(isOfDay));
  return {
    closed,
    changes: (await eventsOf('DataSourceChanged')).filter(isOfDay),
    alerts: (await eventsOf('AlertRaised')).filter(isOfDay),
  };
};

/** Columns of a normal day that are changed value by value. */
const changed = (feature: string, change: (value: Value, row: number) => Value): InferenceRecord => {
  const own = record(today);
  return { ...own, features: { ...own.features, [feature]: (own.features[feature] ?? []).map(change) } };
};
type Value = InferenceRecord['features'][string][number];

const withoutAge = (): InferenceRecord => {
  const { AGEP: _, ...features } = record(today).features;
  return { ...record(today), features };
};

const refused = (): InferenceRecord => ({
  ...record(today),
  rows: 0,
  errorStatus: 400,
  features: {},
  scores: [],
  refusal: { code: 'MISSING_INPUT', input: 'AGEP' },
});

const owners = [
  { role: 'businessOwner', actor: 'berta' },
  { role: 'dataOwner', actor: 'dora' },
];

it.each<readonly [string, string, string, () => InferenceRecord[]]>([
  [
    'a default value that floods a feature',
    'defaultFlood',
    'AGEP is -9999 in 40.0 % of 1000 rows instead of 0.0 %',
    () => [changed('AGEP', (value, row) => (row % 5 < 2 ? -9999 : value))],
  ],
  [
    'values that are missing',
    'missing',
    'AGEP is missing in 50.0 % of 1000 rows instead of 0.0 %',
    () => [changed('AGEP', (value, row) => (row % 2 === 0 ? null : value))],
  ],
  ['a feature that is absent from all requests', 'schema', 'AGEP is absent from all 1000 rows', () => [withoutAge()]],
  [
    'a feature that is absent from half of the requests',
    'schema',
    'AGEP is absent from 1000 of 2000 rows',
    () => [record(today), withoutAge()],
  ],
  [
    'a feature of another datatype',
    'schema',
    'AGEP has another type than in the reference in 50.0 % of 1000 rows',
    () => [changed('AGEP', (value, row) => (row % 2 === 0 ? `${value} years` : value))],
  ],
  [
    'new categories in bulk',
    'unseen',
    'SEX has values that the reference never had in 30.0 % of 1000 rows',
    () => [changed('SEX', (value, row) => (row % 10 < 3 ? 9 : value))],
  ],
  [
    'a column that is new',
    'schema',
    'AGE is a column that the reference does not have, in 1000 of 1000 rows',
    () => {
      const own = record(today);
      return [{ ...own, features: { ...own.features, AGE: own.features['AGEP'] ?? [] } }];
    },
  ],
  [
    'an input without which serving refused every request',
    'schema',
    'AGEP is absent in 50 of 50 requests, which were refused',
    () => Array.from({ length: 50 }, refused),
  ],
])('alerts both owners of %s, says how, and resolves', async (_, change, sentence, records) => {
  const { changes, alerts } = await closeDay(records());
  expect(changes).toMatchObject([{ change, sentence }]);
  const said = `${sentence}. Affected endpoint: employment.`;
  expect(alerts).toMatchObject([{ kind: 'dataSource', severity: 'critical', notify: owners, sentence: said }]);
  await closeDay([record(today)]);
  const resolved = (await eventsOf('AlertResolved')).map(({ alertId }) => alertId);
  expect(resolved).toContain(alerts[0]?.alertId);
  expect(failures).toEqual([]);
});

it('takes records that lost their columns on their way for rows, not for a changed schema', async () => {
  const { closed, changes } = await closeDay([record(today), { ...record(today), features: {} }]);
  expect(closed).toMatchObject({ rows: 2 * ROWS });
  expect(changes).toEqual([]);
});

it('parks what has no valid shape and counts the rest of its message', async () => {
  const own = record(today);
  const parked = async () => (await pool.query('SELECT seq FROM monitoring.parked_message')).rowCount ?? 0;
  const before = await parked();
  await send('infer', [{ ...record(today), eventTimeMs: 1e300 }, own, { ...record(today), predictionId: 'none' }]);
  const [label, ...rest] = labelsFor(own, 0, 0);
  await send('label', [{ ...label, revision: 2 ** 40 }, ...rest]);
  await jetstream(connection).publish('kontor.label.default.employment', 'no JSON');
  const { closed } = await closeDay([]);
  expect(closed).toMatchObject({ rows: ROWS, labels: ROWS - 1 });
  expect(await parked()).toBe(before + 3);
  expect(failures).toEqual([]);
});

it('alerts when the accuracy of two windows is below the baseline, once their labels are there', async () => {
  const [older, newer] = [record(today, 1, 2000), record(today + 2, 1, 2000)];
  await closeDay([older]);
  await closeDay([newer]);
  const raisedOf = async () => (await eventsOf('AlertRaised')).find(({ kind }) => kind === 'performance');
  expect(await raisedOf()).toBeUndefined();
  await send('label', labelsFor(newer, 400, 0));
  await send('label', labelsFor(older, 400, 0));
  const raised = await eventually(raisedOf);
  expect(raised).toMatchObject({ severity: 'critical', features: [], notify: owners });
  expect(raised.sentence).toMatch(/^Accuracy is 80.0 % of 2000 labelled rows instead of 90.0 % in the baseline/);
  // A correction of the newest labels shows that nothing was wrong with it.
  await send('label', labelsFor(newer, 200, 1));
  const isResolved = async () => (await eventsOf('AlertResolved')).some(({ alertId }) => alertId === raised.alertId);
  await eventually(isResolved);
});

it('alerts when the errors of two windows fall on one group', async () => {
  for (let nth = 0; nth < 2; nth += 1) {
    const own = record(today, 1, 4000);
    const labels = labelsFor(own, 0, 0).map((label, row) => {
      const isWronged = own.features['SEX']?.[row] === 2 && row % 3 === 0;
      return isWronged ? { ...label, value: label.value === 1 ? (0 as const) : (1 as const) } : label;
    });
    await send('label', labels.slice(0, 2000));
    await send('label', labels.slice(2000));
    await closeDay([own]);
  }
  const raised = (await eventsOf('AlertRaised')).find(({ kind }) => kind === 'fairness');
  expect(raised).toMatchObject({ features: ['SEX'], notify: owners });
  expect(raised?.sentence).toMatch(/^The (true|false) positive rate of SEX [12] is \d\d\.\d points above that of SEX/);
});

it('does not mix the score of the model with a feature that is called score', async () => {
  const bins = referenceBins(
    'score',
    people(1000).map(({ AGEP }) => AGEP),
    'auto',
  );
  const id = uuidv7();
  const dataset = { name: 'credit', digest: digest('e'), rows: 1000 };
  const columns = { labelColumn: null, features: ['score'], categoricalFeatures: [] };
  const [person, service] = [dispatchAs('person'), dispatchAs('service')];
  await person('default', 'RequestBaseline', { baselineId: id, endpoint: 'credit', version, dataset, ...columns });
  const pinned = { features: [bins], score: bins, binsHash: binsHashOf([bins]), performance: null };
  await service('default', 'PinBaseline', { baselineId: id, version, dataset, ...pinned });
  await person('default', 'DefineMonitor', {
    monitorId: 'credit',
    endpoint: 'credit',
    baselineId: id,
    windowMs: DAY_MS,
    latenessMs: 0,
    psiThreshold: 0.1,
    persistence: { windows: 1, ofWindows: 1 },
    protectedAttributes: [],
    dataSourceIds: [],
  });
  for (const day of [0, 1]) {
    const { features, ...own } = record(day);
    const credit = { ...own, endpoint: 'credit', features: { score: features['AGEP'] ?? [] } };
    await jetstream(connection).publish('kontor.infer.default.credit', JSON.stringify([credit]));
  }
  const drift = await eventually(async () =>
    (await eventsOf('DriftEvaluated')).find(({ monitorId }) => monitorId === 'credit'),
  );
  expect(drift.features).toMatchObject([{ feature: 'score', n: ROWS, verdict: 'none' }]);
  expect(failures).toEqual([]);
});

it('counts exactly once what comes around a restart and around a crash after an answer', async () => {
  const day = today;
  today += 2;
  const first = record(day);
  await send('infer', [first]);
  await pipeline.stop();
  await send('infer', [first, record(day)]);
  await send('infer', [record(day + 1)]);
  crashAt = startOf(day);
  pipeline = await start();
  await eventually(async () => failures.length > 0);
  // The window was said, and the worker does not know it; a late row must still revise it.
  await send('infer', [record(day)]);
  const isOfDay = ({ window }: { window: { start: string } }) => window.start === startOf(day);
  const revised = await eventually(async () => (await eventsOf('WindowRevised')).find(isOfDay));
  expect((await eventsOf('WindowClosed')).filter(isOfDay)).toMatchObject([{ rows: 2 * ROWS }]);
  expect(revised).toMatchObject({ revision: 1, rows: 3 * ROWS });
  expect(failures.splice(0)).toMatchObject([{ message: 'crash after CloseWindow' }]);
});

it('deletes what is long below the watermark, and counts what comes for it instead of keeping it', async () => {
  const kept = async (): Promise<unknown> => {
    const { rows } = await pool.query(
      `SELECT (SELECT count(*)::int FROM monitoring.inference_row WHERE endpoint = 'employment' AND event_ms < $1) AS rows,
              (SELECT count(*)::int FROM monitoring.refused_request WHERE event_ms < $1) AS refused,
              (SELECT count(*)::int FROM monitoring.window_profile WHERE monitor_id = 'employment' AND start_ms < $1) AS profiles,
              (SELECT count(*)::int FROM monitoring.monitor_window WHERE monitor_id = 'employment' AND start_ms < $1) AS windows,
              (SELECT count(*)::int FROM monitoring.waiting_label) AS labels,
              (SELECT count(*)::int FROM monitoring.parked_message) AS parked`,
      [START_MS + today * DAY_MS],
    );
    return rows[0];
  };
  const dropped = async (what: string): Promise<number> =>
    Number((await pool.query('SELECT n FROM monitoring.dropped WHERE what = $1', [what])).rows[0]?.n ?? 0);
  const nothing = { rows: 0, refused: 0, profiles: 0, windows: 0, labels: 0, parked: 0 };
  const revisions = (await eventsOf('WindowRevised')).length;
  expect(await kept()).toMatchObject({ rows: expect.toSatisfy((rows: number) => rows > 5000) as unknown });
  const old = record(today - 2);
  await pool.query(`UPDATE monitoring.parked_message SET parked_at = parked_at - interval '31 days'`);

  const later = today + 500;
  await send('infer', [record(later)]);
  await eventually(async () => {
    expect(await kept()).toEqual(nothing);
    return true;
  });
  const other = "SELECT FROM monitoring.inference_row WHERE endpoint = 'credit'";
  expect((await pool.query(other)).rowCount).toBe(2 * ROWS);

  await send('infer', [old]);
  await send('label', labelsFor(old, 0, 0));
  await eventually(async () => (await dropped('row')) === ROWS);
  await eventually(async () => ((await kept()) as typeof nothing).labels === ROWS);
  await pool.query(`UPDATE monitoring.waiting_label SET stored_ms = stored_ms - $1`, [8 * DAY_MS]);
  await eventually(async () => (await dropped('label')) === ROWS);
  expect(await kept()).toEqual(nothing);
  expect(await eventsOf('WindowRevised')).toHaveLength(revisions);
  expect(failures).toEqual([]);
  today = later + 1;
});

it('reads a stream that was lost and made again from its first message', async () => {
  await pipeline.stop();
  await (await jetstreamManager(connection)).streams.delete(TELEMETRY_STREAM);
  await ensureStreams(connection, LOG);
  pipeline = await start();
  const { closed } = await closeDay([record(today)]);
  expect(closed).toMatchObject({ rows: ROWS });
  expect(failures).toEqual([]);
});

it('does not close the present because one clock is ahead', async () => {
  const eventTimeMs = Date.now() + 3_600_000;
  const present = { ...record(0), eventTimeMs };
  await send('infer', [{ ...record(0), eventTimeMs: Date.UTC(2999, 0, 1) }]);
  await send('infer', [present]);
  const counted = 'SELECT FROM monitoring.inference_row WHERE prediction_id = $1';
  await eventually(async () => ((await pool.query(counted, [present.predictionId])).rowCount ?? 0) > 0);
  await pipeline.stop();
  const closed = 'SELECT closed FROM monitoring.monitor_window WHERE start_ms = $1';
  const { rows } = await pool.query(closed, [Math.floor(eventTimeMs / DAY_MS) * DAY_MS]);
  expect(rows).toEqual([{ closed: false }]);
});
import { upcasters } from '@kontor/domain/contexts';
