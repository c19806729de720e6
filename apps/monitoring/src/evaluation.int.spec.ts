import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { openArtifacts } from '@kontor/artifact-store';
import { monitoringCommands } from '@kontor/domain/monitoring';
import { createPool } from '@kontor/event-store';
import { testDatabase, type TestDatabase, uuidv7 } from '@kontor/testing';
import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { performNextTask } from './evaluation.worker.js';
import { migrateMonitoring } from './migrate.js';
import type { Tensor } from './serving.client.js';

const version = { modelName: 'm', version: 1, manifestDigest: `sha256:${'a'.repeat(64)}` };
const other = { modelName: 'm', version: 2, manifestDigest: `sha256:${'b'.repeat(64)}` };
const sent: { type: string; data: unknown }[] = [];
let database: TestDatabase;
let pool: pg.Pool;
let server: Server;
let directory: string;
/** How many requests are answered with 503 before the model is loaded. */
let loading = 2;

/** A model: the probability is the age in hundreds. */
const answer = (inputs: readonly Tensor[]) => {
  const ages = inputs[0]?.data.map(Number) ?? [];
  const data = ages.flatMap((age) => [1 - age / 100, age / 100]);
  return { outputs: [{ name: 'probabilities', shape: [ages.length, 2], datatype: 'FP32', data }] };
};

const store = async (bytes: Buffer): Promise<string> => {
  const hex = createHash('sha256').update(bytes).digest('hex');
  await mkdir(join(directory, 'sha256', hex.slice(0, 2)), { recursive: true });
  await writeFile(join(directory, 'sha256', hex.slice(0, 2), hex), bytes);
  return `sha256:${hex}`;
};

let position = 0;

const perform = async (kind: string, request: unknown): Promise<{ type: string; data: unknown }> => {
  position += 1;
  await pool.query('INSERT INTO monitoring.task VALUES ($1, $2, $3, $4)', [
    position,
    'default',
    kind,
    JSON.stringify(request),
  ]);
  const inputs = [{ name: 'AGEP', shape: [2, 1], datatype: 'FP32', data: [10, 90] }];
  const goldenDigest = await store(Buffer.from(JSON.stringify({ inputs, ...answer(inputs) })));
  const servable = { flavor: 'onnx' as const, digest: version.manifestDigest, sizeBytes: 1, goldenDigest };
  await performNextTask({
    pool,
    dispatch: async (_, type, data) => {
      sent.push({ type, data });
      return { outcome: 'accepted' };
    },
    artifacts: await openArtifacts({ kind: 'disk', directory }),
    servingUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    token: async (workspace) => `token of ${workspace}`,
    routeOf: async (workspace, endpoint) => ({
      workspace,
      endpoint,
      environment: 'staging',
      streamVersion: 1,
      suspended: false,
      salt: 's',
      revisions: [
        { revisionId: 'r1', weightBps: 10_000, version, servable },
        { revisionId: 'r2', weightBps: 0, version: other, servable },
      ],
    }),
    signal: new AbortController().signal,
  });
  const last = sent.at(-1);
  if (!last) throw new Error('nothing was sent');
  return last;
};

