/**
 * The roles of people: those that a rule here names, `auditor`, which reads and changes nothing, and `data-scientist`, which no rule
 * asks for. A policy may ask for approvals by further ones.
 */
export const ROLES = [
  'admin',
  'auditor',
  'data-protection-officer',
  'data-scientist',
  'operator',
  'owner',
  'risk-officer',
  'validator',
] as const;

export type Role = (typeof ROLES)[number];
