import type { DeploymentEvent } from '@kontor/domain/deployment';
import { projectionSpec, recorded } from '@kontor/event-sourcing/testing';
import { describe, it } from 'vitest';
import { endpoints } from './endpoints.projection.js';
import { rollouts } from './rollouts.projection.js';

const stream = 'default/deployment/endpoint/credit';
const endpoint = 'credit';
const digest = (hex: string) => `sha256:${hex.repeat(64)}`;
const version = (number: number, hex: string) => ({
  modelName: 'credit',
  version: number,
  manifestDigest: digest(hex),
});
const servable = (hex: string) => ({
  flavor: 'onnx' as const,
  digest: digest(hex),
  sizeBytes: 900,
  goldenDigest: null,
});
const strategy = { steps: [{ weightBps: 1000, minRows: 50, minDurationMs: 1000 }] };
const rolloutId = '01975b00-0000-7000-8000-0000000000a1';
const otherRolloutId = '01975b00-0000-7000-8000-0000000000a2';
const gateId = '01975b00-0000-7000-8000-0000000000b1';
const time = (second: number) => `2026-06-01T12:00:${String(second).padStart(2, '0')}.000000Z`;

const created = { endpoint, environment: 'production' as const, description: 'Asks for credit.' };
const requested = (id: string, revisionId: string, number: number, hex: string) => ({
  stream,
  type: 'RolloutRequested' as const,
  data: {
    rolloutId: id,
    endpoint,
    environment: 'production' as const,
    revisionId,
    version: version(number, hex),
    servable: servable(hex),
    strategy,
    requestedBy: 'ada',
  },
});
const added = (revisionId: string, number: number, hex: string) => ({
  stream,
  type: 'RevisionAdded' as const,
  data: { endpoint, revisionId, version: version(number, hex), servable: servable(hex) },
});
const loaded = (revisionId: string, hex: string) => ({
  stream,
  type: 'RevisionLoaded' as const,
  data: { endpoint, revisionId, digest: digest(hex), goldenRows: 8, goldenMaxDifference: 0.5e-7, loadMs: 12 },
});
const weighted = (id: string | null, step: number | null, routeVersion: number, shares: Record<string, number>) => ({
  stream,
  type: 'WeightSet' as const,
  data: {
    endpoint,
    rolloutId: id,
    step,
    routeVersion,
    weights: Object.entries(shares).map(([revisionId, weightBps]) => ({ revisionId, weightBps })),
  },
});
const guard = (verdict: 'pass' | 'fail' | 'inconclusive') => ({
  guard: 'errorRate' as const,
  verdict,
  canary: 0.01,
  stable: 0.01,
  limit: 0.02,
  canaryRows: 60,
  stableRows: 600,
  sentence: 'Errors are as rare as before.',
});
const measured = (id: string, step: number, verdict: 'pass' | 'fail' | 'inconclusive') => ({
  stream,
  type: 'AnalysisMeasured' as const,
  data: { rolloutId: id, endpoint, step, verdict, guards: [guard(verdict)] },
});
const started = (id: string, number: number, hex: string) => ({
  stream,
  type: 'RolloutStarted' as const,
  data: { rolloutId: id, endpoint, version: version(number, hex), gate: { gateId, restsOn: [] } },
});

/** One version goes to all of the traffic; the next is held, resumed and aborted by a guard. */
const story = recorded<DeploymentEvent>([
  { stream, type: 'EndpointCreated', data: created },
  requested(rolloutId, 'r1', 1, 'a'),
  started(rolloutId, 1, 'a'),
  added('r1', 1, 'a'),
  loaded('r1', 'a'),
  weighted(rolloutId, 0, 1, { r1: 10_000 }),
  measured(rolloutId, 0, 'pass'),
  { stream, type: 'RolloutPromoted', data: { rolloutId, endpoint, revisionId: 'r1', version: version(1, 'a') } },
  requested(otherRolloutId, 'r2', 2, 'b'),
  started(otherRolloutId, 2, 'b'),
  added('r2', 2, 'b'),
  { stream, type: 'RevisionFailed', data: { endpoint, revisionId: 'r2', reason: 'The file was not there yet.' } },
  loaded('r2', 'b'),
  weighted(otherRolloutId, 0, 2, { r1: 9000, r2: 1000 }),
  { stream, type: 'RolloutHeld', data: { rolloutId: otherRolloutId, endpoint, step: 0, reason: 'Too few rows.' } },
  {
    stream,
    type: 'RolloutResumed',
    data: { rolloutId: otherRolloutId, endpoint, by: 'grace', reason: 'There is traffic now.' },
  },
  measured(otherRolloutId, 0, 'fail'),
  weighted(otherRolloutId, null, 3, { r1: 10_000 }),
  {
    stream,
    type: 'RolloutAborted',
    data: { rolloutId: otherRolloutId, endpoint, reason: 'Errors rose.', by: null },
  },
]);

