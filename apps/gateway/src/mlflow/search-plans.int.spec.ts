// What a page of a search costs must not depend on what lies beside it, nor on how large its experiment is: for each row that it
// shows, PostgreSQL reads some rows that it finds in an index. A plan that reads all of them is right as well, and fast while they
// are few. The statements that a search sends are explained, and the rows that their scans have read are counted.
import { registryEvents } from '@kontor/domain/registry';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestGateway, type TestGateway } from '../gateway.fixture.js';
import type { Entity } from '../graphql/entity.js';
import { latestMetricEntity, modelVersionEntity, runEntity, traceEntity } from '../registry/registry.entities.js';

const PAGE = 20;
/** A page is read, once more where it is chosen among several experiments, with what is joined to each row. */
const MOST_READS = 16 * PAGE;
/** Runs and traces by experiment, and versions by model. */
const SIZES = { 1: 30, 2: 1_000, 3: 30_000 } as const;
const PLACES = Object.keys(SIZES) as unknown as readonly (keyof typeof SIZES)[];

let gateway: TestGateway;

interface Plan {
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly 'Relation Name'?: string;
  readonly Plans?: readonly Plan[];
}

/** Rows of tables that a plan has read. */
const readsOf = ({ 'Relation Name': table, Plans: below = [], ...plan }: Plan): number => {
  const own = table === undefined ? 0 : plan['Actual Rows'] + (plan['Rows Removed by Filter'] ?? 0);
  return below.reduce((sum, one) => sum + readsOf(one), own * plan['Actual Loops']);
};

interface Sent {
  readonly text: string;
  readonly values: readonly unknown[];
}
type Query = (...args: readonly unknown[]) => Promise<{ readonly rows: readonly { 'QUERY PLAN': [{ Plan: Plan }] }[] }>;

/** Asks, and explains the statements that list rows. @returns what the dearest of them read, and how many rows were found. */
const ask = async (path: string, body: object): Promise<{ readonly reads: number; readonly found: number }> => {
  const { pool, lookups } = gateway.server.gateway;
  const sent: Sent[] = [];
  const watched = [pool, lookups].map((one) => ({ one, query: one.query.bind(one) as Query }));
  for (const { one, query } of watched) {
    const noted: Query = (first, ...more) => {
      const statement = typeof first === 'string' ? { text: first, values: more[0] as unknown[] } : (first as Sent);
      if (statement.text.startsWith('SELECT body')) sent.push(statement);
      return query(first, ...more);
    };
    Object.assign(one, { query: noted });
  }
  try {
    const asked = path.startsWith('model-versions')
      ? [`${path}?${new URLSearchParams(body as Record<string, string>).toString()}`, {}]
      : [path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }];
    const [target, options] = asked as [string, RequestInit];
    const response = await fetch(
      `${gateway.server.url}/api/${target.startsWith('traces') ? 3 : 2}.0/mlflow/${target}`,
      options,
    );
    const answer = (await response.json()) as Readonly<Record<string, readonly unknown[]>>;
    expect(response.status, JSON.stringify(answer)).toBe(200);
    let reads = 0;
    for (const { text, values } of sent) {
      const { rows } = (await watched[0]?.query(`EXPLAIN (ANALYZE, FORMAT JSON) ${text}`, values)) ?? { rows: [] };
      for (const { 'QUERY PLAN': plans } of rows) reads = Math.max(reads, readsOf(plans[0].Plan));
    }
    return { reads, found: (answer['runs'] ?? answer['model_versions'] ?? answer['traces'] ?? []).length };
  } finally {
    for (const { one, query } of watched) Object.assign(one, { query });
  }
};

const NONE = { isNaN: false, loggedModelId: null, datasetName: null, datasetDigest: null, timestampMs: 1, step: 0 };
const modelIdOf = (place: number): string => `${place}`.repeat(32);

/** One of each kind in each place, by events. */
const begin = async (): Promise<void> => {
  const append = (stream: string, type: keyof typeof registryEvents, data: object) =>
    gateway.append(`default/registry/${stream}`, type, registryEvents[type].parse(data));
  const bare = { artifactUri: 's3://files', tags: [] };
  for (const place of PLACES) {
    const [experimentId, modelId] = [`${place}`, modelIdOf(place)];
    await append(`experiment/${place}`, 'ExperimentCreated', {
      ...{ experimentId, name: `e${place}`, artifactLocation: 's3://files', tags: [] },
    });
    const runId = `r${place}`;
    await append(`run/${runId}`, 'RunStarted', { ...bare, runId, experimentId, name: 'r', userId: '', startTimeMs: 0 });
    const metrics = ['accuracy', 'loss'].map((key) => ({ ...NONE, key, value: 0 }));
    await append(`run/${runId}`, 'RunDataLogged', { runId, metrics, params: [], tags: [] });
    await append(`trace/t${place}`, 'TraceLogged', {
      ...{ ...bare, traceId: `t${place}`, experimentId, isComplete: true, requestTimeMs: 0, executionDurationMs: 1 },
      ...{ state: 'OK', clientRequestId: null, requestPreview: null, responsePreview: null, metadata: [] },
    });
    const model = { modelId, name: `m${place}` };
    await append(`registered-model/${modelId}`, 'RegisteredModelCreated', {
      ...{ ...model, description: null, tags: [], isPrompt: false, firstVersion: 1 },
    });
    await append(`registered-model/${modelId}`, 'ModelVersionRegistered', {
      ...{
        ...model,
        version: 1,
        source: 's3://files',
        storageLocation: 's3://files',
        runId: null,
        loggedModelId: null,
      },
      ...{ runLink: '', description: '', tags: [], artifacts: null, registeredBy: 'ada', trainedBy: null },
    });
  }
  await gateway.server.gateway.log.wait(await gateway.server.gateway.log.head());
};

