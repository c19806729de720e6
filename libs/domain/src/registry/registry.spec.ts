import { deciderSpec, metadata } from '@kontor/event-sourcing/testing';
import { describe, expect, it } from 'vitest';
import { registry } from './context.js';
import type { RegistryEvent } from './events.js';
import { experiment } from './experiment.js';
import { loggedModel } from './logged-model.js';
import { modelVersion } from './model-version.js';
import { registeredModel, type RegisteredModelCommand } from './registered-model.js';
import { run, type RunCommand } from './run.js';

const m = metadata();
const modelId = '0'.repeat(32);
const loggedModelId = `m-${'1'.repeat(32)}`;
const experimentCreated: RegistryEvent = {
  type: 'ExperimentCreated',
  data: { experimentId: '1', name: 'e', artifactLocation: 'mlflow-artifacts:/1', tags: [] },
};
const runStarted: RegistryEvent = {
  type: 'RunStarted',
  data: { runId: 'r', experimentId: '1', name: 'n', userId: '', startTimeMs: 0, artifactUri: 'a', tags: [] },
};
const created: RegistryEvent = {
  type: 'RegisteredModelCreated',
  data: { modelId, name: 'credit', description: null, tags: [], isPrompt: false, firstVersion: 1 },
};

describe('an experiment', () => {
  const { given } = deciderSpec(experiment);
  const deleted: RegistryEvent = { type: 'ExperimentDeleted', data: { experimentId: '1' } };
  const rename = (previousName: string) =>
    ({ type: 'RenameExperiment', data: { experimentId: '1', name: 'f', previousName }, metadata: m }) as const;
  it('exists once, and must exist', () => {
    const create = { type: 'CreateExperiment', data: { ...experimentCreated.data }, metadata: m } as never;
    given([]).when(create).then([experimentCreated]);
    given([experimentCreated]).when(create).thenRejected('EXPERIMENT_EXISTS');
    given([]).when(rename('e')).thenRejected('EXPERIMENT_UNKNOWN');
  });
  it('is not renamed while deleted or from a name that it does not have', () => {
    given([experimentCreated, deleted]).when(rename('e')).thenRejected('EXPERIMENT_DELETED');
    given([experimentCreated]).when(rename('x')).thenRejected('NAME_MOVED', { experimentId: '1', name: 'e' });
  });
  it('is restored only when deleted', () => {
    const restore = { type: 'RestoreExperiment', data: { experimentId: '1' }, metadata: m } as const;
    given([experimentCreated]).when(restore).thenRejected('EXPERIMENT_NOT_DELETED');
  });
  it('keeps a tag as it is when the value is the same, and knows which it has', () => {
    const data = { experimentId: '1', key: 'k', value: 'v' };
    const set = { type: 'SetExperimentTag', data, metadata: m } as const;
    const first = given([experimentCreated]).when(set).events();
    given([experimentCreated, ...first])
      .when(set)
      .thenNothing();
    const remove = { type: 'RemoveExperimentTag', data: { experimentId: '1', key: 'k' }, metadata: m } as const;
    given([experimentCreated]).when(remove).thenRejected('TAG_UNKNOWN');
  });
});

