import { fold, isRejected } from '@kontor/event-sourcing';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { DeploymentCommand } from './commands.js';
import { endpoint, type EndpointState } from './endpoint.js';
import {
  command,
  request,
  reportFailed,
  reportLoaded,
  servable,
  traffic,
  uuid,
  version,
  gate,
} from './endpoint.fixture.js';
import { type DeploymentEvent, deploymentEvents } from './events.js';
import { emptyMeasurement } from './measurement.js';
import { routeEntry } from './route.js';
import { routeOf } from './route-fold.js';

// The invariants of rollouts, over random sequences of commands: lying gates, repeated reports, stale measurements.

const n = fc.integer({ min: 1, max: 3 });
const rolloutId = fc.integer({ min: 1, max: 4 }).map(uuid);
const measurement = fc.constantFrom(
  emptyMeasurement(),
  traffic(500),
  traffic(500, { errors: 100 }),
  traffic(600, { scoreCounts: [...traffic(600).scoreCounts].reverse() }),
  traffic(500, { nonFiniteOutputs: 3 }),
);
const id = 'credit';
const reason = 'because';

/** Commands as functions of the state, so that many of them hit what there is. */
type Draft = (state: EndpointState) => DeploymentCommand;
const revisionIn = (state: EndpointState, i: number) =>
  state.status === 'None' ? undefined : state.revisions[i % Math.max(1, state.revisions.length)];
const activeIn = (state: EndpointState, otherwise: string) =>
  (state.status === 'None' ? undefined : state.rollout?.plan.rolloutId) ?? otherwise;

/** What would come next if all went well. Without it, random commands hardly ever finish a rollout. */
const forward: fc.Arbitrary<Draft> = fc.tuple(n, fc.integer({ min: 5, max: 90 })).map(([v, r]) => (state) => {
  if (state.status === 'None') return request(v, uuid(r));
  const { rollout } = state;
  if (state.environment === 'staging') {
    const waiting = state.revisions.find((revision) => revision.state === 'added');
    if (waiting) return reportLoaded(waiting.revisionId, waiting.version.version);
    return command('StageVersion', { endpoint: id, version: version(v), servable: servable(v) });
  }
  if (rollout === null) return request(v, uuid(r));
  const { plan } = rollout;
  switch (rollout.phase) {
    case 'AwaitingGate': {
      const passed = gate({ rolloutId: plan.rolloutId, subject: plan.version, environment: state.environment });
      return command('StartRollout', { rolloutId: plan.rolloutId, endpoint: id, gate: passed, versionDeleted: false });
    }
    case 'Preparing':
      return reportLoaded(plan.revisionId, plan.version.version);
    case 'Stepping': {
      const data = { rolloutId: plan.rolloutId, endpoint: id, step: rollout.step, elapsedMs: 1000 };
      return command('RecordAnalysis', { ...data, canary: traffic(500), stable: traffic(500) });
    }
    case 'Held':
      return command('ResumeRollout', { rolloutId: plan.rolloutId, endpoint: id, reason });
  }
});

const draft: fc.Arbitrary<Draft> = fc.oneof(
  { arbitrary: forward, weight: 15 },
  n.map<Draft>((v) => () => command('StageVersion', { endpoint: id, version: version(v), servable: servable(v) })),
  fc.tuple(n, rolloutId).map(
    ([v, r]) =>
      () =>
        request(v, r),
  ),
  fc
    .tuple(
      rolloutId,
      n,
      fc.boolean(),
      fc.constantFrom('PASS' as const, 'BLOCK' as const),
      fc.constantFrom('staging' as const, 'production' as const),
    )
    .map(([r, v, honest, outcome, environment]) => (state: EndpointState) => {
      const plan = state.status === 'None' ? undefined : state.rollout?.plan;
      const own = honest && plan && state.status !== 'None';
      const passed = own
        ? gate({ rolloutId: plan.rolloutId, subject: plan.version, environment: state.environment })
        : gate({ rolloutId: r, subject: version(v), outcome, environment });
      return command('StartRollout', {
        rolloutId: activeIn(state, r),
        endpoint: id,
        gate: passed,
        versionDeleted: false,
      });
    }),
  fc.tuple(fc.nat(5), n, fc.boolean()).map(([i, v, honest]) => (state: EndpointState) => {
    const revision = revisionIn(state, i);
    return reportLoaded(revision?.revisionId ?? 'v9', honest ? (revision?.version.version ?? v) : v);
  }),
  fc.nat(5).map((i) => (state: EndpointState) => reportFailed(revisionIn(state, i)?.revisionId ?? 'v9')),
  fc
    .tuple(measurement, measurement, fc.constantFrom(0, 1, 'now' as const), fc.constantFrom(1000, 600_000), rolloutId)
    .map(([canary, stable, at, elapsedMs, r]) => (state: EndpointState) => {
      const rollout = state.status === 'None' ? null : state.rollout;
      const step = at !== 'now' ? at : rollout && 'step' in rollout ? rollout.step : 0;
      return command('RecordAnalysis', {
        rolloutId: activeIn(state, r),
        endpoint: id,
        step,
        elapsedMs,
        canary,
        stable,
      });
    }),
  rolloutId.map(
    (r) => (state: EndpointState) => command('ResumeRollout', { rolloutId: activeIn(state, r), endpoint: id, reason }),
  ),
  fc.option(rolloutId).map((r) => () => command('AbortRollout', { rolloutId: r, endpoint: id, reason })),
  fc.constant(() => command('RollBack', { endpoint: id, reason })),
  fc.constant(() => command('SuspendEndpoint', { endpoint: id, reason })),
  fc.constant(() => command('ResumeEndpoint', { endpoint: id, reason })),
);

