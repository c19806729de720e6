import { deciderSpec } from '@kontor/event-sourcing/testing';
import { describe, expect, it } from 'vitest';
import type { DeploymentEvent } from '../deployment/events.js';
import type { RegistryEvent } from './events.js';
import { experiment } from './experiment.js';
import { command, digestOf, experimentData, loggedModelData, loggedModelId, runData } from './fixture.js';
import { servedVersions, servingEndpoint } from './kept-versions.js';
import { loggedModel } from './logged-model.js';
import { run } from './run.js';

const endpoint = 'scoring-eu';
const rolloutId = '01975b00-0000-7000-8000-000000000001';
const servable = { flavor: 'onnx' as const, digest: digestOf('a'), sizeBytes: 1, goldenDigest: null };
const version = (n: number) => ({ modelName: 'fraud', version: n, manifestDigest: digestOf('a') });

const createdIn = (environment: 'staging' | 'production'): DeploymentEvent => ({
  type: 'EndpointCreated',
  data: { endpoint, environment, description: '' },
});
const added = (n: number): DeploymentEvent => ({
  type: 'RevisionAdded',
  data: { endpoint, revisionId: `v${n}`, version: version(n), servable },
});
const started = (n: number): DeploymentEvent => ({
  type: 'RolloutStarted',
  data: { rolloutId, endpoint, version: version(n), gate: { gateId: rolloutId, restsOn: [] } },
});
const weights = (...shares: readonly (readonly [number, number])[]): DeploymentEvent => ({
  type: 'WeightSet',
  data: {
    ...{ endpoint, rolloutId, step: 0, routeVersion: 1 },
    weights: shares.map(([n, weightBps]) => ({ revisionId: `v${n}`, weightBps })),
  },
});
const promoted = (n: number): DeploymentEvent => ({
  type: 'RolloutPromoted',
  data: { rolloutId, endpoint, revisionId: `v${n}`, version: version(n) },
});
const aborted: DeploymentEvent = { type: 'RolloutAborted', data: { rolloutId, endpoint, reason: 'r', by: null } };
const rolledBack = (from: number, to: number): DeploymentEvent => ({
  type: 'RolledBack',
  data: { endpoint, fromRevisionId: `v${from}`, toRevisionId: `v${to}`, reason: 'r', by: 'ada' },
});

const servedAfter = (...events: readonly DeploymentEvent[]): number[] =>
  servedVersions(events.reduce(servingEndpoint.evolve, servingEndpoint.initialState))
    .map((one) => one.version)
    .sort();

describe('an endpoint of production holds', () => {
  const production = createdIn('production');
  const one = [production, started(1), added(1), weights([1, 10_000]), promoted(1)];

  it('nothing before a rollout starts', () => {
    expect(servedAfter()).toEqual([]);
    expect(servedAfter(production, added(1))).toEqual([]);
  });

  it('the version of a rollout from its start on, until it is aborted', () => {
    expect(servedAfter(production, started(1))).toEqual([1]);
    expect(servedAfter(production, started(1), added(1), weights([1, 500]))).toEqual([1]);
    expect(servedAfter(...one, started(2), added(2), weights([1, 9_000], [2, 1_000]))).toEqual([1, 2]);
    expect(servedAfter(...one, started(2), added(2), aborted, weights([1, 10_000], [2, 0]))).toEqual([1]);
  });

  it('what has traffic, and what a rollback would go to', () => {
    const two = [...one, started(2), added(2), weights([1, 0], [2, 10_000]), promoted(2)];
    expect(servedAfter(...two)).toEqual([1, 2]);
    expect(servedAfter(...two, rolledBack(2, 1), weights([1, 10_000], [2, 0]))).toEqual([1]);
    expect(servedAfter(...two, started(3), added(3), weights([3, 10_000]), promoted(3))).toEqual([2, 3]);
  });
});

it('an endpoint of staging holds nothing that must stay', () => {
  expect(servedAfter(createdIn('staging'), added(1), weights([1, 10_000]))).toEqual([]);
});

describe('what a kept version was made of is not deleted, and who tried is recorded:', () => {
  const keptBy = [{ modelName: 'fraud', version: 7, endpoints: [endpoint], aliases: [] }];
  const refused = (target: Extract<RegistryEvent, { type: 'DeletionRefused' }>['data']['target']): RegistryEvent => ({
    type: 'DeletionRefused',
    data: { target, keptBy, by: 'ada' },
  });
  const madeInto = [{ modelId: '0'.repeat(32), versions: [7] }];

  it('a run', () => {
    const { runId } = runData;
    deciderSpec(run)
      .given([{ type: 'RunStarted', data: runData }])
      .when(command('DeleteRun', { runId, madeInto, keptBy }))
      .then([refused({ aggregate: 'run', runId })]);
  });

  it('a logged model', () => {
    deciderSpec(loggedModel)
      .given([{ type: 'LoggedModelCreated', data: loggedModelData }])
      .when(command('DeleteLoggedModel', { loggedModelId, madeInto, keptBy }))
      .then([refused({ aggregate: 'logged-model', loggedModelId })]);
  });

  it('an experiment', () => {
    const { experimentId } = experimentData;
    deciderSpec(experiment)
      .given([{ type: 'ExperimentCreated', data: experimentData }])
      .when(command('DeleteExperiment', { experimentId, madeInto, keptBy }))
      .then([refused({ aggregate: 'experiment', experimentId })]);
  });
});