const revision = (revisionId: string, number: number, hex: string, addedAt: number, loadedAt: number) => ({
  revisionId,
  version: version(number, hex),
  servable: servable(hex),
  state: 'LOADED' as const,
  addedAt: time(addedAt),
  loadedAt: time(loadedAt),
  loadMs: 12,
  goldenRows: 8,
  goldenMaxDifference: 0.5e-7,
  failure: null,
});
const endpointRow = {
  ...created,
  createdAt: time(0),
  createdBy: 'ada',
  suspension: null,
  routeVersion: 3,
  activeRolloutId: null,
  revisions: [
    { ...revision('r1', 1, 'a', 3, 4), weightBps: 10_000 },
    { ...revision('r2', 2, 'b', 10, 12), weightBps: 0 },
  ],
};

const rollout = (id: string, revisionId: string, number: number, hex: string, requestedAt: number) => ({
  rolloutId: id,
  endpoint,
  environment: 'production' as const,
  revisionId,
  version: version(number, hex),
  modelName: 'credit',
  strategy,
  requestedBy: 'ada',
  requestedAt: time(requestedAt),
});

describe('endpoints', () => {
  it('show the route after a rollout that was promoted and one that a guard aborted', () => {
    projectionSpec(endpoints).given(story).thenRows({ 'default/credit': endpointRow });
  });

  it('show the split and the active rollout while a canary runs', () => {
    projectionSpec(endpoints)
      .given(story.slice(0, 14))
      .thenRows({
        'default/credit': {
          ...endpointRow,
          routeVersion: 2,
          activeRolloutId: otherRolloutId,
          revisions: [
            { ...revision('r1', 1, 'a', 3, 4), weightBps: 9000 },
            { ...revision('r2', 2, 'b', 10, 12), weightBps: 1000 },
          ],
        },
      });
  });

  it('name who suspended one and why, until it is resumed', () => {
    const suspension = { endpoint, reason: 'Numbers look wrong.', by: 'grace', at: '2026-06-01T11:59:59Z' };
    const events = recorded<DeploymentEvent>([
      { stream, type: 'EndpointCreated', data: created },
      { stream, type: 'EndpointSuspended', data: { ...suspension, byUseCase: false } },
      { stream, type: 'EndpointResumed', data: { ...suspension, reason: 'They are right.' } },
    ]);
    const row = { ...endpointRow, routeVersion: 0, revisions: [] };
    const { reason, by, at } = suspension;
    projectionSpec(endpoints)
      .given(events.slice(0, 2))
      .thenRows({ 'default/credit': { ...row, suspension: { reason, by, at } } });
    projectionSpec(endpoints).given(events).thenRows({ 'default/credit': row });
  });

  it('name what still holds after the use case was resumed', () => {
    const own = { reason: 'Numbers look wrong.', by: 'grace', at: '2026-06-01T11:59:59Z' };
    const other = { endpoint, reason: 'Complaints.', by: 'olga', at: '2026-06-01T12:00:00Z' };
    const events = recorded<DeploymentEvent>([
      { stream, type: 'EndpointCreated', data: created },
      { stream, type: 'EndpointSuspended', data: { endpoint, ...own, byUseCase: false } },
      { stream, type: 'EndpointSuspended', data: { ...other, byUseCase: true } },
      { stream, type: 'UseCaseSuspensionLifted', data: { ...other, suspension: own } },
    ]);
    const row = { ...endpointRow, routeVersion: 0, revisions: [] };
    projectionSpec(endpoints)
      .given(events)
      .thenRows({ 'default/credit': { ...row, suspension: own } });
  });

  it('show what a process said of a revision that stays in service', () => {
    const reason = 'The digest is another one.';
    const events = recorded<DeploymentEvent>([
      { stream, type: 'EndpointCreated', data: created },
      added('r1', 1, 'a'),
      loaded('r1', 'a'),
      { stream, type: 'LoadFailureReported', data: { endpoint, revisionId: 'r1', reason } },
    ]);
    const doubted = { ...revision('r1', 1, 'a', 1, 2), weightBps: 0, failure: reason };
    projectionSpec(endpoints)
      .given(events)
      .thenRows({ 'default/credit': { ...endpointRow, routeVersion: 0, revisions: [doubted] } });
  });

  it('keep the reason why a revision could not be loaded', () => {
    const reason = 'The digest is another one.';
    const events = recorded<DeploymentEvent>([
      { stream, type: 'EndpointCreated', data: created },
      added('r1', 1, 'a'),
      { stream, type: 'RevisionFailed', data: { endpoint, revisionId: 'r1', reason } },
    ]);
    const failed = {
      ...revision('r1', 1, 'a', 1, 0),
      state: 'FAILED' as const,
      weightBps: 0,
      loadedAt: null,
      loadMs: null,
      goldenRows: null,
      goldenMaxDifference: null,
      failure: reason,
    };
    projectionSpec(endpoints)
      .given(events)
      .thenRows({ 'default/credit': { ...endpointRow, routeVersion: 0, revisions: [failed] } });
  });
});

