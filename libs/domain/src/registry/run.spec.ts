import { deciderSpec, metadata } from '@kontor/event-sourcing/testing';
import { describe, expect, it } from 'vitest';
import type { RegistryEvent } from './events.js';
import { command, file, loggedModelId, modelId, runData } from './fixture.js';
import { run, type RunCommand } from './run.js';

const runId = 'r';
const owner = { aggregate: 'run', runId } as const;
const started: RegistryEvent = { type: 'RunStarted', data: runData };
const deleted: RegistryEvent = { type: 'RunDeleted', data: { runId } };
const finished: RegistryEvent = { type: 'RunFinished', data: { runId, status: 'FINISHED', endTimeMs: 9 } };

type CommandData<Type extends RunCommand['type']> = Extract<RunCommand, { type: Type }>['data'];

const start = (change: Partial<CommandData<'StartRun'>> = {}) => command('StartRun', { ...runData, ...change });
const update = (change: Partial<CommandData<'UpdateRun'>>) =>
  command('UpdateRun', { runId, status: null, endTimeMs: null, name: null, ...change });
const log = (change: Partial<CommandData<'LogRunData'>>) =>
  command('LogRunData', { runId, metrics: [], params: [], tags: [], ...change });
type Deleted = { modelId: string; version: number };
const removeTag = (key: string) => command('RemoveRunTag', { runId, key });
const logInputs = (change: Partial<CommandData<'LogRunInputs'>>) =>
  command('LogRunInputs', { runId, datasets: [], loggedModelIds: [], ...change });
const logOutputs = (...steps: number[]) =>
  command('LogRunOutputs', { runId, models: steps.map((step) => ({ loggedModelId, step })) });
const remove = command('DeleteRun', { runId, madeInto: [], keptBy: [] });
const restore = command('RestoreRun', { runId });
const store = (path: string, char?: string, deletedVersions: Deleted[] = []) =>
  command('RecordRunArtifact', { runId, ...file(path, char), deletedVersions });
const removeFiles = (path: string, deletedVersions: Deleted[] = []) =>
  command('RemoveRunArtifacts', { runId, path, deletedVersions });
const registeredAs = { modelName: 'credit', version: 1 };
const refuse = command('RefuseRunArtifactWrite', { runId, path: 'model/model.onnx', registeredAs });

const metric = {
  ...{ key: 'loss', value: 1, isNaN: false, timestampMs: 1, step: 0 },
  ...{ loggedModelId: null, datasetName: null, datasetDigest: null },
};
const dataset = (digest: string) => ({
  ...{ name: 'census', digest, sourceType: 'http', source: 'https://example.org', schema: null, profile: null },
  tags: [],
});
const param = (value: string, key = 'depth') => ({ key, value });

const { given } = deciderSpec(run);
/** The events of several commands, one after the other. */
const after = (...commands: RunCommand[]): RegistryEvent[] => {
  const events: RegistryEvent[] = [started];
  for (const next of commands) events.push(...given(events).when(next).events());
  return events;
};

describe('a run', () => {
  it('is started once, under one name', () => {
    given([]).when(start()).then([started]);
    given([started]).when(start()).thenRejected('RUN_EXISTS', { runId });
    given([started, deleted]).when(start()).thenRejected('RUN_EXISTS', { runId });
    given([])
      .when(start({ tags: [{ key: 'mlflow.runName', value: 'other' }] }))
      .thenRejected('RUN_NAME_CONFLICT', { name: 'first', tag: 'other' });
    const tags = [{ key: 'mlflow.runName', value: 'first' }];
    given([])
      .when(start({ tags }))
      .then([{ type: 'RunStarted', data: { ...runData, tags } }]);
  });

  it('is needed for everything else', () => {
    const writes = [update({}), log({}), removeTag('team'), logInputs({}), logOutputs(0)];
    for (const other of [...writes, remove, restore, store('a'), removeFiles('a'), refuse]) {
      given([]).when(other).thenRejected('RUN_UNKNOWN', { runId });
    }
  });

  it('takes no data while it is deleted', () => {
    const writes = [update({ name: 'new' }), log({ metrics: [metric] }), removeTag('team')];
    for (const write of [...writes, logInputs({ datasets: [dataset('d')] }), logOutputs(0)]) {
      given([started, deleted]).when(write).thenRejected('RUN_DELETED', { runId });
    }
  });

  it('is deleted and restored, and neither a second time', () => {
    const restored: RegistryEvent = { type: 'RunRestored', data: { runId } };
    given([started]).when(remove).then([deleted]);
    given([started, deleted]).when(remove).thenNothing();
    given([started, deleted]).when(restore).then([restored]);
    given([started]).when(restore).thenNothing();
    expect(given([started, deleted, restored]).when(logOutputs(0)).events()).toHaveLength(1);
  });
});