const checkState = (state: EndpointState): void => {
  if (state.status === 'None') return;
  const sum = state.weights.reduce((total, { weightBps }) => total + weightBps, 0);
  if (sum !== 0 && sum !== 10_000) throw new Error(`weights sum to ${sum}`);
  for (const { revisionId, weightBps } of state.weights) {
    const revision = state.revisions.find((candidate) => candidate.revisionId === revisionId);
    if (weightBps > 0 && revision?.state !== 'loaded') throw new Error(`traffic to ${revisionId}: ${revision?.state}`);
  }
};

/** A second, naive reading of the events: no state of the decider is used. */
const checkHistory = (events: readonly DeploymentEvent[]): void => {
  let active: string | undefined;
  let begun = false;
  let routeVersion = 0;
  for (const { type, data } of events) {
    deploymentEvents[type].parse(data);
    if (type === 'RolloutRequested') {
      if (active) throw new Error('two active rollouts');
      active = data.rolloutId;
      begun = false;
    }
    if (type === 'RolloutStarted') {
      if (data.rolloutId !== active || begun) throw new Error('started without a request');
      begun = true;
    }
    if (type === 'AnalysisMeasured' || type === 'RolloutHeld' || type === 'RolloutPromoted') {
      if (data.rolloutId !== active || !begun) throw new Error(`${type} without a passed gate`);
    }
    if (type === 'RolloutRefused' || type === 'RolloutAborted' || type === 'RolloutPromoted') active = undefined;
    if (type === 'WeightSet') {
      if (data.step !== null && !begun) throw new Error('traffic without a passed gate');
      if (data.routeVersion !== routeVersion + 1) throw new Error('the route version jumped');
      routeVersion = data.routeVersion;
    }
  }
};

it.each(['staging', 'production'] as const)('keeps its invariants on a %s endpoint', (environment) => {
  let accepted = 0;
  let promoted = 0;
  let moved = 0;
  fc.assert(
    fc.property(fc.array(draft, { minLength: 10, maxLength: 60 }), (drafts) => {
      const events: DeploymentEvent[] = [
        { type: 'EndpointCreated', data: { endpoint: id, environment, description: '' } },
      ];
      let state = fold(endpoint, events);
      for (const next of drafts) {
        const sent = next(state);
        const active = state.status === 'None' ? null : state.rollout;
        if (active) {
          const abort = command('AbortRollout', { rolloutId: active.plan.rolloutId, endpoint: id, reason });
          const decision = endpoint.decide(abort, state);
          if (isRejected(decision)) throw new Error(`abort refused in ${active.phase}`);
          const after = fold({ ...endpoint, initialState: state }, decision);
          const again = endpoint.decide(abort, after);
          if (isRejected(again) || again.length > 0) throw new Error('abort is not idempotent');
        }
        const decision = endpoint.decide(sent, state);
        if (isRejected(decision)) continue;
        if (sent.type === 'StartRollout') {
          const { outcome, subject } = sent.data.gate;
          if (outcome !== 'PASS' || subject.manifestDigest !== active?.plan.version.manifestDigest) {
            throw new Error('started by a gate decision of another kind');
          }
        }
        for (const event of decision) {
          state = endpoint.evolve(state, event);
          events.push(event);
          checkState(state);
          if (event.type === 'RolloutRequested' && environment === 'staging') throw new Error('a rollout in staging');
          if (event.type === 'RolloutPromoted') promoted += 1;
          if (event.type === 'WeightSet') moved += 1;
        }
        accepted += 1;
        const route = routeOf(state, { workspace: 'default', streamVersion: BigInt(events.length) });
        const shares = routeEntry.parse(route).revisions.reduce((sum, { weightBps }) => sum + weightBps, 0);
        if (shares !== 0 && shares !== 10_000) throw new Error(`the route sums to ${shares}`);
      }
      checkHistory(events);
    }),
    { numRuns: 300, seed: 4711 },
  );
  // The sequences must reach the interesting states, or they prove nothing.
  expect(accepted).toBeGreaterThan(500);
  expect(moved).toBeGreaterThan(100);
  if (environment === 'production') expect(promoted).toBeGreaterThan(10);
});
