import type { RegistryEvent } from '@kontor/domain/registry';
import { projectionSpec, recorded } from '@kontor/event-sourcing/testing';
import { describe, it } from 'vitest';
import { loggedModels } from './logged-models.projection.js';
import { modelVersions } from './model-versions.projection.js';

const digest = (hex: string) => `sha256:${hex.repeat(64)}`;
const time = (second: number) => `2026-06-01T12:00:${String(second).padStart(2, '0')}.000000Z`;

describe('logged models', () => {
  const loggedModelId = `m-${'1'.repeat(32)}`;
  const stream = `default/registry/logged-model/${loggedModelId}`;
  const target = { aggregate: 'logged-model' as const, loggedModelId };
  const created = {
    loggedModelId,
    experimentId: '1',
    name: 'forest',
    modelType: 'classifier',
    sourceRunId: 'r1',
    artifactUri: 'mlflow-artifacts:/1/models/m/artifacts',
    params: [{ key: 'depth', value: '3' }],
    tags: [{ key: 'a', value: '1' }],
  };
  const events = recorded<RegistryEvent>([
    { stream, type: 'LoggedModelCreated', data: created },
    {
      stream,
      type: 'LoggedModelParamsLogged',
      data: { loggedModelId, params: [{ key: 'trees', value: '100' }] },
    },
    { stream, type: 'TagSet', data: { target, key: 'b', value: '2', previousValue: null } },
    { stream, type: 'TagRemoved', data: { target, key: 'a', previousValue: '1' } },
    {
      stream,
      type: 'LoggedModelFinalized',
      data: { loggedModelId, status: 'READY', manifestDigest: digest('a') },
    },
    { stream, type: 'LoggedModelDeleted', data: { loggedModelId } },
  ]);
  const row = {
    ...created,
    params: [
      { key: 'depth', value: '3' },
      { key: 'trees', value: '100' },
    ],
    tags: [{ key: 'b', value: '2' }],
    createdAt: time(0),
  };

  it('are pending until their files are complete, and stay as deleted ones', () => {
    projectionSpec(loggedModels)
      .given(events.slice(0, 4))
      .thenRows({
        [`default/${loggedModelId}`]: {
          ...row,
          status: 'PENDING',
          manifestDigest: null,
          deleted: false,
          updatedAt: time(1),
        },
      });
    projectionSpec(loggedModels)
      .given(events)
      .thenRows({
        [`default/${loggedModelId}`]: {
          ...row,
          status: 'READY',
          manifestDigest: digest('a'),
          deleted: true,
          updatedAt: time(5),
        },
      });
  });

  it('take no tag of a run', () => {
    const run = { aggregate: 'run' as const, runId: 'r1' };
    projectionSpec(loggedModels)
      .given(
        recorded<RegistryEvent>([
          { stream, type: 'LoggedModelCreated', data: created },
          {
            stream: 'default/registry/run/r1',
            type: 'TagSet',
            data: { target: run, key: 'b', value: '2', previousValue: null },
          },
        ]),
      )
      .thenRows({
        [`default/${loggedModelId}`]: {
          ...created,
          status: 'PENDING',
          manifestDigest: null,
          deleted: false,
          createdAt: time(0),
          updatedAt: time(0),
        },
      });
  });
});

