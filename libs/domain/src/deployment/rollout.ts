import { streamId } from '@kontor/event-sourcing';
import type { z } from 'zod';
import type { ModelVersionRef, Servable } from '../values.js';
import type { PassedGate } from './commands.js';
import type { DeploymentEvent, Strategy, weights } from './events.js';
import { judgeStep } from './guards.js';
import type { RevisionMeasurement } from './measurement.js';
import { ALL_TRAFFIC_BPS } from './split.js';

export type Weights = z.output<typeof weights>;

/** What was requested. It never changes while the rollout runs; another plan is another rollout. */
export interface RolloutPlan {
  readonly rolloutId: string;
  readonly revisionId: string;
  readonly version: ModelVersionRef;
  readonly modelId: string | undefined;
  readonly servable: Servable;
  readonly strategy: Strategy;
}

interface Measured {
  readonly plan: RolloutPlan;
  readonly step: number;
  /** The last analysis showed a distribution that differs from stable. */
  readonly distanceShown: boolean;
  /** A person went on after such an analysis. */
  readonly distanceAccepted: boolean;
}

/** An active rollout. Ended ones are only remembered by id and outcome. */
export type Rollout =
  | { readonly phase: 'AwaitingGate'; readonly plan: RolloutPlan }
  /** The gate has passed; serving processes load the revision. */
  | { readonly phase: 'Preparing'; readonly plan: RolloutPlan }
  | ({ readonly phase: 'Stepping' } & Measured)
  /** Keeps its weight and its guards, and waits for a person. */
  | ({ readonly phase: 'Held' } & Measured);

export type MeasuredRollout = Extract<Rollout, { phase: 'Stepping' | 'Held' }>;

/** Whether traffic may have reached the new revision, so that there is something to measure. */
export const isMeasured = (rollout: Rollout): rollout is MeasuredRollout =>
  rollout.phase === 'Stepping' || rollout.phase === 'Held';

/** The rollout after one event of the endpoint; null once it has ended. */
export const evolveRollout = (rollout: Rollout | null, event: DeploymentEvent): Rollout | null => {
  if (event.type === 'RolloutRequested') {
    const { rolloutId, revisionId, version, modelId, servable, strategy } = event.data;
    return { phase: 'AwaitingGate', plan: { rolloutId, revisionId, version, modelId, servable, strategy } };
  }
  if (rollout === null) return null;
  const { plan } = rollout;
  switch (event.type) {
    case 'RolloutStarted':
      return { phase: 'Preparing', plan };
    case 'WeightSet': {
      const { rolloutId, step } = event.data;
      if (rolloutId !== plan.rolloutId || step === null) return rollout;
      const distanceAccepted = isMeasured(rollout) && rollout.distanceAccepted;
      return { phase: 'Stepping', plan, step, distanceShown: false, distanceAccepted };
    }
    case 'AnalysisMeasured': {
      if (!isMeasured(rollout)) return rollout;
      const sanity = event.data.guards.find(({ guard }) => guard === 'outputSanity');
      return { ...rollout, distanceShown: sanity?.verdict === 'inconclusive' && sanity.canary !== null };
    }
    case 'RolloutHeld':
      return isMeasured(rollout) ? { ...rollout, phase: 'Held' } : rollout;
    case 'RolloutResumed':
      return isMeasured(rollout)
        ? { ...rollout, phase: 'Stepping', distanceAccepted: rollout.distanceAccepted || rollout.distanceShown }
        : rollout;
    case 'RolloutRefused':
    case 'RolloutAborted':
    case 'RolloutPromoted':
      return null;
    default:
      return rollout;
  }
};

interface Place {
  readonly workspace: string;
  readonly endpoint: string;
  readonly environment: string;
}

/**
 * Why a gate decision is none for this rollout; undefined if it is. The append that follows finds the streams that the
 * decision rests on unmoved, so it must name those of these bytes and of its policy, as they stood.
 */
export const gateMismatch = (
  plan: RolloutPlan,
  { workspace, endpoint, environment }: Place,
  gate: PassedGate,
): string | undefined => {
  if (gate.outcome !== 'PASS') return `outcome is ${gate.outcome}, not PASS`;
  if (gate.rolloutId !== plan.rolloutId) return `rolloutId is ${gate.rolloutId}, not ${plan.rolloutId}`;
  if (gate.endpoint !== endpoint) return `endpoint is ${gate.endpoint}, not ${endpoint}`;
  if (gate.environment !== environment) return `environment is ${gate.environment}, not ${environment}`;
  if (gate.subject.manifestDigest !== plan.version.manifestDigest) {
    return `manifestDigest is ${gate.subject.manifestDigest}, not ${plan.version.manifestDigest}`;
  }
  if (gate.policy === null) return 'it applied no policy';
  const inGovernance = (aggregate: string, id: string) => streamId({ workspace, context: 'governance', aggregate, id });
  const versions = new Map(gate.restsOn.map(({ stream, version }) => [stream, version]));
  const bytes = inGovernance('subject', plan.version.manifestDigest.slice('sha256:'.length));
  if (!versions.has(bytes)) return `it does not rest on ${bytes}`;
  // A policy's stream holds its versions and nothing else, so both count alike.
  const policy = inGovernance('policy', gate.policy.policyId);
  if (versions.get(policy) !== String(gate.policy.version)) {
    return `it does not rest on version ${gate.policy.version} of ${policy}`;
  }
  return undefined;
};