describe('a run', () => {
  const { given } = deciderSpec(run);
  const point = { key: 'loss', value: 1, isNaN: false, timestampMs: 1, step: 0 };
  const metric = { ...point, loggedModelId: null, datasetName: null, datasetDigest: null };
  const log = (data: object): RunCommand => ({
    type: 'LogRunData',
    data: { runId: 'r', metrics: [], params: [], tags: [], ...data },
    metadata: m,
  });
  const param = (value: string) => ({ key: 'p', value });
  it('exists once, must exist, and must not be deleted to be written', () => {
    const data = { runId: 'r', experimentId: '1', name: 'n', userId: '', startTimeMs: 0, artifactUri: 'a', tags: [] };
    given([runStarted]).when({ type: 'StartRun', data, metadata: m }).thenRejected('RUN_EXISTS');
    const tags = [{ key: 'mlflow.runName', value: 'other' }];
    given([])
      .when({ type: 'StartRun', data: { ...data, tags }, metadata: m })
      .thenRejected('RUN_NAME_CONFLICT');
    given([])
      .when(log({ metrics: [metric] }))
      .thenRejected('RUN_UNKNOWN');
    given([runStarted, { type: 'RunDeleted', data: { runId: 'r' } }])
      .when(log({}))
      .thenRejected('RUN_DELETED');
  });
  it('takes a retried batch without an event', () => {
    const batch = log({ metrics: [metric, metric], params: [param('1')], tags: [{ key: 't', value: 'v' }] });
    const logged = given([runStarted]).when(batch).events();
    expect(logged).toMatchObject([{ data: { metrics: [metric], params: [param('1')] } }]);
    given([runStarted, ...logged])
      .when(batch)
      .thenNothing();
  });
  it('refuses a whole batch for one changed or contradicting param', () => {
    const logged = given([runStarted])
      .when(log({ params: [param('1')] }))
      .events();
    given([runStarted, ...logged])
      .when(log({ metrics: [metric], params: [param('2')] }))
      .thenRejected('PARAM_CHANGED', { runId: 'r', changed: [{ key: 'p', oldValue: '1', newValue: '2' }] });
    given([runStarted])
      .when(log({ params: [param('1'), param('2')] }))
      .thenRejected('PARAM_DUPLICATED');
  });
  it('is renamed by its name tag', () => {
    const events = given([runStarted])
      .when(log({ tags: [{ key: 'mlflow.runName', value: 'new' }] }))
      .events();
    expect(events.at(-1)).toEqual({ type: 'RunRenamed', data: { runId: 'r', name: 'new', previousName: 'n' } });
  });
  it('splits a large batch into events below 256 KiB', () => {
    const params = Array.from({ length: 100 }, (_, i) => ({ key: `p${i}`, value: '語'.repeat(6000) }));
    const events = given([runStarted]).when(log({ params })).events();
    expect(events.length).toBeGreaterThan(1);
    for (const event of events) expect(new TextEncoder().encode(JSON.stringify(event)).length).toBeLessThan(262_144);
  });
});

describe('a logged model', () => {
  const { given } = deciderSpec(loggedModel);
  const data = {
    loggedModelId,
    experimentId: '1',
    name: 'n',
    modelType: '',
    sourceRunId: null,
    artifactUri: 'a',
    params: [{ key: 'p', value: '1' }],
    tags: [],
  };
  const event: RegistryEvent = { type: 'LoggedModelCreated', data };
  it('exists once, must exist, and takes no file once deleted', () => {
    given([event]).when({ type: 'CreateLoggedModel', data, metadata: m }).thenRejected('LOGGED_MODEL_EXISTS');
    given([])
      .when({ type: 'DeleteLoggedModel', data: { loggedModelId }, metadata: m })
      .thenRejected('LOGGED_MODEL_UNKNOWN');
    const file = { loggedModelId, path: 'm', digest: `sha256:${'a'.repeat(64)}`, sizeBytes: 1 };
    given([event, { type: 'LoggedModelDeleted', data: { loggedModelId } }])
      .when({ type: 'RecordLoggedModelArtifact', data: file, metadata: m })
      .thenRejected('LOGGED_MODEL_DELETED');
  });
});