beforeAll(async () => {
  database = await testDatabase();
  directory = await mkdtemp(join(tmpdir(), 'kontor-test-'));
  pool = createPool({ connectionString: database.url });
  await pool.query('CREATE SCHEMA monitoring');
  await migrateMonitoring(pool);
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      loading -= 1;
      expect(request.headers.authorization).toBe('Bearer token of default');
      const { inputs } = JSON.parse(Buffer.concat(chunks).toString()) as { inputs: Tensor[] };
      response.writeHead(loading >= 0 ? 503 : 200).end(JSON.stringify(answer(inputs)));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterAll(async () => {
  server.close();
  await pool.end();
  await Promise.all([database.drop(), rm(directory, { recursive: true })]);
});

const lines = Array.from({ length: 1000 }, (_, i) => `${i % 100},${(i % 2) + 1},${i % 100 >= 40 ? 1 : 0}`);
const request = async () => {
  const digest = await store(gzipSync(['AGEP,SEX,employed', ...lines].join('\n')));
  return { endpoint: 'm-staging', version, dataset: { name: 'held out', digest, rows: 1000 }, labelColumn: 'employed' };
};

it('evaluates a data set through the endpoint as soon as the version is loaded', async () => {
  const columns = { features: ['AGEP'], protectedAttributes: ['SEX'], slices: ['SEX'], compareWith: null };
  const { type, data } = await perform('EvaluationRequested', {
    evaluationId: uuidv7(),
    ...(await request()),
    ...columns,
  });
  expect(type).toBe('CompleteEvaluation');
  expect(monitoringCommands.CompleteEvaluation.parse(data)).toMatchObject({
    environment: 'staging',
    performance: { accuracy: { value: 0.9, n: 1000 }, rocAuc: { value: 1 } },
    slices: [
      { slice: 'SEX=1', n: 500 },
      { slice: 'SEX=2', n: 500 },
    ],
    golden: { rows: 2, maxDifference: 0 },
  });
});

it('makes a baseline of the same rows', async () => {
  const columns = { features: ['AGEP', 'SEX'], categoricalFeatures: [] };
  const { data } = await perform('BaselineRequested', { baselineId: uuidv7(), ...(await request()), ...columns });
  const pinned = monitoringCommands.PinBaseline.parse(data);
  expect(pinned.features.map(({ kind, min, max }) => [kind, min, max])).toEqual([
    ['numeric', 0, 99],
    ['categorical', null, null],
  ]);
  expect(pinned.score.kind).toBe('numeric');
});

it('says what the data set lacks', async () => {
  const columns = { features: ['AGEP', 'SCHL'], protectedAttributes: [], slices: [], compareWith: null };
  const { type, data } = await perform('EvaluationRequested', {
    evaluationId: uuidv7(),
    ...(await request()),
    ...columns,
  });
  expect(type).toBe('FailEvaluation');
  expect(data).toMatchObject({ reason: 'the data set held out lacks SCHL; it has AGEP, SEX, employed' });
});

it('measures nothing under the name of other bytes: the number that is asked must be that of the digest', async () => {
  const columns = { features: ['AGEP'], protectedAttributes: [], slices: [], compareWith: null };
  const asked = await request();
  // Serving would answer with version 1, and the evidence would be about the bytes of version 2.
  const swapped = { ...version, manifestDigest: other.manifestDigest };
  const renamed = { ...version, modelName: 'n' };
  for (const lie of [swapped, renamed]) {
    const { type, data } = await perform('EvaluationRequested', {
      evaluationId: uuidv7(),
      ...asked,
      ...columns,
      version: lie,
    });
    expect(type).toBe('FailEvaluation');
    expect(data).toMatchObject({
      reason: `version 1 of the endpoint m-staging is not ${lie.modelName} ${lie.manifestDigest}`,
    });
  }
});

it('makes bins of the numbers that serving will report: 0.1 in 32 bits', async () => {
  const bytes = Buffer.from(['AGEP,RATE', ...lines.map((_, i) => `${i % 100},${i % 2 === 0 ? 0.1 : 0.3}`)].join('\n'));
  const dataset = { name: 'rates', digest: await store(bytes), rows: 1000 };
  const asked = { baselineId: uuidv7(), endpoint: 'm-staging', version, dataset, labelColumn: null };
  const columns = { features: ['AGEP', 'RATE'], categoricalFeatures: [] };
  const { data } = await perform('BaselineRequested', { ...asked, ...columns });
  const [, rate] = monitoringCommands.PinBaseline.parse(data).features;
  expect(rate?.categories).toEqual([String(Math.fround(0.1)), String(Math.fround(0.3))]);
});

it.each([
  ['a member of every object', ['toString'], 'AGEP,SEX\n1,2', 'lacks employed, toString; it has AGEP, SEX'],
  ['a broken gzip file', ['AGEP'], '\x1f\x8bno', 'the data set is no gzip'],
  ['a column that is there twice', ['AGEP'], 'AGEP,AGEP\n1,2', 'the data set has the column "AGEP" twice'],
])('fails an evaluation over %s with its reason, and goes on', async (_, features, text, reason) => {
  const dataset = { name: 'bad', digest: await store(Buffer.from(text, 'latin1')), rows: 1 };
  const asked = { evaluationId: uuidv7(), endpoint: 'm-staging', version, dataset, labelColumn: 'employed' };
  const columns = { features, protectedAttributes: [], slices: [], compareWith: null };
  const { type, data } = await perform('EvaluationRequested', { ...asked, ...columns });
  expect(type).toBe('FailEvaluation');
  expect(monitoringCommands.FailEvaluation.parse(data).reason).toContain(reason);
});