/**
 * Approvals and evidence expire by time alone, which moves no stream: a decision is good for as long as governance keeps
 * it open, and no longer.
 */
const GATE_LIFETIME_MS = 3_600_000;

/** Whether a decision is too old to start anything at `now`. */
export const isOutdated = ({ at }: PassedGate, now: string): boolean =>
  Date.parse(now) - Date.parse(at) >= GATE_LIFETIME_MS;

/** The shares in a step, newest first. Without a stable revision the new one has all from the first step. */
export const weightsOfStep = ({ strategy, revisionId }: RolloutPlan, step: number, stable: string | null): Weights => {
  const weightBps = strategy.steps[step]?.weightBps;
  if (weightBps === undefined) throw new Error(`no step ${step} in a strategy of ${strategy.steps.length}`);
  if (stable === null) return [{ revisionId, weightBps: ALL_TRAFFIC_BPS }];
  return [
    { revisionId, weightBps },
    { revisionId: stable, weightBps: ALL_TRAFFIC_BPS - weightBps },
  ];
};

/** All traffic to one revision, or none at all. */
export const allTo = (revisionId: string | null): Weights =>
  revisionId === null ? [] : [{ revisionId, weightBps: ALL_TRAFFIC_BPS }];

const sameWeights = (a: Weights, b: Weights): boolean => {
  const shares = (weights: Weights) =>
    weights
      .filter(({ weightBps }) => weightBps > 0)
      .map(({ revisionId, weightBps }) => `${revisionId} ${weightBps}`)
      .sort();
  return shares(a).join() === shares(b).join();
};

/** What the endpoint knows and its rollout needs. */
export interface Surroundings {
  readonly endpoint: string;
  readonly stable: string | null;
  readonly weights: Weights;
  readonly routeVersion: number;
}

/** The end without success: traffic that the new revision had goes back to stable. `by` is null when no person did it. */
export const aborted = (
  { plan }: Rollout,
  { endpoint, stable, weights, routeVersion }: Surroundings,
  { reason, by }: { readonly reason: string; readonly by: string | null },
): DeploymentEvent[] => {
  const { rolloutId, revisionId } = plan;
  const events: DeploymentEvent[] = [{ type: 'RolloutAborted', data: { rolloutId, endpoint, reason, by } }];
  if (weights.some((share) => share.revisionId === revisionId && share.weightBps > 0)) {
    const back = { endpoint, rolloutId, step: null, routeVersion: routeVersion + 1, weights: allTo(stable) };
    events.push({ type: 'WeightSet', data: back });
  }
  return events;
};

/** Enters a step: the route changes, and measuring begins anew. */
export const enteredStep = (
  { plan }: Rollout,
  step: number,
  { endpoint, stable, routeVersion }: Surroundings,
): DeploymentEvent => ({
  type: 'WeightSet',
  data: {
    endpoint,
    rolloutId: plan.rolloutId,
    step,
    routeVersion: routeVersion + 1,
    weights: weightsOfStep(plan, step, stable),
  },
});

const promoted = (rollout: MeasuredRollout, surroundings: Surroundings): DeploymentEvent[] => {
  const { rolloutId, revisionId, version } = rollout.plan;
  const { endpoint, weights, routeVersion } = surroundings;
  const events: DeploymentEvent[] = [{ type: 'RolloutPromoted', data: { rolloutId, endpoint, revisionId, version } }];
  const all = allTo(revisionId);
  if (!sameWeights(weights, all)) {
    events.push({
      type: 'WeightSet',
      data: { endpoint, rolloutId, step: null, routeVersion: routeVersion + 1, weights: all },
    });
  }
  return events;
};

/**
 * What follows from a measurement: nothing yet, the next step, the promotion, a hold, or the abort.
 *
 * A guard that fails aborts at any time, held or not. Missing data is neither pass nor failure: it holds at the deadline.
 */
export const analysed = (
  rollout: MeasuredRollout,
  surroundings: Surroundings,
  measurement: {
    readonly elapsedMs: number;
    readonly canary: RevisionMeasurement;
    readonly stable: RevisionMeasurement | null;
  },
): DeploymentEvent[] => {
  const { plan, step, phase, distanceAccepted } = rollout;
  const { rolloutId, strategy } = plan;
  const { endpoint, stable } = surroundings;
  const { verdict, guards, reason } = judgeStep({
    ...measurement,
    stable: stable === null ? null : measurement.stable,
    strategy,
    step,
    distanceAccepted,
    held: phase === 'Held',
  });
  const measured: DeploymentEvent = {
    type: 'AnalysisMeasured',
    data: { rolloutId, endpoint, step, verdict: verdict === 'wait' ? 'inconclusive' : verdict, guards: [...guards] },
  };
  if (verdict === 'fail') return [measured, ...aborted(rollout, surroundings, { reason, by: null })];
  if (phase === 'Held' || verdict === 'wait') return [];
  if (verdict === 'inconclusive') {
    return [measured, { type: 'RolloutHeld', data: { rolloutId, endpoint, step, reason } }];
  }
  return step + 1 < strategy.steps.length
    ? [measured, enteredStep(rollout, step + 1, surroundings)]
    : [measured, ...promoted(rollout, surroundings)];
};
