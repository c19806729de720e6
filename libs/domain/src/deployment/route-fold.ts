import type { ModelVersionRef } from '../values.js';
import type { EndpointState } from './endpoint.js';
import { heldRevisions, isSuspended } from './endpoint.js';
import type { RolloutPlan } from './rollout.js';
import { isMeasured } from './rollout.js';
import type { RouteEntry } from './route.js';

/**
 * The route of an endpoint, from its stream folded up to `streamVersion`.
 *
 * The same events give the same entry, so the bucket of routes can be deleted and written again at any time.
 *
 * @returns undefined if the stream has no endpoint.
 */
export const routeOf = (
  state: EndpointState,
  { workspace, streamVersion }: { readonly workspace: string; readonly streamVersion: bigint },
): RouteEntry | undefined => {
  if (state.status === 'None') return undefined;
  const { endpoint, environment, weights } = state;
  const shares = new Map(weights.map(({ revisionId, weightBps }) => [revisionId, weightBps]));
  return {
    workspace,
    endpoint,
    environment,
    streamVersion: Number(streamVersion),
    suspended: isSuspended(state),
    salt: `${workspace}/${endpoint}`,
    revisions: heldRevisions(state).map(({ revisionId, version, servable }) => ({
      revisionId,
      weightBps: shares.get(revisionId) ?? 0,
      version,
      servable,
    })),
  };
};

/** The step of a rollout that is to be measured now. */
export interface ActiveStep {
  readonly rolloutId: string;
  readonly endpoint: string;
  readonly step: number;
  readonly minRows: number;
  readonly minDurationMs: number;
  readonly canary: string;
  readonly stable: string | null;
  readonly version: ModelVersionRef;
  readonly held: boolean;
}

const stepOf = (
  { strategy }: RolloutPlan,
  step: number,
): { readonly minRows: number; readonly minDurationMs: number } =>
  strategy.steps[step] ?? { minRows: 0, minDurationMs: 0 };

/** The step that the endpoint's rollout is in, or undefined if nothing is to be measured. */
export const activeStepOf = (state: EndpointState): ActiveStep | undefined => {
  if (state.status === 'None' || state.rollout === null || !isMeasured(state.rollout)) return undefined;
  const { plan, step, phase } = state.rollout;
  const { minRows, minDurationMs } = stepOf(plan, step);
  const { rolloutId, revisionId, version } = plan;
  const { endpoint, stable } = state;
  return {
    rolloutId,
    endpoint,
    step,
    minRows,
    minDurationMs,
    canary: revisionId,
    stable,
    version,
    held: phase === 'Held',
  };
};

/** The rollout that waits for its revision to be loaded, or undefined. */
export const preparingRolloutOf = (state: EndpointState): string | undefined =>
  state.status === 'Created' && state.rollout?.phase === 'Preparing' ? state.rollout.plan.rolloutId : undefined;
