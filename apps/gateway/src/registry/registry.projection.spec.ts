import type { RegistryEvent } from '@kontor/domain/registry';
import { projectionSpec, recorded } from '@kontor/event-sourcing/testing';
import { describe, expect, it } from 'vitest';
import { aliasMoves } from './alias-moves.projection.js';
import { artifacts } from './artifacts.projection.js';
import { experiments } from './experiments.projection.js';
import { latestMetrics } from './latest-metrics.projection.js';
import { metricHistory } from './metric-history.projection.js';
import { registeredModels } from './registered-models.projection.js';
import { runs } from './runs.projection.js';
import { workspaces } from './workspaces.projection.js';

const run = 'default/registry/run/r1';
const started = {
  runId: 'r1',
  experimentId: '1',
  name: 'calm-otter-1',
  userId: '',
  startTimeMs: 5,
  artifactUri: 'mlflow-artifacts:/1/r1/artifacts',
  tags: [{ key: 'a', value: '1' }],
};
const point = (key: string, value: number, step: number) => ({
  key,
  value,
  isNaN: false,
  timestampMs: 1,
  step,
  loggedModelId: null,
  datasetName: null,
  datasetDigest: null,
});
const logged = recorded<RegistryEvent>([
  { stream: run, type: 'RunStarted', data: started },
  {
    stream: run,
    type: 'RunDataLogged',
    data: {
      runId: 'r1',
      metrics: [point('loss', 0.5, 1), point('loss', 0.9, 0), point('auc', 0.7, 0)],
      params: [{ key: 'depth', value: '3' }],
      tags: [{ key: 'a', value: '2', previousValue: '1' }],
    },
  },
  {
    stream: run,
    type: 'TagRemoved',
    data: { target: { aggregate: 'run', runId: 'r1' }, key: 'a', previousValue: '2' },
  },
  { stream: run, type: 'RunFinished', data: { runId: 'r1', status: 'FINISHED', endTimeMs: 9 } },
]);

describe('runs', () => {
  it('keep params and tags as they were set last', () => {
    projectionSpec(runs)
      .given(logged)
      .thenRows({
        'default/r1': {
          ...started,
          tags: [],
          params: [{ key: 'depth', value: '3' }],
          status: 'FINISHED',
          endTimeMs: 9,
          datasets: [],
          inputModelIds: [],
          outputs: [],
          deleted: false,
          deletedPosition: '0',
          createdAt: '2026-06-01T12:00:00.000000Z',
          createdBy: 'ada',
        },
      });
  });
});

describe('latest metrics', () => {
  const latest = ({ key, ...measured }: ReturnType<typeof point>) => ({
    runKey: 'default/r1',
    metric: key,
    experimentId: '1',
    ...measured,
  });

  it('are the points of the highest step, whatever came last', () => {
    projectionSpec(latestMetrics)
      .given(logged)
      .thenRows({
        'default/r1': { experimentId: '1' },
        'default/r1/loss': latest(point('loss', 0.5, 1)),
        'default/r1/auc': latest(point('auc', 0.7, 0)),
      });
  });

  it('are replaced by a later step, time or value, and by nothing before', () => {
    const log = (...metrics: ReturnType<typeof point>[]) => ({
      ...{ stream: run, type: 'RunDataLogged' as const, data: { runId: 'r1', metrics, params: [], tags: [] } },
    });
    const later = { ...point('a/b', 0.1, 2), timestampMs: 5 };
    projectionSpec(latestMetrics)
      .given(
        recorded<RegistryEvent>([
          { stream: run, type: 'RunStarted', data: started },
          ...[log(point('a/b', 0.5, 2)), log(later), log(point('a/b', 9, 2), point('a/b', 9, 1))],
        ]),
      )
      .thenRows({ 'default/r1': { experimentId: '1' }, 'default/r1/a%2Fb': latest(later) });
  });
});

describe('metric history', () => {
  it('keeps all points of a batch by metric, in order', () => {
    const position = '0'.repeat(18) + '2';
    projectionSpec(metricHistory)
      .given(logged)
      .thenRows({
        'default/r1/2/loss/': {
          runId: 'r1',
          metric: 'loss',
          loggedModelId: null,
          logged: position,
          points: [point('loss', 0.5, 1), point('loss', 0.9, 0)],
        },
        'default/r1/2/auc/': {
          runId: 'r1',
          metric: 'auc',
          loggedModelId: null,
          logged: position,
          points: [point('auc', 0.7, 0)],
        },
      });
  });

  it('keeps the points of each logged model apart, also in one batch', () => {
    const about = (model: string | null) => ({ ...point('acc', 0.5, 0), loggedModelId: model });
    const model = `m-${'1'.repeat(32)}`;
    const data = { runId: 'r1', metrics: [about(model), about(null)], params: [], tags: [] };
    const row = { runId: 'r1', metric: 'acc', logged: '0'.repeat(18) + '1' };
    projectionSpec(metricHistory)
      .given(recorded<RegistryEvent>([{ stream: run, type: 'RunDataLogged', data }]))
      .thenRows({
        [`default/r1/1/acc/${model}`]: { ...row, loggedModelId: model, points: [about(model)] },
        'default/r1/1/acc/': { ...row, loggedModelId: null, points: [about(null)] },
      });
  });
});

