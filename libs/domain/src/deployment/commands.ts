import type { CommandOf } from '@kontor/event-sourcing';
import { z } from 'zod';
import { ruleOutcome } from '../governance/events.js';
import { modelId } from '../registry/events.js';
import { actorId, digest, instant, modelVersionRef, reason, servable, slug, text } from '../values.js';
import { versionFiles } from '../version-artifacts.js';
import { strategy } from './events.js';
import { revisionMeasurement } from './measurement.js';

const rolloutId = z.uuid();
const revisionId = z.string().min(1).max(100);
const environment = z.enum(['staging', 'production']);

/** The O'Brien-Fleming boundaries of the guards are tabulated for this many looks, and each step is one. */
const MAX_STEPS = 10;

/** Steps of a requested rollout rise, so that a step never takes traffic back from the new revision. */
const risingStrategy = strategy
  .refine(({ steps }) => steps.length <= MAX_STEPS, { path: ['steps'], error: `must be at most ${MAX_STEPS}` })
  .refine(({ steps }) => steps.every((step, i) => i === 0 || step.weightBps > (steps[i - 1]?.weightBps ?? 0)), {
    path: ['steps'],
    error: 'weightBps must rise from step to step',
  });

/** The gate decision as governance recorded it, with the streams that must not have moved since: the artifact's, its use case's and its policy's. */
export const passedGate = z.strictObject({
  gateId: z.uuid(),
  rolloutId,
  endpoint: slug,
  environment,
  subject: modelVersionRef,
  outcome: ruleOutcome,
  /** The gate table that it applied; null where none was active. */
  policy: z.strictObject({ policyId: slug, version: z.int().min(1), digest }).nullable(),
  at: instant,
  restsOn: z.array(z.strictObject({ stream: z.string(), version: z.string().regex(/^\d+$/) })).min(1),
});
export type PassedGate = z.output<typeof passedGate>;

/** Every command names its endpoint: all of them are decided on the endpoint's stream. */
export const deploymentCommands = {
  CreateEndpoint: z.strictObject({ endpoint: slug, environment, description: text }),
  /** From the registration of a servable version: gives it to a staging endpoint, which is created if needed. */
  StageVersion: z.strictObject({ endpoint: slug, version: modelVersionRef, servable }),
  RequestRollout: z.strictObject({
    rolloutId,
    endpoint: slug,
    version: modelVersionRef,
    /** Of the registered model, where it was registered here: a version that is deleted meanwhile is not rolled out. */
    modelId: modelId.optional(),
    servable,
    /** All files of the version: they prove that the served one belongs to the digest that is approved. */
    files: versionFiles,
    strategy: risingStrategy,
  }),
  /** From a passed gate. The service reads from the log whether the version was deleted since. */
  StartRollout: z.strictObject({
    rolloutId,
    endpoint: slug,
    gate: passedGate,
    versionDeleted: z.boolean().default(false),
  }),
  /** From a gate that did not pass. */
  RefuseRollout: z.strictObject({ rolloutId, endpoint: slug, gateId: z.uuid(), reasons: z.array(reason).min(1) }),
  /** From the data plane: what became of a revision of the route. Sending it again changes nothing. */
  ReportRevisionState: z.discriminatedUnion('state', [
    z.strictObject({
      endpoint: slug,
      revisionId,
      state: z.literal('loaded'),
      /** SHA-256 of the model file that was loaded, computed by the reporter. */
      digest,
      goldenRows: z.int().min(0),
      goldenMaxDifference: z.number().min(0).nullable(),
      loadMs: z.number().min(0),
    }),
    z.strictObject({ endpoint: slug, revisionId, state: z.literal('failed'), reason }),
  ]),
  /** From the deployment service itself: raw measurements; what follows from them is decided here. */
  RecordAnalysis: z.strictObject({
    rolloutId,
    endpoint: slug,
    step: z.int().min(0),
    /** Since the step's weight was set or the rollout was resumed, whichever is later. */
    elapsedMs: z.int().min(0),
    canary: revisionMeasurement,
    /** Traffic of the stable revision in the same time; null on an endpoint that had none. */
    stable: revisionMeasurement.nullable(),
  }),
  /** Goes on after a hold. A distribution that caused the hold counts as accepted from then on. */
  ResumeRollout: z.strictObject({ rolloutId, endpoint: slug, reason }),
  /** `rolloutId` null: whichever has started, if any (an alert names an endpoint, not a rollout). */
  AbortRollout: z.strictObject({ rolloutId: rolloutId.nullable(), endpoint: slug, reason }),
  /** Back to the revision that was promoted before the present one; its gate has passed, so none is asked. */
  RollBack: z.strictObject({ endpoint: slug, reason }),
  /** `onBehalfOf`: who suspended the use case, where this follows from that. Believed from this service only. */
  SuspendEndpoint: z.strictObject({ endpoint: slug, reason, onBehalfOf: actorId.optional() }),
  ResumeEndpoint: z.strictObject({ endpoint: slug, reason, onBehalfOf: actorId.optional() }),
} as const;

export type DeploymentCommand = CommandOf<typeof deploymentCommands>;
