import {
  type CommandMetadata,
  type CommandOf,
  type Decider,
  type Decision,
  reject,
  unreachable,
} from '@kontor/event-sourcing';
import { isOwnService, RISK_OFFICER } from './authority.js';
import type { GateContext, governanceCommands } from './commands.js';
import type { GovernanceEvent } from './events.js';
import { type Approval, buildFacts, isValid, type SubjectRecord } from './facts.js';
import { evaluateGate } from './gate.js';
import type { GovernanceRejection } from './rejections.js';
import { canonicalJson, derivedUuid, digestOf } from '../digest.js';

/** What was asked of the gate, and what became of the newest decision about it. */
interface Gate {
  readonly rolloutId: string;
  readonly gateId: string;
  readonly endpoint: string;
  readonly environment: 'staging' | 'production';
  readonly requestedBy: string;
  readonly passed: boolean;
  /** The rollout has started: its decision is used. */
  readonly settled: boolean;
  /** Something was recorded after the decision, so it holds no longer. */
  readonly stale: boolean;
  /** Use case and policy that it rests on, as they stood. */
  readonly restsOn: GateContext['restsOn'];
  readonly at: string;
  readonly evaluations: number;
}

export interface SubjectState extends SubjectRecord {
  readonly gates: readonly Gate[];
}

export type SubjectCommand = CommandOf<
  typeof governanceCommands,
  | 'RecordAuthorship'
  | 'RecordEvidence'
  | 'GiveApproval'
  | 'RevokeApproval'
  | 'EvaluateGate'
  | 'ReevaluateGates'
  | 'SettleGate'
>;
type CommandData<Type extends SubjectCommand['type']> = Extract<SubjectCommand, { type: Type }>['data'];
type Decided = Decision<GovernanceEvent, GovernanceRejection>;

const DAY_MS = 86_400_000;
/** An approval that is not used in this time is asked for again. @source OWASP AISVS 9.6.2 asks for an expiry; 14 is ours. */
const APPROVAL_DAYS = 14;
/**
 * Decisions that passed and have not been used: they are decided again once they hold no longer, however late that is. Those
 * of rollouts that were aborted are among them, because that is no event of this stream.
 */
export const openGates = ({ gates }: SubjectState): readonly Gate[] =>
  gates.filter(({ passed, settled }) => passed && !settled);

const hasMoved = ({ restsOn }: Gate, context: GateContext): boolean =>
  canonicalJson(restsOn) !== canonicalJson(context.restsOn);

const decide = (command: SubjectCommand, state: SubjectState): Decided => {
  const { metadata } = command;
  switch (command.type) {
    case 'GiveApproval':
      return giveApproval(command.data, state, metadata);
    case 'RevokeApproval':
      return revokeApproval(command.data, state, metadata);
    case 'RecordEvidence':
      return recordEvidence(command.data, state, metadata);
  }
  if (!isOwnService(metadata)) return reject('SERVICE_ONLY', { actor: metadata.actor.id });
  switch (command.type) {
    case 'RecordAuthorship': {
      const authors = [...new Set(command.data.authors)].filter((author) => !state.authors.includes(author));
      if (authors.length === 0) return [];
      return [{ type: 'AuthorshipRecorded', data: { subject: command.data.subject, authors } }];
    }
    case 'EvaluateGate': {
      const { context, ...request } = command.data;
      if (context === null) throw new Error('EvaluateGate was dispatched before its context was read');
      // Asked once per rollout; a change of facts asks again through ReevaluateGates.
      if (state.gates.some(({ rolloutId }) => rolloutId === request.rolloutId)) return [];
      return [gateEvaluated({ ...request, evaluations: 0 }, context, state, metadata.now)];
    }
    case 'ReevaluateGates': {
      const { subject, contexts, ended } = command.data;
      if (contexts === null) throw new Error('ReevaluateGates was dispatched before its contexts were read');
      // One at a time: a second decision on this stream would make the first one stale again. So while one holds, the
      // others wait: its start settles it or its rollout is aborted, and that asks again.
      const open = openGates(state).filter(({ rolloutId }) => !ended.includes(rolloutId));
      const holding = open.find((candidate) => !candidate.stale);
      const gate = holding ?? open[0];
      const context = gate && contexts[gate.rolloutId];
      if (holding && context && !hasMoved(holding, context)) return [];
      return context ? [gateEvaluated({ ...gate, subject }, context, state, metadata.now)] : [];
    }
    case 'SettleGate': {
      const { rolloutId, subject } = command.data;
      const gate = state.gates.find((candidate) => candidate.rolloutId === rolloutId);
      if (gate === undefined || gate.settled) return [];
      return [{ type: 'GateSettled', data: { gateId: gate.gateId, rolloutId, subject } }];
    }
    default:
      return unreachable(command);
  }
};

