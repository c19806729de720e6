import { registry } from '@kontor/domain/registry';
import { ensureKeyPair, loadPrivateKey, signToken, TOKEN_ISSUER } from '@kontor/service/process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestGateway, type TestGateway } from '../gateway.fixture.js';

let gateway: TestGateway;
let bearer: (roles: readonly string[]) => Promise<Record<string, string>>;

beforeAll(async () => {
  gateway = await startTestGateway({ services: [registry] });
  await ensureKeyPair(gateway.keysDir, TOKEN_ISSUER);
  const key = await loadPrivateKey(gateway.keysDir, TOKEN_ISSUER);
  bearer = async (roles) => {
    const person = { actor: { id: 'ada', kind: 'person' as const, roles }, workspace: 'default', ttlMs: 3_600_000 };
    return { authorization: `Bearer ${await signToken(key, TOKEN_ISSUER, person, Date.now())}` };
  };
});
afterAll(() => gateway.stop());

interface Answer {
  readonly status: number;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- answers of many shapes
  readonly body: any;
}

const post = async (path: string, body: object, headers: Record<string, string> = {}): Promise<Answer> => {
  const response = await fetch(`${gateway.server.url}/api/2.0/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
};
const get = async (path: string): Promise<Answer> => {
  const response = await fetch(`${gateway.server.url}/api/2.0/mlflow/${path}`);
  return { status: response.status, body: await response.json() };
};
const head = () => gateway.server.gateway.log.head();

const start = async (source: string) => {
  const { body } = await post('kontor/imports', { source });
  return { import_id: body.import_id as string, started_at: body.started_at as string };
};

const experiment = (id: string, name: string, more: object = {}) => ({
  ...{ experiment_id: id, name, created_at: '2020-01-02T03:04:05.678Z', updated_at: '2020-02-02T00:00:00.000Z' },
  ...more,
});
const runId = (digit: string) => digit.repeat(32);
const startRun = (id: string, experimentId: string, tags: object[] = []) => ({
  type: 'StartRun',
  data: { runId: id, experimentId, name: 'old', userId: 'bob', startTimeMs: 1_577_934_245_678, tags },
  occurred_at: '2020-01-02T03:04:05.678Z',
});
const metrics = (id: string, values: number[]) => ({
  type: 'LogRunData',
  data: {
    ...{ runId: id, params: [], tags: [] },
    metrics: values.map((value, step) => ({
      ...{ key: 'loss', value, isNaN: false, timestampMs: 1_577_934_245_678 + step, step },
      ...{ loggedModelId: null, datasetName: null, datasetDigest: null },
    })),
  },
  occurred_at: '2020-01-02T03:05:00.000Z',
});
const commands = (of: object, ...items: object[][]) =>
  post('kontor/imports/commands', { ...of, items: items.map((all) => ({ commands: all })) });

describe('an import', () => {
  it('keeps ids and times, and is recognised by the log when it comes again', async () => {
    const of = await start('http://first');
    expect(await start('http://first')).toEqual(of);
    expect((await start('http://other')).import_id).not.toBe(of.import_id);
    const experiments = [experiment('77', 'old one', { tags: [{ key: 'team', value: 'risk' }] })];
    const run = runId('a');
    const go = async () => {
      const { body } = await post('kontor/imports/experiments', { ...of, experiments });
      expect(body.experiments).toEqual([{ experiment_id: '77' }]);
      return commands(of, [
        startRun(run, '77'),
        metrics(run, [0.5, 0.25]),
        { type: 'DeleteRun', data: { runId: run } },
      ]);
    };
    const first = await go();
    expect(first).toMatchObject({
      status: 200,
      body: { items: [{ outcomes: [{ events: 1 }, { events: 1 }, { events: 1 }] }] },
    });
    const before = await head();
    expect(await go()).toEqual(first);
    expect(await head()).toBe(before);

    expect((await get('experiments/get?experiment_id=77')).body.experiment).toMatchObject({
      ...{ name: 'old one', creation_time: 1_577_934_245_678, last_update_time: Date.UTC(2020, 1, 2) },
      ...{ artifact_location: 'mlflow-artifacts:/77', tags: [{ key: 'team', value: 'risk' }] },
    });
    expect((await get(`runs/get?run_id=${run}`)).body.run).toMatchObject({
      info: { user_id: 'bob', artifact_uri: `mlflow-artifacts:/77/${run}/artifacts`, lifecycle_stage: 'deleted' },
      data: { metrics: [{ key: 'loss', value: 0.25, step: 1 }] },
    });
    const { data } = await gateway.graphql(
      '{ events(after: "0", first: 100, types: ["RunStarted"]) { messages { ... on Event { actor occurredAt recordedAt correlationId } } } }',
    );
    expect(data.events.messages).toMatchObject([
      { occurredAt: '2020-01-02T03:04:05.678Z', correlationId: of.import_id },
    ]);
    expect(Date.parse(data.events.messages[0].recordedAt)).toBeGreaterThan(Date.UTC(2025));
  });

  it('changes nothing back that was changed here, and takes what has changed there', async () => {
    const of = await start('http://second');
    const run = runId('b');
    const team = (value: string) => [{ key: 'team', value }];
    const update = (value: string) => ({
      type: 'LogRunData',
      data: { runId: run, metrics: [], params: [], tags: team(value) },
      update: true,
    });
    await post('kontor/imports/experiments', { ...of, experiments: [experiment('78', 'second')] });
    const go = (value: string) => commands(of, [startRun(run, '78', team(value)), update(value)]);
    expect((await go('risk')).body.items).toEqual([{ outcomes: [expect.objectContaining({ events: 1 }), {}] }]);
    await post('mlflow/runs/set-tag', { run_id: run, ...team('here')[0] });
    await go('risk');
    const tagOf = async () =>
      (await get(`runs/get?run_id=${run}`)).body.run.data.tags.find(({ key }: { key: string }) => key === 'team').value;
    expect(await tagOf()).toBe('here');
    expect((await go('pricing')).body.items).toEqual([{ outcomes: [{}, expect.objectContaining({ events: 1 })] }]);
    expect(await tagOf()).toBe('pricing');
  });

  it('gives another number to an experiment whose own is taken, and finds it again; a taken name is refused', async () => {
    const { experiment_id: here } = (await post('mlflow/experiments/create', { name: 'native' })).body;
    const of = await start('http://third');
    const all = [experiment(here, 'moved'), experiment('900', 'keeps'), experiment('901', 'native')];
    const { body } = await post('kontor/imports/experiments', { ...of, experiments: all });
    expect(body.experiments).toEqual([
      { experiment_id: '902' },
      { experiment_id: '900' },
      { code: 'NAME_TAKEN', message: 'The name is taken.' },
    ]);
    const renamed = [experiment(here, 'moved again', { updated_at: '2021-01-01T00:00:00.000Z' }), ...all.slice(1)];
    const again = await post('kontor/imports/experiments', { ...of, experiments: renamed });
    expect(again.body.experiments).toEqual(body.experiments);
    expect((await get('experiments/get?experiment_id=902')).body.experiment).toMatchObject({
      ...{ name: 'moved again', last_update_time: Date.UTC(2021, 0, 1) },
    });
  });

  it('takes experiment 0 into the one of the workspace', async () => {
    await post('mlflow/experiments/search', { max_results: 1 });
    const of = await start('http://fourth');
    const experiments = [experiment('0', 'Default', { tags: [{ key: 'from', value: 'there' }] })];
    const { body } = await post('kontor/imports/experiments', { ...of, experiments });
    expect(body.experiments).toEqual([{ experiment_id: '0' }]);
    expect((await get('experiments/get?experiment_id=0')).body.experiment.tags).toEqual([
      { key: 'from', value: 'there' },
    ]);
  });

  it('keeps version numbers with their gaps, and refuses one that was given here', async () => {
    const of = await start('http://fifth');
    const modelId = 'c'.repeat(32);
    const importedFrom = { importId: of.import_id, updatedAt: '2020-03-01T00:00:00.000Z' };
    const create = {
      type: 'CreateRegisteredModel',
      data: { modelId, name: 'credit', description: null, tags: [], isPrompt: false, firstVersion: 1, importedFrom },
      occurred_at: '2020-01-01T00:00:00.000Z',
    };
    const version = (number: number, source = 's3://bucket/model') => ({
      type: 'RegisterModelVersion',
      data: {
        ...{ modelId, version: number, source, runId: null, loggedModelId: null, runLink: '', description: '' },
        ...{ tags: [], importedFrom },
      },
      occurred_at: `2020-01-0${number}T00:00:00.000Z`,
    });
    const stage = {
      type: 'ChangeStage',
      data: { modelId, version: 4, stage: 'Production', archiveExistingVersions: false },
    };
    const alias = { type: 'SetAlias', data: { modelId, alias: 'champion', version: 4 } };
    expect((await commands(of, [create, version(2), version(4), stage, alias])).body.items[0].outcomes).toHaveLength(5);
    const { model_version: newest } = (
      await post('mlflow/model-versions/create', { name: 'credit', source: 's3://bucket/new' })
    ).body;
    expect(newest.version).toBe('5');
    const { model_versions: found } = (await get('model-versions/search')).body;
    expect(found.map(({ version: number }: { version: string }) => number).sort()).toEqual(['2', '4', '5']);
    expect((await get('model-versions/get?name=credit&version=4')).body.model_version).toMatchObject({
      ...{ creation_timestamp: Date.UTC(2020, 0, 4), current_stage: 'Production', source: 's3://bucket/model' },
    });
    expect((await get('model-versions/get?name=credit&version=3')).status).toBe(404);
    // Of version 4 the source says something new; 3 was passed over, and 5 was registered here.
    const stageOf = (number: number) => ({ ...stage, data: { ...stage.data, version: number } });
    const changed = await commands(of, [version(4, 's3://b'), version(3), version(5), stageOf(5)]);
    expect(changed.body.items[0].outcomes).toEqual([
      {},
      { code: 'NUMBER_TAKEN', message: expect.any(String) as string },
      { code: 'NUMBER_TAKEN', message: expect.any(String) as string },
      {},
    ]);
    await post('mlflow/registered-models/create', { name: 'native' });
    const taken = { ...create, data: { ...create.data, modelId: 'd'.repeat(32), name: 'native' } };
    const second = { ...create, data: { ...create.data, modelId: 'e'.repeat(32) } };
    expect((await commands(of, [taken, version(1)], [second])).body.items).toEqual([
      { outcomes: [{ code: 'NAME_TAKEN', message: 'The name is taken.' }, {}] },
      { outcomes: [{ code: 'NAME_TAKEN', message: expect.stringContaining('has versions here') as string }] },
    ]);
  });

  it('gives a version the files of its run, wherever the source had them', async () => {
    const of = await start('http://sixth');
    const run = runId('d');
    await post('kontor/imports/experiments', { ...of, experiments: [experiment('950', 'files')] });
    await commands(of, [startRun(run, '950')]);
    const file = `${gateway.server.url}/api/2.0/mlflow-artifacts/artifacts/950/${run}/artifacts/model/MLmodel`;
    expect((await fetch(file, { method: 'PUT', body: 'x' })).status).toBe(200);
    const modelId = 'f'.repeat(32);
    const importedFrom = { importId: of.import_id, updatedAt: '2020-03-01T00:00:00.000Z' };
    const data = {
      modelId,
      name: 'files',
      description: null,
      tags: [],
      isPrompt: false,
      firstVersion: 1,
      importedFrom,
    };
    const version = (number: number, source: string) => ({
      type: 'RegisterModelVersion',
      data: {
        ...{ modelId, version: number, source, runId: run, loggedModelId: null, runLink: '', description: '' },
        ...{ tags: [], importedFrom },
      },
    });
    const outcomes = await commands(of, [
      { type: 'CreateRegisteredModel', data },
      version(1, `mlflow-artifacts:/1/${run}/artifacts/model`),
      version(2, `/srv/mlruns/1/${run}/artifacts/model`),
      version(3, `runs:/${run}/model`),
      version(4, 'models:/elsewhere/7'),
    ]);
    expect(outcomes.body.items[0].outcomes).toHaveLength(5);
    const here = `mlflow-artifacts:/950/${run}/artifacts/model`;
    const sources = [here, here, `runs:/${run}/model`, 'models:/elsewhere/7'];
    for (const [index, source] of sources.entries()) {
      const query = `name=files&version=${index + 1}`;
      expect((await get(`model-versions/get?${query}`)).body.model_version).toMatchObject({ source, run_id: run });
      const uri = (await get(`model-versions/get-download-uri?${query}`)).body.artifact_uri;
      expect(uri).toBe(index < 3 ? here : source);
    }
    // Its bytes are those of a registered version now.
    expect((await fetch(file, { method: 'PUT', body: 'y' })).status).toBe(409);
  });

  it('says of each command that is refused why, and does the others', async () => {
    const of = await start('http://seventh');
    const run = runId('e');
    await post('kontor/imports/experiments', { ...of, experiments: [experiment('960', 'refused')] });
    const long = {
      ...startRun(runId('9'), '960'),
      data: { ...startRun(runId('9'), '960').data, name: 'x'.repeat(251) },
    };
    const { body } = await commands(
      of,
      [long],
      [{ type: 'UpdateRun', data: { runId: run, status: 'FINISHED', endTimeMs: 1, name: null } }, startRun(run, '960')],
      [
        { ...startRun(run, '960'), data: {} },
        { type: 'DeleteRun', data: { runId: run } },
      ],
      [startRun(runId('8'), '961')],
      [{ ...startRun(runId('7'), '960'), occurred_at: 'yesterday' }],
    );
    expect(body.items).toEqual([
      { outcomes: [{ code: 'INVALID', message: 'name: must have at most 250 characters' }] },
      {
        outcomes: [
          { code: 'RUN_UNKNOWN', message: expect.any(String) as string },
          expect.objectContaining({ events: 1 }),
        ],
      },
      { outcomes: [expect.objectContaining({ code: 'INVALID_PARAMETER_VALUE' }), {}] },
      { outcomes: [{ code: 'RESOURCE_DOES_NOT_EXIST', message: 'No Experiment with id=961 exists' }] },
      { outcomes: [{ code: 'INVALID', message: expect.stringContaining('metadata.occurredAt') as string }] },
    ]);
  });

  it('ends with counts, which are recorded when they change', async () => {
    const of = await start('http://eighth');
    const counts = [{ what: 'runs', at_source: 2, here: 2 }];
    const before = await head();
    for (const _ of [1, 2])
      expect(await post('kontor/imports/complete', { import_id: of.import_id, counts })).toEqual({
        status: 200,
        body: {},
      });
    expect((await head()) - before).toBe(1n);
  });

  it('is for the role admin alone', async () => {
    const of = await start('http://ninth');
    const before = await head();
    for (const [path, body] of [
      ['kontor/imports', { source: 'http://ninth' }],
      ['kontor/imports/experiments', { ...of, experiments: [experiment('970', 'x')] }],
      ['kontor/imports/commands', { ...of, items: [] }],
      ['kontor/imports/complete', { import_id: of.import_id }],
    ] as const) {
      expect(await post(path, body, await bearer(['owner']))).toMatchObject({
        status: 403,
        body: { error_code: 'PERMISSION_DENIED', message: 'Only the role admin may import.' },
      });
    }
    expect(await head()).toBe(before);
    expect((await post('kontor/imports', { source: 'http://ninth' }, await bearer(['admin']))).status).toBe(200);
  });
});
