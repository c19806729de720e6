import { type CommandOf, personal } from '@kontor/event-sourcing';
import { z } from 'zod';
import { actorId, instant, modelName, modelVersionRef, reason, slug, text } from '../values.js';
import {
  erasureGround,
  evidenceType,
  gateRule,
  governanceEvents,
  logRange,
  policyActivated,
  riskTier,
} from './events.js';
import { scorecardAnswers } from './scorecard.js';

const holdId = z.uuid('must be the UUID of a legal hold');

/** Where a decision of the gate counts. */
export const environment = z.enum(['staging', 'production']);

/**
 * What a gate decision rests on beside the artifact's own stream, read by the governance service before it decides.
 * Null: no use case covers the endpoint, or no policy is active for its tier.
 */
export const gateContext = z.strictObject({
  useCase: z.strictObject({ useCaseId: slug, tier: riskTier, suspended: z.boolean() }).nullable(),
  policy: policyActivated.nullable(),
  /** The streams that use case and policy were read from, with their versions. */
  restsOn: z.array(z.strictObject({ stream: z.string(), version: z.string().regex(/^\d+$/) })).max(10),
});
export type GateContext = z.output<typeof gateContext>;

export const governanceCommands = {
  RegisterUseCase: z.strictObject({
    useCaseId: slug,
    name: z.string().min(1).max(200),
    purpose: text.min(1),
    owner: actorId,
    endpoints: z.array(slug).max(100),
    modelNames: z.array(modelName).max(100),
  }),
  /** The tier is computed here from the answers; nobody declares it. */
  ClassifyUseCase: z.strictObject({ useCaseId: slug, answers: scorecardAnswers }),
  /** One person is enough: stopping is cheap, starting is not. */
  SuspendUseCase: z.strictObject({ useCaseId: slug, reason }),
  ResumeUseCase: z.strictObject({ useCaseId: slug, reason }),
  /** A new version of the policy, in force at once. Its number and digest are decided here. */
  ActivatePolicy: z.strictObject({
    policyId: slug,
    environment,
    tiers: z.array(riskTier).min(1).max(5),
    rules: z.array(gateRule).min(1).max(50),
  }),
  /** From the registration of a version. */
  RecordAuthorship: z.strictObject({ subject: modelVersionRef, authors: z.array(actorId).min(1).max(100) }),
  /** From an evaluation; or a review, by the person who made it. */
  RecordEvidence: z.strictObject({
    subject: modelVersionRef,
    evidence: z
      .array(z.strictObject({ evidenceId: z.uuid(), type: evidenceType, metrics: z.record(z.string(), z.number()) }))
      .min(1)
      .max(20),
    /** Of a review: the sender, named or not. */
    reviewer: actorId.nullable(),
    /** The event that it was taken from; null for evidence that a person brings. */
    sourceEventId: z.uuid().nullable(),
  }),
  /** `expiresAt` null: 14 days from now. */
  GiveApproval: z.strictObject({
    approvalId: z.uuid(),
    subject: modelVersionRef,
    environment,
    role: z.string().min(1).max(100),
    meaning: z.enum(['APPROVED', 'REJECTED']),
    comment: personal(text),
    expiresAt: instant.nullable(),
  }),
  RevokeApproval: z.strictObject({ approvalId: z.uuid(), subject: modelVersionRef, reason: personal(reason) }),
  /** From a requested rollout. `context` is null until the governance service has read it. */
  EvaluateGate: z.strictObject({
    rolloutId: z.uuid(),
    endpoint: slug,
    environment,
    subject: modelVersionRef,
    requestedBy: actorId,
    context: gateContext.nullable(),
  }),
  /**
   * From a change of facts, use case or policy: decides again what had passed, holds no longer and has not started.
   * `contexts` by rollout id. `ended`: rollouts that were aborted before they started, which nobody waits for.
   */
  ReevaluateGates: z.strictObject({
    subject: modelVersionRef,
    contexts: z.record(z.uuid(), gateContext).nullable(),
    ended: z.array(z.uuid()).default([]),
  }),
  /** From a started rollout: its decision is used. */
  SettleGate: z.strictObject({ rolloutId: z.uuid(), subject: modelVersionRef }),
  /**
   * From a use case or policy that moved, or an endpoint whose rollout was aborted. `subjects` is null until the governance service has read which artifacts have a
   * passed decision that rests on it and was not used.
   */
  RecheckGates: z.strictObject({
    /** The event that moved it. */
    causeId: z.uuid(),
    moved: z.string(),
    subjects: z.array(modelVersionRef).nullable(),
  }),
  /**
   * Takes a person's data out of everything. As the edge read them: the version of the person's newest key (0 for none), whether
   * any key is left, and the legal holds of the workspace.
   */
  EraseSubject: z.strictObject({
    subjectId: actorId,
    ground: erasureGround,
    keyVersion: z.int().min(0),
    keyLeft: z.boolean(),
    legalHolds: z.array(z.string()).max(1000),
  }),
  OpenIncident: z.strictObject({
    incidentId: z.uuid(),
    useCaseId: slug.nullable(),
    endpoint: slug.nullable(),
    severity: z.enum(['warning', 'critical']),
    reason,
    alertId: z.uuid().nullable(),
  }),
  PlaceLegalHold: z.strictObject({ holdId, reason }),
  ReleaseLegalHold: z.strictObject({ holdId, reason }),
  /** From whoever runs the log, when the archive was read back. */
  RecordLogArchived: governanceEvents.LogArchived.omit({ by: true }),
  /** From whoever runs the log, when the rows are gone. */
  RecordArchivedLogDropped: logRange,
} as const;

export type GovernanceCommand = CommandOf<typeof governanceCommands>;