const giveApproval = (
  { expiresAt: wanted, ...given }: CommandData<'GiveApproval'>,
  state: SubjectState,
  { actor, now }: CommandMetadata,
): Decided => {
  const { subject, environment, role, meaning } = given;
  const refuse = (reason: 'SELF_APPROVAL' | 'NOT_A_PERSON' | 'ROLE_MISSING', sentence: string): Decided => [
    { type: 'ApprovalRefused', data: { subject, environment, by: actor.id, reason, sentence } },
  ];
  if (actor.kind === 'service') return refuse('NOT_A_PERSON', `${actor.id} is a service; only persons approve.`);
  if (actor.kind === 'local') {
    return refuse('NOT_A_PERSON', 'The local user of an installation without sign-in cannot count as a second person.');
  }
  if (state.authors.includes(actor.id)) {
    return refuse('SELF_APPROVAL', `${actor.id} is an author of this artifact and cannot approve it.`);
  }
  const asked = state.gates.some(
    (gate) => gate.requestedBy === actor.id && gate.environment === environment && !gate.settled,
  );
  if (asked) return refuse('SELF_APPROVAL', `${actor.id} requested the rollout and cannot approve it.`);
  if (!actor.roles.includes(role)) return refuse('ROLE_MISSING', `${actor.id} does not have the role ${role}.`);

  const known = state.approvals.some(
    (approval) =>
      approval.by === actor.id &&
      approval.environment === environment &&
      approval.meaning === meaning &&
      isValid(approval, now),
  );
  if (known) return reject('APPROVAL_EXISTS', { by: actor.id, environment, meaning });
  const expiresAt = wanted ?? new Date(Date.parse(now) + APPROVAL_DAYS * DAY_MS).toISOString();
  if (Date.parse(expiresAt) <= Date.parse(now)) return reject('APPROVAL_ALREADY_EXPIRED', { expiresAt, now });
  return [{ type: 'ApprovalGiven', data: { ...given, by: actor.id, expiresAt } }];
};

const revokeApproval = (
  { approvalId, subject, reason }: CommandData<'RevokeApproval'>,
  state: SubjectState,
  { actor }: CommandMetadata,
): Decided => {
  const approval = state.approvals.find((candidate) => candidate.approvalId === approvalId);
  if (approval === undefined) return reject('APPROVAL_UNKNOWN', { approvalId });
  const { by, meaning } = approval;
  // Taking an objection back starts something, so no other person does it: the risk officer could be the author.
  const may = actor.id === by || (meaning === 'APPROVED' && actor.roles.includes(RISK_OFFICER));
  if (!may) return reject('NOT_THE_APPROVER', { approvalId, by, meaning });
  if (approval.revoked) return [];
  return [{ type: 'ApprovalRevoked', data: { approvalId, subject, by: actor.id, reason } }];
};