/** Copies rows, by SQL: events for tens of thousands would take a minute. `{n}` in what changes is the number of a copy. */
const multiply = async (
  client: pg.Client,
  { projection, columns }: Entity<object>,
  [place, count]: readonly [number, number],
  changed: Readonly<Record<string, string>>,
  where: string,
): Promise<void> => {
  const table = `gateway.${projection.name}_v${projection.version}`;
  const names = ['key', 'workspace', ...Object.keys(columns), 'body', 'valid_from'].map(pg.escapeIdentifier);
  const values = names.map((name) => (changed[name.slice(1, -1)] ?? name).replaceAll('{n}', 'n'));
  await client.query(
    `INSERT INTO ${table} (${names.join(', ')})
     SELECT ${values.join(', ')} FROM ${table} CROSS JOIN generate_series(2, ${count}) AS n WHERE ${where} = '${place}'`,
  );
  await client.query(`ANALYZE ${table}`);
};

beforeAll(async () => {
  gateway = await startTestGateway();
  await begin();
  const client = new pg.Client(gateway.adminUrl);
  await client.connect();
  for (const place of PLACES) {
    const size = [place, SIZES[place]] as const;
    const run = `'default/r${place}-' || n`;
    const ofExperiment = '"experimentId"';
    // From 0 to 1, in no order.
    const value = '(n * 7919::bigint % 100003) / 100003.0';
    await multiply(client, runEntity, size, { key: run, startTimeMs: 'n' }, ofExperiment);
    const measured = { key: `${run} || '/' || metric`, runKey: run, value };
    await multiply(client, latestMetricEntity, size, measured, `metric IS NOT NULL AND ${ofExperiment}`);
    await multiply(client, traceEntity, size, { key: `'default/t${place}-' || n`, requestTimeMs: 'n' }, ofExperiment);
    const version = { key: `'default/${modelIdOf(place)}/' || n`, version: 'n', updatedAt: `'2026-' || n` };
    await multiply(client, modelVersionEntity, size, version, 'left("modelId", 1)');
  }
  await client.end();
});
afterAll(() => gateway.stop());

const EVERYWHERE = PLACES.map(String);
const ordered = { order_by: ['metrics.accuracy DESC'] };
const filtered = { filter: 'metrics.accuracy > 0.2' };
const inExperiments = (ids: readonly string[]) => ({
  locations: ids.map((experiment_id) => ({ type: 'MLFLOW_EXPERIMENT', mlflow_experiment: { experiment_id } })),
});

const PLACES_ASKED = [...EVERYWHERE.map((id) => ({ wanted: [id] })), { wanted: EVERYWHERE }];

describe.each(PLACES_ASKED)('a page of what is in $wanted', ({ wanted }) => {
  it.each([
    ['runs', 'runs/search', { experiment_ids: wanted }],
    ['runs by a metric, in its order', 'runs/search', { experiment_ids: wanted, ...filtered, ...ordered }],
    ['runs in the order of a metric', 'runs/search', { experiment_ids: wanted, ...ordered }],
    ['traces', 'traces/search', inExperiments(wanted)],
    ['traces by state', 'traces/search', { ...inExperiments(wanted), filter: "status = 'OK'" }],
    [
      'versions by name',
      'model-versions/search',
      { filter: wanted.length > 1 ? "name LIKE 'm%'" : `name = 'm${wanted[0]}'` },
    ],
  ])('reads few rows to show %s', async (_, path, body) => {
    const { reads, found } = await ask(path, { ...body, max_results: PAGE });
    expect(found).toBe(PAGE);
    expect(reads).toBeLessThanOrEqual(MOST_READS);
    expect(reads).toBeGreaterThanOrEqual(PAGE);
  });
});

describe('a page of all versions', () => {
  it('reads few rows', async () => {
    const { reads, found } = await ask('model-versions/search', { max_results: PAGE });
    expect(found).toBe(PAGE);
    expect(reads).toBeLessThanOrEqual(MOST_READS);
    expect(reads).toBeGreaterThanOrEqual(PAGE);
  });
});
