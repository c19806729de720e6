import { EVIDENCE_NAMES } from './facts.js';

/** What a part of a rule is. `unknown` is what a problem was found in: nothing more is said about it. */
export type Type = 'yes or no' | 'whole number' | 'decimal number' | 'text' | 'approval' | 'unknown' | ListType;
export interface ListType {
  readonly of: Type;
  /** How many elements are reckoned with. */
  readonly size: number;
}

/** A fact that is a list holds persons; more of them make an evaluation slower in proportion, or in their square. */
const RECKONED_PERSONS = 50;
const persons = (of: Type): ListType => ({ of, size: RECKONED_PERSONS });

/** Facts that always exist, so a rule need not require them. */
const ALWAYS: Readonly<Record<string, Type>> = {
  environment: 'text',
  endpoint: 'text',
  tier: 'text',
  suspended: 'yes or no',
  requestedBy: 'text',
  authors: persons('text'),
  validApprovals: persons('approval'),
  rejections: persons('text'),
};
const EVIDENCE_FIELDS: Readonly<Record<string, Type>> = {
  ageHours: 'decimal number',
  author: 'text',
  reviewer: 'text',
};
const EVIDENCE_TYPES: ReadonlySet<string> = new Set(Object.values(EVIDENCE_NAMES));
export const APPROVAL_FIELDS: ReadonlySet<string> = new Set(['actor', 'role']);

export const isList = (type: Type): type is ListType => typeof type === 'object';
export const nameOf = (type: Type): string => (isList(type) ? 'list' : type);
export const agree = (a: Type, b: Type): boolean =>
  a === 'unknown' || b === 'unknown' || (isList(a) && isList(b) ? agree(a.of, b.of) : a === b);

/** The type of the fact at a path; undefined if it is none that a rule can use. */
export const factType = (path: string): Type | undefined => {
  const [root = '', type = '', field = '', metric, ...rest] = path.split('.');
  if (root !== 'evidence') return path === root && Object.hasOwn(ALWAYS, root) ? ALWAYS[root] : undefined;
  if (!EVIDENCE_TYPES.has(type) || rest.length > 0) return undefined;
  if (field === 'metrics') return metric ? 'decimal number' : undefined;
  return metric === undefined && Object.hasOwn(EVIDENCE_FIELDS, field) ? EVIDENCE_FIELDS[field] : undefined;
};

export const canBeRequired = (path: string): boolean => {
  const [root, type = '', ...rest] = path.split('.');
  return factType(path) !== undefined || (root === 'evidence' && EVIDENCE_TYPES.has(type) && rest.length === 0);
};

/** Whether a fact is surely there once all that is required is: every evidence has an age and an author. */
export const isThere = (path: string, requires: readonly string[]): boolean => {
  const [root, type = '', field = ''] = path.split('.');
  if (root !== 'evidence' || requires.includes(path)) return true;
  const evidence = `evidence.${type}`;
  const always = field === 'ageHours' || field === 'author';
  return always && requires.some((required) => required === evidence || required.startsWith(`${evidence}.`));
};
