import { type EventOf, personal } from '@kontor/event-sourcing';
import { z } from 'zod';
import { actorId, digest, instant, modelVersionRef, slug, text } from '../values.js';

export const riskTier = z.enum(['UNCLASSIFIED', 'LOW', 'MEDIUM', 'HIGH', 'PROHIBITED']);
export type RiskTier = z.output<typeof riskTier>;

export const ruleOutcome = z.enum(['PASS', 'BLOCK', 'NEEDS', 'ERROR']);
export type RuleOutcome = z.output<typeof ruleOutcome>;

/** One row of a gate table. `when` is a CEL expression over the facts; `requires` names facts that must exist first. */
export const gateRule = z.strictObject({
  id: z.string().regex(/^[A-Z][A-Z0-9-]{0,19}$/),
  title: z.string().min(1).max(200),
  measure: z.string().min(1).max(100),
  requires: z.array(z.string().max(300)).max(50),
  when: z.string().min(1).max(2000),
  /** What to do when it does not hold. */
  advice: z.string().min(1).max(500),
});

export type GateRule = z.output<typeof gateRule>;

/** One version of a gate table, in force from this event on for its environment and tiers. */
export const policyActivated = z.strictObject({
  policyId: slug,
  version: z.int().min(1),
  environment: z.enum(['staging', 'production']),
  tiers: z.array(riskTier),
  rules: z.array(gateRule).min(1).max(50),
  /** SHA-256 over the canonical JSON (RFC 8785) of environment, tiers and rules. */
  digest,
  by: actorId,
});

export const evidenceType = z.enum(['evaluation', 'fairness', 'baseline-comparison', 'golden-outputs', 'review']);

const logPosition = z.string().regex(/^[1-9]\d{0,18}$/, 'must be a position of the log');
/** Positions of the log, both included. */
export const logRange = z.strictObject({ firstPosition: logPosition, lastPosition: logPosition });
/** Why a person is erased; words of one's own could be personal data again. @source GDPR, Article 17(1), (a) to (e) */
export const erasureGround = z.enum([
  'NO_LONGER_NEEDED',
  'CONSENT_WITHDRAWN',
  'OBJECTION',
  'UNLAWFUL_PROCESSING',
  'LEGAL_OBLIGATION',
]);

/**
 * Evidence, approvals and gate decisions about one artifact stand on one stream, named by its manifest digest. So a
 * decision and the facts it rests on cannot cross, and an approval cannot be carried to other bytes.
 */