describe('model versions', () => {
  const modelId = '1'.repeat(32);
  const stream = `default/registry/registered-model/${modelId}`;
  const target = { aggregate: 'model-version' as const, modelId, version: 1 };
  const registered = {
    modelId,
    version: 1,
    source: 'models:/m-1',
    storageLocation: 'mlflow-artifacts:/1/models/m-1/artifacts',
    runId: 'r1',
    loggedModelId: null,
    runLink: '',
    description: '',
    tags: [],
    artifacts: {
      manifestDigest: digest('a'),
      files: [{ path: 'model.onnx', sizeBytes: 900, digest: digest('b') }],
      servable: { flavor: 'onnx' as const, digest: digest('b'), sizeBytes: 900, goldenDigest: null },
    },
    registeredBy: 'ada',
    trainedBy: 'bob',
  };
  const version = { modelId, name: 'fraud', version: 1 };
  const events = recorded<RegistryEvent>([
    { stream, type: 'ModelVersionRegistered', data: { name: 'fraud', ...registered } },
    {
      stream,
      type: 'ModelVersionDescribed',
      data: { modelId, version: 1, description: 'The first.', previousDescription: '' },
    },
    { stream, type: 'TagSet', data: { target, key: 'a', value: '1', previousValue: null } },
    { stream, type: 'StageChanged', data: { ...version, stage: 'Production', previousStage: 'None' } },
    { stream, type: 'ModelVersionDeleted', data: { ...version, stage: 'Production' } },
    { stream, type: 'ModelVersionRestored', data: version },
    { stream, type: 'TagRemoved', data: { target, key: 'a', previousValue: '1' } },
  ]);
  const row = {
    ...registered,
    description: 'The first.',
    stage: 'Production' as const,
    manifestDigest: digest('a'),
    createdAt: time(0),
  };
  const key = `default/${modelId}/1`;

  it('carry their files, their stage and whether they are deleted', () => {
    projectionSpec(modelVersions)
      .given(events.slice(0, 5))
      .thenRows({ [key]: { ...row, tags: [{ key: 'a', value: '1' }], deleted: true, updatedAt: time(4) } });
    projectionSpec(modelVersions)
      .given(events)
      .thenRows({ [key]: { ...row, deleted: false, updatedAt: time(5) } });
  });

  it('have no identity by content where their files lie outside', () => {
    projectionSpec(modelVersions)
      .given(
        recorded<RegistryEvent>([
          { stream, type: 'ModelVersionRegistered', data: { name: 'fraud', ...registered, artifacts: null } },
        ]),
      )
      .thenRows({
        [key]: {
          ...registered,
          artifacts: null,
          stage: 'None',
          manifestDigest: null,
          deleted: false,
          createdAt: time(0),
          updatedAt: time(0),
        },
      });
  });
});

describe('what was imported', () => {
  const modelId = 'a'.repeat(32);
  const stream = `default/registry/registered-model/${modelId}`;
  const importedFrom = { importId: '00000000-0000-8000-8000-000000000000', updatedAt: '2020-03-01T00:00:00.000Z' };
  const registered = {
    ...{ modelId, name: 'credit', version: 4, source: 's3://bucket', storageLocation: 's3://bucket', runId: null },
    ...{ loggedModelId: null, runLink: '', description: '', tags: [], artifacts: null, registeredBy: 'ada' },
    ...{ trainedBy: null, importedFrom },
  };
  const facts: readonly (RegistryEvent & { stream: string; occurredAt?: string })[] = [
    { stream, type: 'ModelVersionRegistered', data: registered, occurredAt: '2020-01-01T00:00:00.000Z' },
    {
      ...{ stream, type: 'StageChanged', occurredAt: '2020-02-01T00:00:00.000Z' },
      data: { modelId, name: 'credit', version: 4, stage: 'Production', previousStage: 'None' },
    },
    {
      ...{ stream, type: 'StageChanged' },
      data: { modelId, name: 'credit', version: 4, stage: 'Archived', previousStage: 'Production' },
    },
  ];
  const events = recorded<RegistryEvent>(facts);
  const row = (stage: 'Production' | 'Archived', updatedAt: string) => {
    const { name: _, ...rest } = registered;
    return {
      [`default/${modelId}/4`]: {
        ...{ ...rest, stage, manifestDigest: null, deleted: false, createdAt: '2020-01-01T00:00:00.000Z', updatedAt },
      },
    };
  };

  it('has the times of its source, and a change here counts from when it was recorded', () => {
    projectionSpec(modelVersions).given(events.slice(0, 2)).thenRows(row('Production', importedFrom.updatedAt));
    projectionSpec(modelVersions)
      .given(events)
      .thenRows(row('Archived', time(2)));
  });
});