describe('rollouts', () => {
  it('keep their measurements, the gate they rest on and how they ended', () => {
    projectionSpec(rollouts)
      .given(story)
      .thenRows({
        [`default/${rolloutId}`]: {
          ...rollout(rolloutId, 'r1', 1, 'a', 1),
          state: 'PROMOTED',
          gateId,
          step: 0,
          weightBps: 10_000,
          reasons: [],
          startedAt: time(2),
          endedAt: time(7),
          endedBy: null,
          analyses: [{ step: 0, verdict: 'pass', guards: [guard('pass')], at: time(6) }],
        },
        [`default/${otherRolloutId}`]: {
          ...rollout(otherRolloutId, 'r2', 2, 'b', 8),
          state: 'ABORTED',
          gateId,
          step: 0,
          weightBps: 0,
          reasons: ['Errors rose.'],
          startedAt: time(9),
          endedAt: time(18),
          endedBy: null,
          analyses: [{ step: 0, verdict: 'fail', guards: [guard('fail')], at: time(16) }],
        },
      });
  });

  it('say why the gate refused one, and what one waits for that is held', () => {
    const refusal = { rolloutId, endpoint, gateId, reasons: ['M-1: no evaluation', 'H-2: no approval'] };
    const row = {
      ...rollout(rolloutId, 'r1', 1, 'a', 0),
      gateId,
      step: null,
      weightBps: 0,
      startedAt: null,
      endedAt: null,
      endedBy: null,
      analyses: [],
    };
    const refused = recorded<DeploymentEvent>([
      requested(rolloutId, 'r1', 1, 'a'),
      { stream, type: 'RolloutRefused', data: refusal },
    ]);
    projectionSpec(rollouts)
      .given(refused)
      .thenRows({
        [`default/${rolloutId}`]: { ...row, state: 'REFUSED', reasons: refusal.reasons, endedAt: time(1) },
      });
    const held = recorded<DeploymentEvent>([
      requested(rolloutId, 'r1', 1, 'a'),
      started(rolloutId, 1, 'a'),
      { stream, type: 'RolloutHeld', data: { rolloutId, endpoint, step: 0, reason: 'Too few rows.' } },
    ]);
    projectionSpec(rollouts)
      .given(held)
      .thenRows({
        [`default/${rolloutId}`]: { ...row, state: 'HELD', reasons: ['Too few rows.'], startedAt: time(1) },
      });
  });

  it('are not begun by a route that no rollout set', () => {
    projectionSpec(rollouts)
      .given(recorded<DeploymentEvent>([weighted(null, null, 1, { r1: 10_000 })]))
      .thenRows({});
  });
});