const recordEvidence = (
  data: CommandData<'RecordEvidence'>,
  state: SubjectState,
  metadata: CommandMetadata,
): Decided => {
  const { actor, now } = metadata;
  const { subject, evidence, sourceEventId } = data;
  let { reviewer } = data;
  if (!isOwnService(metadata)) {
    if (actor.kind !== 'person') return reject('SERVICE_ONLY', { actor: actor.id });
    const measured = evidence.filter(({ type }) => type !== 'review').map(({ type }) => type);
    if (measured.length > 0 || sourceEventId !== null) return reject('EVIDENCE_IS_MEASURED', { types: measured });
    if (reviewer !== null && reviewer !== actor.id) return reject('REVIEWER_NOT_SENDER', { reviewer, actor: actor.id });
    if (state.authors.includes(actor.id)) return reject('REVIEW_BY_AUTHOR', { actor: actor.id });
    reviewer = actor.id;
  }
  // By type too: ids of measured evidence can be computed, and a review under such an id must not keep it out.
  const known = new Set(state.evidence.map(({ evidenceId, type }) => `${type} ${evidenceId}`));
  return evidence
    .filter(({ evidenceId, type }) => !known.has(`${type} ${evidenceId}`))
    .map((item) => ({
      type: 'EvidenceRecorded',
      data: { ...item, subject, reviewer, sourceEventId, author: actor.id, createdAt: now },
    }));
};

type Asked = Omit<CommandData<'EvaluateGate'>, 'context'> & { readonly evaluations: number };

const gateEvaluated = (
  { rolloutId, endpoint, environment, subject, requestedBy, evaluations }: Asked,
  context: GateContext,
  state: SubjectState,
  at: string,
): GovernanceEvent => {
  const facts = buildFacts(state, { endpoint, environment, requestedBy }, context, at);
  const { useCase, policy, restsOn } = context;
  const { outcome, rules } = evaluateGate(policy, facts, useCase?.useCaseId ?? null);
  return {
    type: 'GateEvaluated',
    data: {
      gateId: derivedUuid(`gate ${rolloutId} ${evaluations + 1}`),
      rolloutId,
      endpoint,
      environment,
      subject,
      useCaseId: useCase?.useCaseId ?? null,
      tier: facts.tier,
      policy: policy && { policyId: policy.policyId, version: policy.version, digest: policy.digest },
      factsDigest: digestOf(facts),
      facts: { ...facts },
      at,
      outcome,
      rules: [...rules],
      restsOn,
    },
  };
};

const stale = (state: SubjectState): SubjectState => ({
  ...state,
  gates: state.gates.map((gate) => ({ ...gate, stale: true })),
});

const evolve = (before: SubjectState, event: GovernanceEvent): SubjectState => {
  // Every event moves the stream, and a decision holds only while the stream stands at its version.
  const state = stale(before);
  switch (event.type) {
    case 'AuthorshipRecorded':
      return { ...state, authors: [...state.authors, ...event.data.authors] };
    case 'EvidenceRecorded': {
      const { subject: _, ...evidence } = event.data;
      return { ...state, evidence: [...state.evidence, evidence] };
    }
    case 'ApprovalGiven': {
      const { subject: _, ...given } = event.data;
      const approval: Approval = { ...given, revoked: false };
      return { ...state, approvals: [...state.approvals, approval] };
    }
    case 'ApprovalRevoked': {
      const { approvalId } = event.data;
      const approvals = state.approvals.map((approval) =>
        approval.approvalId === approvalId ? { ...approval, revoked: true } : approval,
      );
      return { ...state, approvals };
    }
    case 'GateEvaluated': {
      const { rolloutId, gateId, endpoint, environment, at, outcome, restsOn } = event.data;
      const others = state.gates.filter((gate) => gate.rolloutId !== rolloutId);
      const earlier = before.gates.find((gate) => gate.rolloutId === rolloutId);
      const gate: Gate = {
        rolloutId,
        gateId,
        endpoint,
        environment,
        requestedBy: String(event.data.facts['requestedBy']),
        passed: outcome === 'PASS',
        settled: false,
        stale: false,
        restsOn,
        at,
        evaluations: (earlier?.evaluations ?? 0) + 1,
      };
      return { ...state, gates: [...others, gate] };
    }
    case 'GateSettled': {
      const { rolloutId } = event.data;
      const gates = state.gates.map((gate) => (gate.rolloutId === rolloutId ? { ...gate, settled: true } : gate));
      return { ...state, gates };
    }
    default:
      return state;
  }
};

/** The rules about one artifact: who made it, what was measured, who approved it, and what the gate decided. */
export const subject: Decider<SubjectState, SubjectCommand, GovernanceEvent, GovernanceRejection> = {
  initialState: { authors: [], evidence: [], approvals: [], gates: [] },
  decide,
  evolve,
};
