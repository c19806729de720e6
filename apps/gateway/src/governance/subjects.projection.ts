import type { GovernanceEvent } from '@kontor/domain/governance';
import type { Projection } from '@kontor/event-sourcing';
import { rowKey } from '../graphql/row-key.js';

type DataOf<Type extends GovernanceEvent['type']> = Extract<GovernanceEvent, { type: Type }>['data'];

/** What governance knows about one artifact: who made it, what was measured, who approved it and who tried to. */
export interface SubjectRow {
  readonly manifestDigest: string;
  readonly version: DataOf<'AuthorshipRecorded'>['subject'];
  readonly authors: readonly string[];
  readonly evidence: readonly Omit<DataOf<'EvidenceRecorded'>, 'subject'>[];
  readonly approvals: readonly (Omit<DataOf<'ApprovalGiven'>, 'subject'> & {
    readonly at: string;
    readonly revocation: { readonly by: string; readonly reason: string; readonly at: string } | null;
  })[];
  readonly refusedApprovals: readonly (Omit<DataOf<'ApprovalRefused'>, 'subject'> & { readonly at: string })[];
}

const begin = (version: SubjectRow['version']): SubjectRow => ({
  manifestDigest: version.manifestDigest,
  version,
  authors: [],
  evidence: [],
  approvals: [],
  refusedApprovals: [],
});

/** One row per artifact, named by its manifest digest. */
export const subjects: Projection<SubjectRow, GovernanceEvent> = {
  name: 'subjects',
  version: 1,
  canHandle: ['AuthorshipRecorded', 'EvidenceRecorded', 'ApprovalGiven', 'ApprovalRefused', 'ApprovalRevoked'],
  keys: ({ workspace, data }) => ('subject' in data ? [rowKey(workspace, data.subject.manifestDigest)] : []),
  evolve: (before, event) => {
    if (!('subject' in event.data)) return before;
    const row = before ?? begin(event.data.subject);
    const at = event.recordedAt;
    switch (event.type) {
      case 'AuthorshipRecorded':
        return { ...row, authors: [...new Set([...row.authors, ...event.data.authors])] };
      case 'EvidenceRecorded': {
        const { subject: _, ...evidence } = event.data;
        return { ...row, evidence: [...row.evidence, evidence] };
      }
      case 'ApprovalGiven': {
        const { subject: _, ...approval } = event.data;
        return { ...row, approvals: [...row.approvals, { ...approval, at, revocation: null }] };
      }
      case 'ApprovalRefused': {
        const { subject: _, ...refusal } = event.data;
        return { ...row, refusedApprovals: [...row.refusedApprovals, { ...refusal, at }] };
      }
      case 'ApprovalRevoked': {
        const { approvalId, by, reason } = event.data;
        return {
          ...row,
          approvals: row.approvals.map((approval) =>
            approval.approvalId === approvalId ? { ...approval, revocation: { by, reason, at } } : approval,
          ),
        };
      }
      default:
        return before;
    }
  },
};