describe('registered models', () => {
  it('move an alias from version to version and forget a removed one', () => {
    const stream = 'default/registry/registered-model/m1';
    const model = { modelId: 'm1', name: 'fraud' };
    const events = recorded<RegistryEvent>([
      {
        stream,
        type: 'RegisteredModelCreated',
        data: { ...model, description: null, tags: [], isPrompt: false, firstVersion: 1 },
      },
      { stream, type: 'AliasSet', data: { ...model, version: 1, alias: 'champion', previousVersion: null } },
      { stream, type: 'AliasSet', data: { ...model, version: 1, alias: 'old', previousVersion: null } },
      { stream, type: 'AliasSet', data: { ...model, version: 2, alias: 'champion', previousVersion: 1 } },
      { stream, type: 'AliasRemoved', data: { ...model, version: 1, alias: 'old' } },
      { stream, type: 'AliasProtected', data: { ...model, alias: 'next' } },
      { stream, type: 'AliasProtected', data: { ...model, alias: 'champion' } },
      { stream, type: 'AliasUnprotected', data: { ...model, alias: 'next' } },
    ]);
    projectionSpec(registeredModels)
      .given(events)
      .thenRows({
        'default/m1': {
          ...model,
          description: null,
          tags: [],
          isPrompt: false,
          firstVersion: 1,
          aliases: [{ alias: 'champion', version: 2 }],
          protectedAliases: ['champion'],
          deleted: false,
          createdAt: '2026-06-01T12:00:00.000000Z',
          updatedAt: '2026-06-01T12:00:00.000000Z',
        },
      });
  });
});

describe('moves of aliases', () => {
  it('are a row each, with what happened to the model between them', () => {
    const stream = 'default/registry/registered-model/m1';
    const model = { modelId: 'm1', name: 'fraud' };
    const moved = { modelId: 'm1', movedBy: 'ada' };
    const ofModel = { alias: null, version: null, previousVersion: null, reason: null, modelName: 'fraud' };
    const at = (position: number) => ({
      movedPosition: `${position}`,
      moved: `${position}`.padStart(19, '0'),
      movedAt: `2026-06-01T12:00:0${position - 1}.000000Z`,
    });
    const reason = 'better on new data';
    projectionSpec(aliasMoves)
      .given(
        recorded<RegistryEvent>([
          {
            stream,
            type: 'AliasSet',
            data: { ...model, version: 1, alias: 'champion', previousVersion: null, reason },
          },
          { stream, type: 'RegisteredModelDeleted', data: model },
          { stream, type: 'RegisteredModelRestored', data: model },
          { stream, type: 'RegisteredModelRenamed', data: { ...model, name: 'loss', previousName: 'fraud' } },
          { stream, type: 'AliasRemoved', data: { ...model, name: 'loss', version: 1, alias: 'champion' } },
        ]),
      )
      .thenRows({
        'default/m1/1': {
          ...moved,
          ...at(1),
          ...{ kind: 'SET', modelName: 'fraud', alias: 'champion', version: 1, previousVersion: null, reason },
        },
        'default/m1/2': { ...moved, ...at(2), ...ofModel, kind: 'MODEL_DELETED' },
        'default/m1/3': { ...moved, ...at(3), ...ofModel, kind: 'MODEL_RESTORED' },
        'default/m1/4': { ...moved, ...at(4), ...ofModel, kind: 'MODEL_RENAMED', modelName: 'loss' },
        'default/m1/5': {
          ...moved,
          ...at(5),
          ...{ kind: 'REMOVED', modelName: 'loss', alias: 'champion', version: null, previousVersion: 1, reason: null },
        },
      });
  });
});

