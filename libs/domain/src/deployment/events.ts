import type { EventOf } from '@kontor/event-sourcing';
import { z } from 'zod';
import { modelId } from '../registry/events.js';
import { actorId, basisPoints, digest, instant, modelVersionRef, servable, slug, text } from '../values.js';

const rolloutId = z.uuid();
const revisionId = z.string().min(1).max(100);

/** One guard of an analysis: what was compared, and in one sentence what came out. */
export const guardResult = z.strictObject({
  guard: z.enum(['errorRate', 'latency', 'outputSanity', 'labels']),
  verdict: z.enum(['pass', 'fail', 'inconclusive']),
  canary: z.number().nullable(),
  stable: z.number().nullable(),
  limit: z.number().nullable(),
  canaryRows: z.int().min(0),
  stableRows: z.int().min(0),
  sentence: text,
});

/** What a rollout does: the share of the new revision in each step, and how much must be measured before the next. */
export const strategy = z.strictObject({
  steps: z
    .array(z.strictObject({ weightBps: basisPoints.min(1), minRows: z.int().min(0), minDurationMs: z.int().min(0) }))
    .min(1)
    .max(20),
});
export type Strategy = z.output<typeof strategy>;

/** Shares per revision. They sum to 10,000; revisions are ordered so that growing the newest moves keys only to it. */
export const weights = z.array(z.strictObject({ revisionId, weightBps: basisPoints })).max(10);

/** The gate decision that a rollout rests on, and the streams that must not have moved since. */
export const gateReference = z.strictObject({
  gateId: z.uuid(),
  restsOn: z.array(z.strictObject({ stream: z.string(), version: z.string().regex(/^\d+$/) })),
});

/**
 * All events of the deployment context stand on the stream of one endpoint, so that "at most one active rollout" and
 * "weights sum to 10,000" are decided in one place.
 */
export const deploymentEvents = {
  EndpointCreated: z.strictObject({
    endpoint: slug,
    environment: z.enum(['staging', 'production']),
    description: text,
  }),
  /** A model version was given to the endpoint. It has no traffic yet. */
  RevisionAdded: z.strictObject({ endpoint: slug, revisionId, version: modelVersionRef, servable }),
  /** A serving process has loaded the bytes, checked their digest and reproduced the golden outputs. */
  RevisionLoaded: z.strictObject({
    endpoint: slug,
    revisionId,
    digest,
    goldenRows: z.int().min(0),
    /** Largest absolute difference between a golden output and what the model answered here; null without golden rows. */
    /** Largest `goldenDifference` of an output; null without golden rows. */
    goldenMaxDifference: z.number().nullable(),
    loadMs: z.number(),
  }),
  RevisionFailed: z.strictObject({ endpoint: slug, revisionId, reason: text }),
  /**
   * A serving process could not load a revision that is in service, or loaded other bytes. The revision stays, since other
   * processes answer with it; this one does not become ready.
   */
  LoadFailureReported: z.strictObject({ endpoint: slug, revisionId, reason: text }),
  RolloutRequested: z.strictObject({
    rolloutId,
    endpoint: slug,
    environment: z.enum(['staging', 'production']),
    revisionId,
    version: modelVersionRef,
    /** Of the registered model: its name may change. Absent where it was not registered here. */
    modelId: modelId.optional(),
    servable,
    strategy,
    requestedBy: actorId,
  }),
  /** Refused by the gate. Kept, because auditors ask who tried. */
  RolloutRefused: z.strictObject({ rolloutId, endpoint: slug, gateId: z.uuid(), reasons: z.array(text) }),
  RolloutStarted: z.strictObject({ rolloutId, endpoint: slug, version: modelVersionRef, gate: gateReference }),
  /** The route changed. `routeVersion` only grows; serving processes apply a table as a whole. */
  WeightSet: z.strictObject({
    endpoint: slug,
    rolloutId: rolloutId.nullable(),
    step: z.int().min(0).nullable(),
    routeVersion: z.int().min(1),
    weights,
  }),
  AnalysisMeasured: z.strictObject({
    rolloutId,
    endpoint: slug,
    step: z.int().min(0),
    verdict: z.enum(['pass', 'fail', 'inconclusive']),
    guards: z.array(guardResult),
  }),
  /** Waits for a person: not enough data, or a distribution that changed and may have been meant to. */
  RolloutHeld: z.strictObject({ rolloutId, endpoint: slug, step: z.int().min(0), reason: text }),
  RolloutResumed: z.strictObject({ rolloutId, endpoint: slug, by: actorId, reason: text }),
  /** The new revision has no traffic any more. `by` is null when a guard did it. */
  RolloutAborted: z.strictObject({ rolloutId, endpoint: slug, reason: text, by: actorId.nullable() }),
  RolloutPromoted: z.strictObject({ rolloutId, endpoint: slug, revisionId, version: modelVersionRef }),
  /** Went back to the revision before, whose gate had passed. */
  RolledBack: z.strictObject({
    endpoint: slug,
    fromRevisionId: revisionId,
    toRevisionId: revisionId,
    reason: text,
    by: actorId.nullable(),
  }),
  /** `byUseCase`: it follows from the suspension of the use case, so it ends with that only. Both kinds may hold at once. */
  EndpointSuspended: z.strictObject({
    endpoint: slug,
    reason: text,
    by: actorId,
    byUseCase: z.boolean(),
    at: instant,
  }),
  /** The use case was resumed, and the endpoint stays suspended for what was said of it alone. */
  UseCaseSuspensionLifted: z.strictObject({
    endpoint: slug,
    reason: text,
    by: actorId,
    at: instant,
    /** What still holds. */
    suspension: z.strictObject({ reason: text, by: actorId, at: instant }),
  }),
  EndpointResumed: z.strictObject({ endpoint: slug, reason: text, by: actorId, at: instant }),
} as const;

export type DeploymentEvent = EventOf<typeof deploymentEvents>;
