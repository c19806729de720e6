/**
 * The roles of people that something here asks for; `auditor` reads and changes nothing, `data-scientist` is for whoever
 * needs no other. A policy may ask for approvals by further ones.
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