describe('artifacts and experiments', () => {
  it('keep runs deleted that were so before, where the restoring says it', () => {
    const stream = 'default/registry/experiment/1';
    const data = { experimentId: '1' };
    const created = { ...data, name: 'scoring', artifactLocation: 'mlflow-artifacts:/1', tags: [] };
    const at = { createdAt: '2026-06-01T12:00:00.000000Z', updatedAt: '2026-06-01T12:00:04.000000Z' };
    projectionSpec(experiments)
      .given(
        recorded<RegistryEvent>([
          { stream, type: 'ExperimentCreated', data: created },
          { stream, type: 'ExperimentDeleted', data },
          { stream, type: 'ExperimentRestored', data },
          { stream, type: 'ExperimentDeleted', data },
          { stream, type: 'ExperimentRestored', data: { ...data, keepsDeletedRuns: true } },
        ]),
      )
      .thenRows({ 'default/1': { ...created, ...at, deleted: false, restoredPosition: '3' } });
  });

  it('end the row of a removed path and keep the others', () => {
    const owner = { aggregate: 'run' as const, runId: 'r1' };
    const digest = `sha256:${'a'.repeat(64)}`;
    const file = (path: string) => ({ owner, path, digest, sizeBytes: 3, previousDigest: null });
    const events = recorded<RegistryEvent>([
      { stream: run, type: 'ArtifactStored', data: file('model/a') },
      { stream: run, type: 'ArtifactStored', data: file('b') },
      { stream: run, type: 'ArtifactRemoved', data: { owner, path: 'model', files: [{ path: 'model/a', digest }] } },
    ]);
    projectionSpec(artifacts)
      .given(events)
      .thenRows({
        'default/run%3Ar1/b': {
          owner: 'run:r1',
          path: 'b',
          digest,
          sizeBytes: 3,
          storedAt: '2026-06-01T12:00:01.000000Z',
        },
      });
  });

  it('keep the digest of a name in the key where the name is too long for an index', () => {
    const file = (path: string) => ({
      stream: run,
      type: 'ArtifactStored' as const,
      data: { owner: { aggregate: 'run' as const, runId: 'r1' }, path, digest: '', sizeBytes: 0, previousDigest: null },
    });
    const names = ['a'.repeat(483), 'a'.repeat(484), '\u4e00'.repeat(341)];
    const keys = recorded<RegistryEvent>(names.map(file)).map((event) => artifacts.keys(event as never)[0]);
    expect(keys).toEqual([
      `default/run%3Ar1/${names[0]}`,
      expect.stringMatching(/^default\/sha256\/[0-9a-f]{64}$/),
      expect.stringMatching(/^default\/sha256\/[0-9a-f]{64}$/),
    ]);
  });

  it('remember where an experiment was restored', () => {
    const stream = 'default/registry/experiment/1';
    const events = recorded<RegistryEvent>([
      { stream, type: 'ExperimentCreated', data: { experimentId: '1', name: 'e', artifactLocation: 'x', tags: [] } },
      { stream, type: 'ExperimentDeleted', data: { experimentId: '1' } },
      { stream, type: 'ExperimentRestored', data: { experimentId: '1' } },
    ]);
    expect(experiments.keys(events[0] as never)).toEqual(['default/1']);
    projectionSpec(experiments)
      .given(events)
      .thenRows({
        'default/1': {
          experimentId: '1',
          name: 'e',
          artifactLocation: 'x',
          tags: [],
          deleted: false,
          restoredPosition: '3',
          createdAt: '2026-06-01T12:00:00.000000Z',
          updatedAt: '2026-06-01T12:00:02.000000Z',
        },
      });
  });
});

describe('workspaces', () => {
  it('hold what was said of them last; default has a row once it was changed', () => {
    const stream = 'default/registry/workspace/team-a';
    const data = { name: 'team-a', description: 'a', defaultArtifactRoot: null };
    const before = { previousDescription: 'a', previousDefaultArtifactRoot: null };
    const changed = { ...data, description: 'b', defaultArtifactRoot: 's3://bucket/a' };
    const events = recorded<RegistryEvent>([
      { stream, type: 'WorkspaceCreated', data },
      { stream, type: 'WorkspaceChanged', data: { ...changed, ...before } },
      { stream, type: 'WorkspaceDeleted', data: { name: 'team-a' } },
      {
        stream: 'default/registry/workspace/default',
        type: 'WorkspaceChanged',
        data: { ...data, name: 'default', ...before, previousDescription: '' },
      },
    ]);
    const [createdAt = '', , , firstChangedAt = ''] = events.map(({ recordedAt }) => recordedAt);
    const [createdBy = ''] = events.map(({ actor }) => actor);
    projectionSpec(workspaces)
      .given(events)
      .thenRows({
        'default/team-a': { ...changed, deleted: true, createdAt, createdBy },
        'default/default': { ...data, name: 'default', deleted: false, createdAt: firstChangedAt, createdBy },
      });
  });
});
