import { createHash, generateKeyPairSync } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RouteEntry, routeKey } from '@kontor/domain/deployment';
import { inferenceRecord, type InferenceRecord } from '@kontor/domain/monitoring';
import { eventually, testNats, type TestNats } from '@kontor/testing';
import { jetstreamManager } from '@nats-io/jetstream';
import { type KV, Kvm } from '@nats-io/kv';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLog, ensureKeyPair, loadPrivateKey, signToken, TOKEN_ISSUER } from '@kontor/service/process';
import type { ServingConfig } from './config.js';
import { type DataPlane, startDataPlane } from './data-plane.js';

interface OipTensor {
  readonly name: string;
  readonly shape: number[];
  readonly datatype: string;
  readonly data: number[];
}
interface Golden {
  readonly inputs: OipTensor[];
  readonly outputs: OipTensor[];
}
interface Answer {
  readonly id?: string;
  readonly model_version: string;
  readonly parameters: { readonly prediction_id: string };
  readonly outputs: OipTensor[];
}

const models = new URL('../../cli/demo/employment/models/', import.meta.url);
const digestOf = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const closeTo = (actual: readonly number[], expected: readonly number[]): number =>
  Math.max(...expected.map((value, index) => Math.abs(value - (actual[index] ?? Infinity))));

