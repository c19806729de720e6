import type { GateContext } from './commands.js';
import type { GovernanceEvent, RiskTier } from './events.js';

type DataOf<Type extends GovernanceEvent['type']> = Extract<GovernanceEvent, { type: Type }>['data'];

/** The newest evidence of a type, as a rule sees it. */
interface EvidenceFact {
  readonly metrics: Readonly<Record<string, number>>;
  readonly ageHours: number;
  readonly author: string;
  /** Absent while nobody has reviewed it: a missing fact, and not one that differs from the author. */
  readonly reviewer?: string;
}

/** Types of evidence under the names that a rule can write: CEL takes a hyphen for a minus. */
export const EVIDENCE_NAMES = {
  evaluation: 'evaluation',
  fairness: 'fairness',
  'baseline-comparison': 'baselineComparison',
  'golden-outputs': 'goldenOutputs',
  review: 'review',
} as const satisfies Record<DataOf<'EvidenceRecorded'>['type'], string>;

/** All that a rule may see. Plain JSON; every number is a double in CEL. */
export interface GateFacts {
  readonly environment: string;
  readonly endpoint: string;
  readonly tier: RiskTier;
  readonly suspended: boolean;
  readonly requestedBy: string;
  readonly authors: readonly string[];
  readonly evidence: Readonly<Record<string, EvidenceFact>>;
  /** One entry per person. What a rule author could forget has been filtered out. */
  readonly validApprovals: readonly { readonly actor: string; readonly role: string }[];
  /** Persons whose valid word on these bytes is a rejection. */
  readonly rejections: readonly string[];
}

export interface Approval extends Omit<DataOf<'ApprovalGiven'>, 'subject'> {
  readonly revoked: boolean;
}

/** What is recorded about an artifact, from its own stream. */
export interface SubjectRecord {
  readonly authors: readonly string[];
  readonly evidence: readonly Omit<DataOf<'EvidenceRecorded'>, 'subject'>[];
  readonly approvals: readonly Approval[];
}

/** An approval that counts at `at`: not revoked and not expired. */
export const isValid = ({ revoked, expiresAt }: Approval, at: string): boolean =>
  !revoked && Date.parse(expiresAt) > Date.parse(at);

interface Request {
  readonly endpoint: string;
  readonly environment: 'staging' | 'production';
  readonly requestedBy: string;
}

const HOUR_MS = 3_600_000;

/**
 * The facts at a moment. Separation of duties stands here and not in the rules: an approval counts only if it is for this
 * environment, not revoked, not expired, not by an author of the bytes and not by who asked for the rollout; one entry
 * per person, whatever number of roles; and none by a person who also rejects. A review by an author is none.
 *
 * @param at RFC 3339; ages of evidence and expiries of approvals are measured against it.
 */
export const buildFacts = (
  record: SubjectRecord,
  { endpoint, environment, requestedBy }: Request,
  { useCase }: GateContext,
  at: string,
): GateFacts => {
  const evidence: Record<string, EvidenceFact> = {};
  for (const { type, metrics, author, reviewer, createdAt } of record.evidence) {
    // A review that was recorded before its reviewer became known as an author.
    if (type === 'review' && record.authors.includes(author)) continue;
    const ageHours = Math.max(0, (Date.parse(at) - Date.parse(createdAt)) / HOUR_MS);
    evidence[EVIDENCE_NAMES[type]] = { metrics, ageHours, author, ...(reviewer !== null && { reviewer }) };
  }
  const excluded = new Set([...record.authors, requestedBy]);
  const counted = record.approvals.filter(
    (approval) => approval.environment === environment && isValid(approval, at) && !excluded.has(approval.by),
  );
  const rejections = [...new Set(counted.filter(({ meaning }) => meaning === 'REJECTED').map(({ by }) => by))];
  const byPerson = new Map<string, string>();
  for (const { by, role, meaning } of counted) {
    if (meaning === 'APPROVED' && !rejections.includes(by) && !byPerson.has(by)) byPerson.set(by, role);
  }
  return {
    environment,
    endpoint,
    tier: useCase?.tier ?? 'UNCLASSIFIED',
    suspended: useCase?.suspended ?? false,
    requestedBy,
    authors: record.authors,
    evidence,
    validApprovals: [...byPerson].map(([actor, role]) => ({ actor, role })),
    rejections,
  };
};