describe('the status of a run', () => {
  it('ends with its time, and says so once', () => {
    const finish = update({ status: 'FINISHED', endTimeMs: 9 });
    given([started]).when(finish).then([finished]);
    given([started, finished]).when(finish).thenNothing();
    for (const status of ['FAILED', 'KILLED'] as const) {
      given([started])
        .when(update({ status }))
        .then([{ type: 'RunFinished', data: { runId, status, endTimeMs: null } }]);
    }
  });

  it('keeps the end time that it has when none comes with it', () => {
    given([started, finished])
      .when(update({ status: 'RUNNING' }))
      .then([{ type: 'RunResumed', data: { runId, status: 'RUNNING', endTimeMs: 9 } }]);
    given([started, finished])
      .when(update({ endTimeMs: 12 }))
      .then([{ type: 'RunFinished', data: { runId, status: 'FINISHED', endTimeMs: 12 } }]);
  });
});

describe('the name of a run', () => {
  const renamed: RegistryEvent = { type: 'RunRenamed', data: { runId, name: 'second', previousName: 'first' } };

  it('is changed by an update, and no empty one is taken', () => {
    given([started])
      .when(update({ name: 'second' }))
      .then([renamed]);
    given([started, renamed])
      .when(update({ name: 'second' }))
      .thenNothing();
    given([started])
      .when(update({ name: '' }))
      .thenNothing();
  });

  it('is its tag mlflow.runName, whichever of both is written', () => {
    const tag = { key: 'mlflow.runName', value: 'second' };
    expect(
      given([started])
        .when(log({ tags: [tag] }))
        .events()
        .at(-1),
    ).toEqual(renamed);
    given([started, renamed])
      .when(log({ tags: [tag] }))
      .thenNothing();
  });

  it('stays when the tag that comes is empty, as with an update', () => {
    const empty = { key: 'mlflow.runName', value: '' };
    given([started])
      .when(log({ tags: [empty] }))
      .thenNothing();
    const other = { key: 'team', value: 'fraud' };
    const tags = [{ ...other, previousValue: 'risk' }];
    given([started])
      .when(log({ tags: [empty, other] }))
      .then([{ type: 'RunDataLogged', data: { runId, metrics: [], params: [], tags } }]);
  });

  it('can change together with the status', () => {
    given([started])
      .when(update({ status: 'FINISHED', endTimeMs: 9, name: 'second' }))
      .then([finished, renamed]);
  });
});

describe('the data of a run', () => {
  it('is recorded once, however often a batch is repeated', () => {
    const batch = log({ metrics: [metric, metric], params: [param('3')], tags: [{ key: 'team', value: 'fraud' }] });
    const logged: RegistryEvent = {
      type: 'RunDataLogged',
      data: {
        runId,
        metrics: [metric],
        params: [param('3')],
        tags: [{ key: 'team', value: 'fraud', previousValue: 'risk' }],
      },
    };
    given([started]).when(batch).then([logged]);
    given([started, logged]).when(batch).thenNothing();
  });

  it('holds each point of a metric: another value, time, step or logged model is another point', () => {
    const points = [
      { value: 2 },
      { timestampMs: 2 },
      { step: 1 },
      { value: 0, isNaN: true },
      { key: 'auc' },
      { loggedModelId },
    ];
    const others = points.map((change) => ({ ...metric, ...change }));
    expect(
      given(after(log({ metrics: [metric] })))
        .when(log({ metrics: [metric, ...others] }))
        .events(),
    ).toMatchObject([{ data: { metrics: others } }]);
  });

  it('is refused as a whole for one param that changes', () => {
    given(after(log({ params: [param('3')] })))
      .when(log({ metrics: [metric], params: [param('4'), param('1', 'seed')] }))
      .thenRejected('PARAM_CHANGED', { runId, changed: [{ key: 'depth', oldValue: '3', newValue: '4' }] });
  });

  it('is refused as a whole for one param with two values', () => {
    given([started])
      .when(log({ metrics: [metric], params: [param('3'), param('4')] }))
      .thenRejected('PARAM_DUPLICATED', { runId, keys: ['depth'] });
    given([started])
      .when(log({ params: [param('3'), param('3')] }))
      .then([{ type: 'RunDataLogged', data: { runId, metrics: [], params: [param('3')], tags: [] } }]);
  });

  it('of a large batch is split into events below 256 KiB', () => {
    const params = Array.from({ length: 100 }, (_, i) => param('語'.repeat(6000), `p${i}`));
    const events = given([started]).when(log({ params })).events();
    expect(events.length).toBeGreaterThan(1);
    for (const event of events) expect(new TextEncoder().encode(JSON.stringify(event)).length).toBeLessThan(262_144);
  });

  it('loses only a tag that it has', () => {
    const removed: RegistryEvent = {
      type: 'TagRemoved',
      data: { target: owner, key: 'team', previousValue: 'risk' },
    };
    given([started]).when(removeTag('team')).then([removed]);
    given([started, removed])
      .when(removeTag('team'))
      .thenRejected('TAG_UNKNOWN', { ...owner, key: 'team' });
  });
});