describe('the data plane', () => {
  let nats: TestNats;
  let nc: NatsConnection;
  let bucket: KV;
  let plane: DataPlane;
  let config: ServingConfig;
  let directory: string;
  let golden: Golden;
  const log = createLog('serving');
  const reports: {
    data: { revisionId: string; state: string; goldenRows?: number; goldenMaxDifference?: number; reason?: string };
    metadata: { commandId: string };
  }[] = [];
  const digests: Record<string, string> = {};

  const store = async (bytes: Uint8Array, digest = digestOf(bytes)): Promise<string> => {
    const hex = digest.slice('sha256:'.length);
    await mkdir(join(directory, 'artifacts', 'sha256', hex.slice(0, 2)), { recursive: true });
    await writeFile(join(directory, 'artifacts', 'sha256', hex.slice(0, 2), hex), bytes);
    return digest;
  };
  const revision = (revisionId: string, version: number, weightBps: number, model: string, goldenOf: string) => ({
    revisionId,
    weightBps,
    version: { modelName: 'employment', version, manifestDigest: digests[model] ?? '' },
    servable: {
      flavor: model.startsWith('rules') ? ('decision-table' as const) : ('onnx' as const),
      digest: digests[model] ?? '',
      sizeBytes: 1,
      goldenDigest: digests[goldenOf] ?? null,
    },
  });
  const put = (streamVersion: number, revisions: RouteEntry['revisions'], change: Partial<RouteEntry> = {}) => {
    const entry: RouteEntry = {
      workspace: 'default',
      endpoint: 'employment',
      environment: 'production',
      streamVersion,
      suspended: false,
      salt: 'kontor',
      revisions,
      ...change,
    };
    return bucket.put(routeKey(entry), JSON.stringify(entry));
  };
  const infer = async (body: unknown, path = 'employment', headers: Record<string, string> = {}) => {
    const response = await fetch(`${plane.url}/v2/models/${path}/infer`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    return { status: response.status, headers: response.headers, body: (await response.json()) as Answer };
  };
  const row = (index: number): { inputs: OipTensor[] } => ({
    inputs: golden.inputs.map((input) => ({ ...input, shape: [1, 1], data: [input.data[index] ?? 0] })),
  });
  const records = async (): Promise<InferenceRecord[]> => {
    const manager = await jetstreamManager(nc);
    const { state } = await manager.streams.info('INFER');
    const found: InferenceRecord[] = [];
    for (let seq = state.first_seq; seq <= state.last_seq; seq += 1) {
      const message = await manager.streams.getMessage('INFER', { seq });
      if (message) found.push(...inferenceRecord.array().parse(message.json()));
    }
    return found;
  };

  beforeAll(async () => {
    nats = await testNats();
    directory = await mkdtemp(join(tmpdir(), 'kontor-serving-'));
    config = {
      natsUrl: nats.url,
      dataDir: directory,
      keysDir: join(directory, 'keys'),
      artifacts: { kind: 'disk', directory: join(directory, 'artifacts') },
      host: '127.0.0.1',
      auth: 'open',
      port: 0,
      allowedHosts: [],
      workspace: 'default',
    };
    await mkdir(config.keysDir, { recursive: true });
    const { privateKey } = generateKeyPairSync('ed25519');
    await writeFile(join(config.keysDir, 'serving.pem'), privateKey.export({ format: 'pem', type: 'pkcs8' }));
    const read = (path: string) => readFile(new URL(path, models));
    const onnx = await read('employment-1/model.onnx');
    const goldenBytes = await read('employment-1/golden.json');
    golden = JSON.parse(goldenBytes.toString()) as Golden;
    digests['one'] = await store(onnx);
    digests['golden'] = await store(goldenBytes);
    digests['two'] = await store(await read('employment-2-shuffled/model.onnx'));
    digests['golden two'] = await store(await read('employment-2-shuffled/golden.json'));
    digests['rules'] = await store(await read('employment-rules-1/decision-table.json'));
    digests['golden rules'] = await store(await read('employment-rules-1/golden.json'));
    const flipped = Buffer.from(onnx);
    flipped[1_000] = (flipped[1_000] ?? 0) ^ 1;
    digests['flipped'] = await store(flipped, digestOf(Buffer.from('another file')));
    digests['corrupt'] = await store(Buffer.from('this is no model'));

    const url = new URL(nats.url);
    nc = await connect({
      servers: url.host,
      user: url.username,
      pass: decodeURIComponent(url.password),
      maxReconnectAttempts: -1,
      reconnectTimeWait: 50,
    });
    await (await jetstreamManager(nc)).streams.add({ name: 'INFER', subjects: ['kontor.infer.>', 'kontor.label.>'] });
    bucket = await new Kvm(nc).create('KONTOR_ROUTES');
    nc.subscribe('kontor.cmd.deployment.ReportRevisionState', {
      callback: (_, message) => {
        reports.push(message.json());
        message.respond(JSON.stringify({ outcome: 'accepted', position: '1', version: '1', eventIds: [] }));
      },
    });
    plane = await startDataPlane(config, log);
    await put(1, [revision('r1', 1, 10_000, 'one', 'golden')]);
    await eventually(async () => (await fetch(`${plane.url}/v2/health/ready`)).status === 200);
  });
  afterAll(async () => {
    await plane.close();
    await nc.close();
    await nats.stop();
    await rm(directory, { recursive: true, force: true });
  });

  it('answers the golden rows as Python did, and says so to the deployment service', async () => {
    const { status, body, headers } = await infer({ id: 'mine', inputs: golden.inputs });
    expect(status).toBe(200);
    expect(body).toMatchObject({ id: 'mine', model_version: '1' });
    expect(headers.get('x-kontor-revision')).toBe('r1');
    expect(headers.get('x-kontor-prediction-id')).toBe(body.parameters.prediction_id);
    expect(body.outputs[0]?.data).toEqual(golden.outputs[0]?.data);
    expect(closeTo(body.outputs[1]?.data ?? [], golden.outputs[1]?.data ?? [])).toBeLessThan(1e-5);
    const report = await eventually(() => reports.find(({ data }) => data.revisionId === 'r1'));
    expect(report.data).toMatchObject({ state: 'loaded', goldenRows: 50 });
    expect(report.data.goldenMaxDifference).toBeLessThan(1e-5);
  });

  it('gives 200 concurrent requests their own answers', async () => {
    const answers = await Promise.all(
      Array.from({ length: 200 }, async (_, call) => {
        const index = (call * 7919) % 50;
        const { body } = await infer({ ...row(index), id: String(call) });
        return { call, index, body };
      }),
    );
    for (const { call, index, body } of answers) {
      expect(body.id).toBe(String(call));
      const expected = golden.outputs[1]?.data.slice(2 * index, 2 * index + 2) ?? [];
      expect(closeTo(body.outputs[1]?.data ?? [], expected)).toBeLessThan(1e-5);
    }
    expect(new Set(answers.map(({ body }) => body.parameters.prediction_id)).size).toBe(200);
  });

  it('puts a record of each request on INFER, failed ones too, at its event time', async () => {
    const good = await infer({ ...row(0), parameters: { event_time: '2016-02-01T00:00:00Z' } });
    const bad = await infer('{');
    expect(bad.status).toBe(400);
    expect(bad.headers.get('x-kontor-error-code')).toBe('INVALID_JSON');
    const found = await eventually(async () => {
      const all = await records();
      const ids = [good, bad].map(({ headers }) => headers.get('x-kontor-prediction-id'));
      const both = ids.map((id) => all.find(({ predictionId }) => predictionId === id));
      return both.every((record) => record !== undefined) && both;
    });
    expect(found[0]).toMatchObject({
      eventTimeMs: Date.UTC(2016, 1, 1),
      rows: 1,
      errorStatus: 0,
      endpoint: 'employment',
    });
    expect(found[0]?.features['AGEP']).toEqual([golden.inputs[0]?.data[0]]);
    expect(found[0]?.scores).toHaveLength(1);
    expect(found[1]).toMatchObject({ errorStatus: 400, rows: 0, scores: [] });
  });

  it('refuses a wrong digest, a corrupt file and other golden rows, while the others serve', async () => {
    const stable = revision('r1', 1, 10_000, 'one', 'golden');
    await put(2, [
      revision('bad-digest', 2, 0, 'flipped', 'golden'),
      revision('corrupt', 3, 0, 'corrupt', 'golden'),
      revision('other-golden', 4, 0, 'two', 'golden'),
      revision('table', 5, 0, 'rules', 'golden rules'),
      stable,
    ]);
    const states = await eventually(() => {
      const now = Object.fromEntries(reports.map(({ data }) => [data.revisionId, data]));
      return ['bad-digest', 'corrupt', 'other-golden', 'table'].every((id) => id in now) && now;
    });
    expect(states['bad-digest']).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('has the digest') as string,
    });
    expect(states['corrupt']).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('cannot load') as string,
    });
    expect(states['other-golden']).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('not reproduced') as string,
    });
    expect(states['table']).toMatchObject({ state: 'loaded', goldenRows: 50 });
    expect((await infer(row(0))).status).toBe(200);
    expect((await infer(row(0), 'employment/versions/4')).status).toBe(503);
    expect((await infer(row(0), 'employment/versions/9')).status).toBe(404);
    const table = await infer(row(0), 'employment/versions/5');
    expect(table.body).toMatchObject({ model_version: '5' });
    expect((await fetch(`${plane.url}/v2/health/ready`)).status).toBe(200);
  });

  it('follows routes: a canary gets its keys, an older route is ignored, a suspended endpoint answers 503', async () => {
    await put(3, [revision('r2', 6, 5_000, 'two', 'golden two'), revision('r1', 1, 5_000, 'one', 'golden')]);
    await eventually(() => reports.some(({ data }) => data.revisionId === 'r2'));
    await put(1, []);
    const chosen = await Promise.all(
      Array.from({ length: 40 }, async (_, key) =>
        (await infer(row(0), 'employment', { 'x-kontor-routing-key': `${key}` })).headers.get('x-kontor-revision'),
      ),
    );
    expect(new Set(chosen)).toEqual(new Set(['r1', 'r2']));
    await put(4, [revision('r1', 1, 10_000, 'one', 'golden')], { suspended: true });
    const suspended = await eventually(async () => {
      const answer = await infer(row(0));
      return answer.status === 503 && answer;
    });
    expect(suspended.headers.get('x-kontor-error-code')).toBe('ENDPOINT_SUSPENDED');
    await put(5, [revision('r1', 1, 10_000, 'one', 'golden')]);
    await eventually(async () => (await infer(row(0))).status === 200);
  });

  it.each([
    ['GET', '/v2/models/employment/infer', {}, 405, 'METHOD_NOT_ALLOWED'],
    ['GET', '/v2/models/nobody', {}, 404, 'UNKNOWN_MODEL'],
    ['GET', '/v2/models/..%2f..%2fetc', {}, 404, 'UNKNOWN_MODEL'],
    ['GET', '/v2/models/%zz', {}, 404, 'NOT_FOUND'],
    ['GET', '/v2/models/employment/versions/0', {}, 404, 'UNKNOWN_VERSION'],
    ['GET', '/v1/models', {}, 404, 'NOT_FOUND'],
    ['GET', '/v2', { origin: 'https://example.org' }, 403, 'FOREIGN_ORIGIN'],
    ['POST', '/v2/models/employment/infer', { 'content-type': 'text/plain' }, 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['POST', '/v2/models/employment/infer', { 'content-encoding': 'gzip' }, 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['POST', '/v2/models/employment/infer', { 'inference-header-content-length': '1' }, 501, 'UNSUPPORTED'],
    ['POST', '/v2/models/employment/infer', { 'content-type': 'application/json', big: 'yes' }, 413, 'BODY_TOO_LARGE'],
  ])('answers %s %s with %o by %i %s', async (method, path, headers, status, code) => {
    const body = 'big' in headers ? ' '.repeat(8 * 1024 * 1024 + 1) : '{}';
    const response = await fetch(`${plane.url}${path}`, {
      method,
      headers: headers as Record<string, string>,
      ...(method === 'POST' && { body }),
    });
    expect([response.status, response.headers.get('x-kontor-error-code')]).toEqual([status, code]);
    expect(await response.json()).toEqual({ error: expect.any(String) as string });
  });

  it('leaves the endpoints of other workspaces alone, whatever their names', async () => {
    const before = plane.routes.get('employment');
    await put(99, [], { workspace: 'other' });
    await put(1, [], { endpoint: 'later' });
    await eventually(async () => plane.routes.get('later') !== undefined);
    expect(plane.routes.get('employment')).toBe(before);
  });

  it('with KONTOR_AUTH=token answers those who may ask, and everybody whether it is well', async () => {
    await ensureKeyPair(config.keysDir, TOKEN_ISSUER);
    const key = await loadPrivateKey(config.keysDir, TOKEN_ISSUER);
    const token = (workspace: string, role: string) =>
      signToken(
        key,
        TOKEN_ISSUER,
        { actor: { id: 'ada', kind: 'person', roles: [role] }, workspace, ttlMs: 60_000 },
        Date.now(),
      );
    const closed = await startDataPlane({ ...config, auth: 'token' }, log);
    const ask = async (path: string, authorization?: string, body?: unknown) => {
      const response = await fetch(`${closed.url}${path}`, {
        headers: { 'content-type': 'application/json', ...(authorization !== undefined && { authorization }) },
        ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
      });
      await response.body?.cancel();
      return [response.status, response.headers.get('x-kontor-error-code')];
    };
    try {
      await eventually(async () => (await ask('/v2/health/ready'))[0] === 200);
      expect(await ask('/v2/health/live')).toEqual([200, null]);
      for (const path of [
        '/v2',
        '/metrics',
        '/v2/models/employment',
        '/v2/models/nobody',
        '/v2/models/employment/ready',
      ])
        expect(await ask(path)).toEqual([401, 'UNAUTHENTICATED']);
      const path = '/v2/models/employment/infer';
      expect(await ask(path, undefined, row(0))).toEqual([401, 'UNAUTHENTICATED']);
      expect(await ask(path, 'Bearer a.b.c', row(0))).toEqual([401, 'UNAUTHENTICATED']);
      expect(await ask(path, `Bearer ${await token('other', 'operator')}`, row(0))).toEqual([403, 'FORBIDDEN']);
      expect(await ask(path, `Bearer ${await token('default', 'auditor')}`, row(0))).toEqual([403, 'FORBIDDEN']);
      expect(await ask(path, `Bearer ${await token('default', 'operator')}`, row(0))).toEqual([200, null]);
      expect(await ask('/v2', `Bearer ${await token('default', 'auditor')}`)).toEqual([200, null]);
    } finally {
      await closed.close();
    }
  });

  it('keeps serving when NATS is killed, also after a restart, and delivers the telemetry later', async () => {
    await nats.kill();
    const ids = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => (await infer(row(index))).body.parameters.prediction_id),
    );
    expect(new Set(ids).size).toBe(20);

    const second = await startDataPlane(config, log);
    await eventually(async () => (await fetch(`${second.url}/v2/health/ready`)).status === 200);
    await second.close();

    await nats.restart();
    await eventually(async () => {
      const all = new Set((await records()).map(({ predictionId }) => predictionId));
      return ids.every((id) => all.has(id));
    });
    expect(plane.log.dropped).toEqual({ payload: 0, row: 0 });
  });
});
