/** Why a command of the governance context is refused: one sentence for a person per code. */
export const governanceRejections = {
  APPROVAL_EXISTS: 'This person has said so already, and it is still valid: one person counts once.',
  APPROVAL_ALREADY_EXPIRED: 'An approval must expire after now.',
  APPROVAL_UNKNOWN: 'There is no such approval of this artifact.',
  ARCHIVE_DIFFERS: 'This range of the log was archived with another manifest.',
  ARCHIVE_UNKNOWN: 'This range of the log was never archived.',
  ERASURE_ROLE_REQUIRED: 'Erasing a person needs the role data-protection-officer or admin.',
  EVIDENCE_IS_MEASURED: 'People record reviews; all other evidence is taken by the platform from what it measured.',
  LEGAL_HOLD: 'A legal hold keeps everything in this workspace until it is released.',
  LEGAL_HOLD_UNKNOWN: 'There is no such legal hold in this workspace.',
  NOT_THE_APPROVER: 'An approval is revoked by who gave it or by a risk officer; an objection by who raised it.',
  POLICY_INVALID: 'The gate table has rules that could not be evaluated as they are meant.',
  REVIEW_BY_AUTHOR: 'An author of an artifact cannot review it.',
  REVIEWER_NOT_SENDER: 'A review is recorded by the person who made it.',
  ROLE_REQUIRED: 'This needs the role risk-officer or admin.',
  SERVICE_ONLY: 'Only the platform itself sends this command; reviews come from signed-in persons too.',
  SUBJECT_UNKNOWN: 'No personal data of this person was ever stored here.',
  USE_CASE_EXISTS: 'A use case with this id exists.',
  USE_CASE_UNKNOWN: 'There is no use case with this id.',
} as const;

export type GovernanceRejection = keyof typeof governanceRejections;