describe('the inputs and outputs of a run', () => {
  const inputs = (datasets: ReturnType<typeof dataset>[], ...loggedModelIds: string[]): RegistryEvent => ({
    type: 'RunInputsLogged',
    data: { runId, datasets, loggedModelIds },
  });

  it('are one event per data set and one for the logged models', () => {
    given([started])
      .when(logInputs({ datasets: [dataset('d'), dataset('e')], loggedModelIds: [loggedModelId] }))
      .then([inputs([dataset('d')]), inputs([dataset('e')]), inputs([], loggedModelId)]);
    given([started]).when(logInputs({})).thenNothing();
  });

  it('are recorded once: a data set is its name and digest', () => {
    const known = [started, inputs([dataset('d')]), inputs([], loggedModelId)];
    given(known)
      .when(logInputs({ datasets: [{ ...dataset('d'), source: 'elsewhere' }], loggedModelIds: [loggedModelId] }))
      .thenNothing();
    given(known)
      .when(logInputs({ datasets: [dataset('d'), dataset('e'), dataset('e')] }))
      .then([inputs([dataset('e')])]);
  });

  const models = (value: string, previousValue: string | null = null): RegistryEvent => ({
    type: 'RunDataLogged',
    data: { runId, metrics: [], params: [], tags: [{ key: 'mlflow.log-model.history', value, previousValue }] },
  });
  const logModel = (model: string) => command('LogRunModel', { runId, model });

  it('keep each model that clients before MLflow 3 log, behind those that are there', () => {
    given([started])
      .when(logModel('{"a": 1}'))
      .then([models('[{"a": 1}]')]);
    for (const empty of ['[]', ' [ ] '])
      given([started, models(empty)])
        .when(logModel('{"a": 1}'))
        .then([models('[{"a": 1}]', empty)]);
    given([started, models('[{"a": 1}]')])
      .when(logModel('{"a": 1}'))
      .then([models('[{"a": 1}, {"a": 1}]', '[{"a": 1}]')]);
    given([started, models('no list')])
      .when(logModel('{}'))
      .thenRejected('MODELS_TAG_UNREADABLE');
    const full = `["${'é'.repeat(7992)}"]`;
    given([started, models(full)])
      .when(logModel('{}'))
      .then([models(`["${'é'.repeat(7992)}", {}]`, full)]);
    given([started, models(full)])
      .when(logModel('{ }'))
      .thenRejected('MODELS_TAG_FULL');
    given([started, deleted]).when(logModel('{}')).thenRejected('RUN_DELETED');
  });

  it('hold a model once per step', () => {
    const logged: RegistryEvent = { type: 'RunOutputsLogged', data: { runId, models: [{ loggedModelId, step: 0 }] } };
    given([started]).when(logOutputs(0, 0)).then([logged]);
    given([started, logged]).when(logOutputs(0)).thenNothing();
    given([started, logged])
      .when(logOutputs(0, 1))
      .then([{ type: 'RunOutputsLogged', data: { runId, models: [{ loggedModelId, step: 1 }] } }]);
  });
});