export const governanceEvents = {
  UseCaseRegistered: z.strictObject({
    useCaseId: slug,
    name: z.string().min(1).max(200),
    purpose: text,
    owner: actorId,
    endpoints: z.array(slug),
    modelNames: z.array(z.string()),
  }),
  RiskTierAssigned: z.strictObject({
    useCaseId: slug,
    tier: riskTier,
    scorecard: z.string(),
    answers: z.record(z.string(), z.union([z.number(), z.array(z.string())])),
    score: z.int().min(0),
    /** The least tier that a legal trigger demands, and which. */
    legalFloor: z.strictObject({ tier: riskTier, triggers: z.array(z.string()) }),
    by: actorId,
  }),
  UseCaseSuspended: z.strictObject({ useCaseId: slug, endpoints: z.array(slug), reason: text, by: actorId }),
  UseCaseResumed: z.strictObject({ useCaseId: slug, endpoints: z.array(slug), reason: text, by: actorId }),
  PolicyActivated: policyActivated,
  /** Who made the bytes: the registrar of the version and whoever ran the training. They cannot approve them. */
  AuthorshipRecorded: z.strictObject({ subject: modelVersionRef, authors: z.array(actorId) }),
  EvidenceRecorded: z.strictObject({
    evidenceId: z.uuid(),
    subject: modelVersionRef,
    type: evidenceType,
    metrics: z.record(z.string(), z.number()),
    author: actorId,
    reviewer: actorId.nullable(),
    /** The event that it was taken from. */
    sourceEventId: z.uuid().nullable(),
    createdAt: instant,
  }),
  ApprovalGiven: z.strictObject({
    approvalId: z.uuid(),
    subject: modelVersionRef,
    environment: z.enum(['staging', 'production']),
    by: actorId,
    role: z.string(),
    meaning: z.enum(['APPROVED', 'REJECTED']),
    comment: personal(text, { subject: '/by' }),
    expiresAt: instant,
  }),
  /** Someone who may not approve these bytes tried to. */
  ApprovalRefused: z.strictObject({
    subject: modelVersionRef,
    environment: z.enum(['staging', 'production']),
    by: actorId,
    reason: z.enum(['SELF_APPROVAL', 'NOT_A_PERSON', 'ROLE_MISSING']),
    sentence: text,
  }),
  ApprovalRevoked: z.strictObject({
    approvalId: z.uuid(),
    subject: modelVersionRef,
    by: actorId,
    reason: personal(text, { subject: '/by' }),
  }),
  /** The decision, with all that is needed to recompute it. */
  GateEvaluated: z.strictObject({
    gateId: z.uuid(),
    rolloutId: z.uuid(),
    endpoint: slug,
    environment: z.enum(['staging', 'production']),
    subject: modelVersionRef,
    useCaseId: slug.nullable(),
    tier: riskTier,
    policy: z.strictObject({ policyId: slug, version: z.int().min(1), digest }).nullable(),
    factsDigest: digest,
    facts: z.record(z.string(), z.unknown()),
    at: instant,
    outcome: ruleOutcome,
    rules: z.array(z.strictObject({ id: z.string(), title: z.string(), outcome: ruleOutcome, sentence: text })),
    /** Streams beside the subject's own that a start must find unmoved. */
    restsOn: z.array(z.strictObject({ stream: z.string(), version: z.string().regex(/^\d+$/) })),
  }),
  /** The rollout that a passed decision was about has started: the decision is used and is not evaluated again. */
  GateSettled: z.strictObject({ gateId: z.uuid(), rolloutId: z.uuid(), subject: modelVersionRef }),
  /** A use case or a policy moved: passed decisions that rest on it and have not started are asked again. */
  GatesRechecked: z.strictObject({
    /** The stream that moved. */
    moved: z.string(),
    subjects: z.array(modelVersionRef),
  }),
  /** The keys of a person's data, up to this version, are destroyed. Nothing here tells who the person was. */
  SubjectErased: z.strictObject({ subjectId: actorId, keyVersion: z.int().min(1), ground: erasureGround, by: actorId }),
  IncidentOpened: z.strictObject({
    incidentId: z.uuid(),
    /** Null where no use case covers the endpoint. */
    useCaseId: slug.nullable(),
    endpoint: slug.nullable(),
    severity: z.enum(['warning', 'critical']),
    reason: text,
    alertId: z.uuid().nullable(),
  }),
  /** From here on nothing that may be evidence is removed: no archived partition of the workspace, no key of a person. */
  LegalHoldPlaced: z.strictObject({ holdId: z.uuid(), reason: text, by: actorId }),
  LegalHoldReleased: z.strictObject({ holdId: z.uuid(), reason: text, by: actorId }),
  /** A range of the log was written to files, read back and compared with the sealed tree. */
  LogArchived: logRange.extend({
    firstRecordedAt: instant,
    lastRecordedAt: instant,
    /** Root over the leaves of the range, in base64: a node of the log's tree. */
    root: z.base64(),
    /** SHA-256 of the manifest, which names every file. */
    manifestDigest: digest,
    by: actorId,
  }),
  /** The database no longer holds the range; the archive does. */
  ArchivedLogDropped: logRange.extend({ manifestDigest: digest, by: actorId }),
} as const;

export type GovernanceEvent = EventOf<typeof governanceEvents>;
