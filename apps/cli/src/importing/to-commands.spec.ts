import { registryCommands } from '@kontor/domain/registry';
import { describe, expect, it } from 'vitest';
import { gathered } from './in-order.js';
import type { LoggedModel, Metric, RegisteredModel, Run, Version } from './mlflow-shapes.js';
import {
  endOfLoggedModel,
  endOfRun,
  type ImportCommand,
  isCopied,
  pointCommands,
  registeredModel,
  startOfLoggedModel,
  startOfRun,
  timeOf,
} from './to-commands.js';

const importId = '00000000-0000-8000-8000-000000000000';
const runId = 'a'.repeat(32);
const STARTED = Date.UTC(2020, 0, 2);

const run: Run = {
  info: {
    ...{ run_id: runId, experiment_id: '1', run_name: 'calm', user_id: 'bob', status: 'FINISHED' },
    ...{ start_time: STARTED, end_time: STARTED + 1000, artifact_uri: `mlflow-artifacts:/1/${runId}/artifacts` },
    lifecycle_stage: 'active',
  },
  data: {
    metrics: [{ key: 'loss' }],
    params: Array.from({ length: 101 }, (_, index) => ({ key: `p${index}`, value: 'x'.repeat(6001) })),
    tags: [{ key: 'mlflow.runName', value: 'calm' }],
  },
  inputs: {
    dataset_inputs: [
      {
        tags: [{ key: 'mlflow.data.context', value: 'training' }],
        dataset: { name: 'rows', digest: 'd1', source_type: 'local', source: '{}' },
      },
    ],
    model_inputs: [{ model_id: `m-${'1'.repeat(32)}` }],
  },
  outputs: { model_outputs: [{ model_id: `m-${'2'.repeat(32)}`, step: 3 }] },
};
const typesOf = (commands: readonly ImportCommand[]) =>
  commands.map(({ type, update }) => (update ? `(${type})` : type));

/** What Kontor adds. */
const facts: Readonly<Record<string, object>> = {
  StartRun: { artifactUri: 'mlflow-artifacts:/1/r/artifacts' },
  CreateLoggedModel: { artifactUri: 'mlflow-artifacts:/1/m/artifacts' },
  FinalizeLoggedModel: { manifestDigest: null },
  RegisterModelVersion: { storageLocation: 'x', artifacts: null, trainedBy: null },
  DescribeModelVersion: { knownDescription: '' },
  SetModelVersionTag: { knownValue: null },
};
const expectCommands = (commands: readonly ImportCommand[]): void => {
  for (const { type, data } of commands)
    expect(registryCommands[type].safeParse({ ...data, ...facts[type] }).error?.issues, type).toBeUndefined();
};

describe('a run', () => {
  it('begins with its tags, and its params follow in batches', () => {
    const commands = startOfRun(run, '7');
    expect(typesOf(commands)).toEqual(['StartRun', '(LogRunData)', 'LogRunData', 'LogRunData']);
    expectCommands(commands);
    expect(commands[0]).toEqual({
      type: 'StartRun',
      data: {
        ...{ runId, experimentId: '7', name: 'calm', userId: 'bob', startTimeMs: STARTED },
        tags: [{ key: 'mlflow.runName', value: 'calm' }],
      },
      occurred_at: '2020-01-02T00:00:00.000Z',
    });
  });

  it('keeps the place of its files where clients reach it themselves', () => {
    const artifact_uri = 's3://bucket/1/a/artifacts';
    const [start] = startOfRun({ ...run, info: { ...run.info, artifact_uri } }, '7');
    expect(start?.data).toMatchObject({ artifactUri: artifact_uri });
  });

  it('has a name that was never given as a tag', () => {
    const [start] = startOfRun({ ...run, data: { ...run.data, tags: [] } }, '7');
    expect(start?.data).toMatchObject({ name: 'calm', tags: [] });
  });

  const pages = async function* (...all: readonly Metric[][]) {
    yield* all;
  };
  const metric = (step: number, value: number = step): Metric => ({
    key: 'loss',
    value,
    timestamp: STARTED + step,
    step,
  });

  it('has its points in commands of a thousand, cut in the same places however the pages are', async () => {
    const points = Array.from({ length: 2001 }, (_, step) => metric(step));
    const whole = await gathered(pointCommands(runId, pages(points)));
    const parts = await gathered(pointCommands(runId, pages(points.slice(0, 300), points.slice(300))));
    expect(parts).toEqual(whole);
    expect(whole.map(({ data }) => (data as { metrics: object[] }).metrics.length)).toEqual([1000, 1000, 1]);
    expect(whole[0]?.occurred_at).toBe(new Date(STARTED + 999).toISOString());
    expectCommands(whole);
  });

  it('has points that are no numbers', async () => {
    const points = [metric(0, NaN), metric(1, Infinity), metric(2, -Infinity)];
    const [command] = await gathered(pointCommands(runId, pages(points)));
    expect(command?.data).toMatchObject({
      metrics: [{ value: 0, isNaN: true }, { value: Number.MAX_VALUE, isNaN: false }, { value: -Number.MAX_VALUE }],
    });
    expectCommands(command ? [command] : []);
  });

  it('ends with what it read and wrote, and is deleted unless its experiment is', () => {
    const deleted = { ...run, info: { ...run.info, lifecycle_stage: 'deleted' } };
    expect(typesOf(endOfRun(run, false))).toEqual(['LogRunInputs', 'LogRunOutputs', 'UpdateRun']);
    expect(typesOf(endOfRun(deleted, false))).toEqual(['LogRunInputs', 'LogRunOutputs', 'UpdateRun', 'DeleteRun']);
    expect(typesOf(endOfRun(deleted, true))).toEqual(['LogRunInputs', 'LogRunOutputs', 'UpdateRun']);
    expectCommands(endOfRun(deleted, false));
    const { inputs, outputs } = { inputs: { dataset_inputs: [], model_inputs: [] }, outputs: { model_outputs: [] } };
    const { end_time: _, ...going } = { ...run.info, status: 'RUNNING' as const };
    expect(endOfRun({ ...run, info: going, inputs, outputs }, false)).toEqual([]);
  });
});