describe('the files of a run', () => {
  const stored = (path: string, char: string, previousDigest: string | null = null): RegistryEvent => ({
    type: 'ArtifactStored',
    data: { owner, ...file(path, char), previousDigest },
  });

  it('are recorded when their bytes change, also while the run is deleted', () => {
    given([started])
      .when(store('a/b', 'a'))
      .then([stored('a/b', 'a')]);
    given([started, stored('a/b', 'a')])
      .when(store('a/b', 'a'))
      .thenNothing();
    given([started, stored('a/b', 'a')])
      .when(store('a/b', 'b'))
      .then([stored('a/b', 'b', file('', 'a').digest)]);
    given([started, deleted])
      .when(store('a/b', 'a'))
      .then([stored('a/b', 'a')]);
  });

  it('are no folders too', () => {
    const files = [started, stored('model/a.txt', 'a'), stored('b', 'a')];
    for (const path of ['model', 'b/c', 'b/c/d'])
      given(files).when(store(path, 'b')).thenRejected('ARTIFACT_PATH_TAKEN');
    given(files)
      .when(store('mod', 'a'))
      .then([stored('mod', 'a')]);
  });

  it('are removed by name or with all below a folder, and by nothing that only begins alike', () => {
    const files = [started, stored('a/b', 'a'), stored('a/c', 'b'), stored('ab', 'c')];
    const { digest } = file('', 'a');
    given(files)
      .when(removeFiles('a'))
      .then([
        {
          type: 'ArtifactRemoved',
          data: {
            owner,
            path: 'a',
            files: [
              { path: 'a/b', digest },
              { path: 'a/c', digest: file('', 'b').digest },
            ],
          },
        },
      ]);
    const removed: RegistryEvent = {
      type: 'ArtifactRemoved',
      data: { owner, path: 'a/b', files: [{ path: 'a/b', digest }] },
    };
    given(files).when(removeFiles('a/b')).then([removed]);
    given([...files, removed])
      .when(removeFiles('a/b'))
      .thenNothing();
    given([...files, removed])
      .when(store('a/b', 'a'))
      .then([stored('a/b', 'a')]);
  });

  it('below a registered version stay what they were, and it is recorded who tried to write', () => {
    const refused: RegistryEvent = {
      type: 'ArtifactWriteRefused',
      data: { owner, path: 'model/model.onnx', registeredAs, by: 'ada' },
    };
    given([started]).when(refuse).then([refused]);
    const before = after(store('model/model.onnx'));
    given([...before, refused])
      .when(store('model/model.onnx'))
      .thenNothing();
  });

  const register = (path: string, ...files: { path: string; digest: string; sizeBytes: number }[]): RunCommand => ({
    type: 'RegisterArtifacts',
    data: { runId, path, files, modelId, modelName: 'credit', version: 1 },
    metadata: metadata(),
  });
  const registered = (path: string): RegistryEvent => ({
    type: 'ArtifactsRegistered',
    data: { owner, path, modelId, modelName: 'credit', version: 1 },
  });

  it('become those of a version if they are what its manifest says', () => {
    const before = given(after(store('model/a'), store('model/b', 'b'), store('log')));
    before.when(register('model', file('b', 'b'), file('a'))).then([registered('model')]);
    before.when(register('', file('model/a'), file('model/b', 'b'), file('log'))).then([registered('')]);
    before.when(register('none')).then([registered('none')]);
    for (const files of [[file('a')], [file('a'), file('b')], [file('a'), file('b', 'b'), file('c')], []])
      before.when(register('model', ...files)).thenRejected('ARTIFACTS_CHANGED');
    given([]).when(register('model')).thenRejected('RUN_UNKNOWN');
  });

  it('of a version stay what they are, and come and go again when it is deleted', () => {
    const before = given([...after(store('model/a'), store('log')), registered('model')]);
    const refused = (path: string): RegistryEvent[] => [
      { type: 'ArtifactWriteRefused', data: { owner, path, registeredAs, by: 'ada' } },
    ];
    for (const path of ['model/a', 'model/b', 'model']) {
      before.when(store(path, 'b')).then(refused(path));
      before.when(removeFiles(path)).then(refused(path));
    }
    before.when(store('models/a')).then([stored('models/a', 'a')]);
    const files = [{ path: 'log', digest: file('').digest }];
    before.when(removeFiles('log')).then([{ type: 'ArtifactRemoved', data: { owner, path: 'log', files } }]);
    const gone = { modelId, version: 1 };
    before.when(store('model/b', 'a', [gone])).then([stored('model/b', 'a')]);
    before.when(store('model/b', 'a', [{ ...gone, version: 2 }])).then(refused('model/b'));
    // What lies below a folder goes with it.
    given([...after(store('a/model/a')), registered('a/model')])
      .when(removeFiles('a'))
      .then(refused('a'));
  });
});