describe('a registered model', () => {
  const { given } = deciderSpec(registeredModel);
  const register: RegisteredModelCommand = {
    type: 'RegisterModelVersion',
    data: {
      modelId,
      source: 's3://b/m',
      storageLocation: 's3://b/m',
      runId: null,
      loggedModelId: null,
      runLink: '',
      description: '',
      tags: [],
      artifacts: null,
      trainedBy: null,
    },
    metadata: m,
  };
  const one = given([created]).when(register).events();
  const two = given([created, ...one])
    .when(register)
    .events();
  const versions = [created, ...one, ...two];
  const alias = (version: number, name = 'champion'): RegisteredModelCommand => ({
    type: 'SetAlias',
    data: { modelId, alias: name, version },
    metadata: m,
  });
  const remove = (version: number, servedBy: string[] = []): RegisteredModelCommand => ({
    type: 'DeleteModelVersion',
    data: { modelId, version, servedBy },
    metadata: m,
  });
  it('exists once, must exist, and refuses writes while deleted', () => {
    given([created])
      .when({ type: 'CreateRegisteredModel', data: { ...created.data }, metadata: m } as never)
      .thenRejected('REGISTERED_MODEL_EXISTS');
    given([]).when(register).thenRejected('REGISTERED_MODEL_UNKNOWN');
    given([created, { type: 'RegisteredModelDeleted', data: { modelId, name: 'credit' } }])
      .when(register)
      .thenRejected('REGISTERED_MODEL_DELETED');
    given([created])
      .when({ type: 'RestoreRegisteredModel', data: { modelId, name: 'credit' }, metadata: m })
      .thenRejected('REGISTERED_MODEL_NOT_DELETED');
  });
  it('never gives a number twice, deleted ones included', () => {
    const deleted = given(versions).when(remove(2)).events();
    expect(
      given([...versions, ...deleted])
        .when(register)
        .events(),
    ).toMatchObject([{ data: { version: 3 } }]);
  });
  it('has no alias on a version that is deleted or was never there', () => {
    const set = given(versions).when(alias(2)).events();
    const deleted = given([...versions, ...set])
      .when(remove(2))
      .events();
    expect(deleted.map(({ type }) => type)).toEqual(['AliasRemoved', 'ModelVersionDeleted']);
    given([...versions, ...set, ...deleted])
      .when(alias(2))
      .thenRejected('VERSION_UNKNOWN', { name: 'credit', version: 2 });
    given(versions).when(alias(1, 'Latest')).thenRejected('ALIAS_RESERVED');
  });
  it('keeps a version that serves traffic', () => {
    given(versions)
      .when(remove(1, ['credit']))
      .thenRejected('VERSION_IN_USE');
  });
  it('archives the others in the same append, and only for an active stage', () => {
    const stage = (version: number, to: 'Production' | 'Archived'): RegisteredModelCommand => ({
      type: 'ChangeStage',
      data: { modelId, version, stage: to, archiveExistingVersions: true },
      metadata: m,
    });
    const first = given(versions).when(stage(1, 'Production')).events();
    expect(
      given([...versions, ...first])
        .when(stage(2, 'Production'))
        .events(),
    ).toMatchObject([
      { data: { version: 2, stage: 'Production' } },
      { data: { version: 1, stage: 'Archived', previousStage: 'Production' } },
    ]);
    given(versions).when(stage(1, 'Archived')).thenRejected('ARCHIVE_NEEDS_ACTIVE_STAGE');
  });
});

describe('a model version', () => {
  it('takes the value that it was registered with until its own stream has one', () => {
    const { given } = deciderSpec(modelVersion);
    const data = { modelId, version: 1, key: 'k', value: 'v', knownValue: 'v' };
    given([]).when({ type: 'SetModelVersionTag', data, metadata: m }).thenNothing();
    const remove = {
      type: 'RemoveModelVersionTag',
      data: { modelId, version: 1, key: 'k', knownValue: 'v' },
      metadata: m,
    } as const;
    const removed = given([]).when(remove).events();
    given(removed).when(remove).thenRejected('TAG_UNKNOWN');
  });
});

describe('the context', () => {
  it('routes every command', () => {
    expect(Object.keys(registry.routes).sort()).toEqual(Object.keys(registry.commands).sort());
  });
});