describe('a logged model', () => {
  const model: LoggedModel = {
    info: {
      ...{
        model_id: `m-${'1'.repeat(32)}`,
        experiment_id: '1',
        name: 'forest',
        artifact_uri: '/srv/mlruns/1/models/m',
      },
      ...{ creation_timestamp_ms: STARTED, last_updated_timestamp_ms: STARTED + 1, status: 'LOGGED_MODEL_READY' },
      ...{ model_type: 'classifier', source_run_id: runId, tags: [{ key: 'a', value: '1' }] },
    },
    data: { params: [{ key: 'depth', value: '3' }], metrics: [] },
  };

  it('is made, and final behind its files', () => {
    const commands = startOfLoggedModel(importId, model, '7');
    expect(typesOf(commands)).toEqual(['CreateLoggedModel', '(SetLoggedModelTags)', '(LogLoggedModelParams)']);
    expect(typesOf(endOfLoggedModel(model))).toEqual(['FinalizeLoggedModel']);
    expectCommands([...commands, ...endOfLoggedModel(model)]);
    expect(endOfLoggedModel({ ...model, info: { ...model.info, status: 'LOGGED_MODEL_PENDING' } })).toEqual([]);
  });
});

describe('a registered model', () => {
  const model: RegisteredModel = {
    ...{ name: 'credit', creation_timestamp: STARTED, last_updated_timestamp: STARTED + 5 },
    ...{ tags: [{ key: 'team', value: 'risk' }], aliases: [{ alias: 'champion', version: 4 }] },
  };
  const version = (number: number, current_stage = 'None'): Version => ({
    ...{ name: 'credit', version: number, creation_timestamp: STARTED + number, current_stage, description: 'd' },
    ...{ last_updated_timestamp: STARTED + number, source: 'models:/other/3', run_id: '', run_link: '', model_id: '' },
    tags: [{ key: 'k', value: 'v' }],
  });
  const locations = new Map([[4, 's3://bucket']]);

  it('has its versions by number, then its aliases', () => {
    const commands = registeredModel(importId, model, [version(4, 'Production'), version(2)], locations);
    const updates = ['(DescribeModelVersion)', '(SetModelVersionTag)'];
    expect(typesOf(commands)).toEqual([
      ...['CreateRegisteredModel', '(DescribeRegisteredModel)', '(SetRegisteredModelTag)'],
      ...['RegisterModelVersion', ...updates, '(ChangeStage)'],
      ...['RegisterModelVersion', ...updates, 'ChangeStage', 'SetAlias'],
    ]);
    expectCommands(commands);
    expect(commands[3]?.data).toMatchObject({ version: 2 });
    expect(commands[3]?.data).not.toHaveProperty('storageLocation');
    expect(commands[7]?.data).toMatchObject({ version: 4, storageLocation: 's3://bucket' });
  });

  it('is another one if it was deleted there and made again', () => {
    const idOf = (of: RegisteredModel) => registeredModel(importId, of, [], locations)[0]?.data as { modelId: string };
    expect(idOf(model).modelId).toBe(idOf({ ...model, description: 'now described' }).modelId);
    expect(idOf(model).modelId).not.toBe(idOf({ ...model, creation_timestamp: STARTED + 1 }).modelId);
  });

  it('is a prompt by its tag', () => {
    const tags = [{ key: 'mlflow.prompt.is_prompt', value: 'true' }];
    expect(registeredModel(importId, { ...model, tags }, [], locations)[0]?.data).toMatchObject({ isPrompt: true });
  });
});

describe('what a source says', () => {
  it('is a time only if it can be one', () => {
    expect(timeOf(STARTED)).toBe('2020-01-02T00:00:00.000Z');
    for (const ms of [undefined, 0, -1, 1.5, 253_402_300_800_000]) expect(timeOf(ms)).toBeUndefined();
  });

  it.each([
    ['mlflow-artifacts:/1', true],
    ['mlflow-artifacts://host:5000/1', true],
    ['file:///srv/mlruns/1', true],
    ['/srv/mlruns/1', true],
    ['./mlruns/1', true],
    ['C:\\mlruns\\1', true],
    ['http://host/api/2.0/mlflow-artifacts/artifacts/1', true],
    ['', true],
    ['s3://bucket/1', false],
    ['gs://bucket', false],
    ['dbfs:/databricks/mlflow/1', false],
    ['wasbs://container@account.blob.core.windows.net/1', false],
  ])('has files at %s that are copied: %s', (location, copied) => {
    expect(isCopied(location)).toBe(copied);
  });
});
