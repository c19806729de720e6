import { isCelError, run } from '@bufbuild/cel';
import type { CelInput } from '@bufbuild/cel';
import type { GateRule, RuleOutcome } from './events.js';
import type { GateFacts } from './facts.js';

export interface RuleResult {
  readonly id: string;
  readonly title: string;
  readonly outcome: RuleOutcome;
  /** The values, and what to do next. */
  readonly sentence: string;
}

export interface GateDecision {
  /** The worst of the rules. */
  readonly outcome: RuleOutcome;
  readonly rules: readonly RuleResult[];
}

/** From good to bad. A rule that could not be evaluated is worse than one that says no. */
const BY_SEVERITY: readonly RuleOutcome[] = ['PASS', 'NEEDS', 'BLOCK', 'ERROR'];

/** Sentences become part of events, whose texts have at most 5,000 characters. */
const MAX_SENTENCE = 2000;

const valueAt = (facts: unknown, path: string): unknown => {
  let value = facts;
  for (const part of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string, unknown>)[part];
  }
  return value;
};

const shown = (facts: GateFacts, { requires, when }: GateRule): string => {
  const paths = new Set(requires);
  if (/\bvalidApprovals\b/.test(when)) paths.add('validApprovals');
  const values = [...paths].map((path) => {
    const value = valueAt(facts, path);
    if (path === 'validApprovals') {
      const roles = facts.validApprovals.map(({ actor, role }) => `${actor} as ${role}`);
      return `valid approvals: ${roles.join(', ') || 'none'}`;
    }
    return typeof value === 'object' ? `${path} is there` : `${path} is ${String(value)}`;
  });
  return values.length === 0 ? '' : ` (${values.join('; ')})`;
};

const evaluateRule = (rule: GateRule, facts: GateFacts): RuleResult => {
  const { id, title, when, requires, advice } = rule;
  const result = (outcome: RuleOutcome, sentence: string): RuleResult => ({
    id,
    title,
    outcome,
    sentence: sentence.slice(0, MAX_SENTENCE),
  });
  // Before the evaluation, because CEL absorbs the error of a missing fact in `||` and `exists`.
  const missing = requires.filter((path) => valueAt(facts, path) === undefined);
  if (missing.length > 0) return result('NEEDS', `Missing: ${missing.join(', ')}. ${advice}`);
  let value: unknown;
  try {
    value = run(when, facts as unknown as Record<string, CelInput>);
  } catch (error) {
    return result('ERROR', `Could not be evaluated: ${error instanceof Error ? error.message : String(error)}.`);
  }
  if (value === true) return result('PASS', `Holds${shown(facts, rule)}.`);
  if (value === false) return result('BLOCK', `Does not hold${shown(facts, rule)}: ${when.trim()}. ${advice}`);
  const what = isCelError(value) ? value.message : `the result is ${typeof value}, not a boolean`;
  return result('ERROR', `Could not be evaluated: ${what}.`);
};

/**
 * Applies a gate table to facts. Pure: the same table and facts give the same decision on every machine. It is also the
 * dry run: nothing is recorded here.
 *
 * @param policy null if no gate table is active: a decision that says what to do, and never a pass.
 */
export const evaluateGate = (
  policy: { readonly rules: readonly GateRule[] } | null,
  facts: GateFacts,
  useCaseId: string | null,
): GateDecision => {
  const refuse = (id: string, title: string, outcome: RuleOutcome, sentence: string): GateDecision => ({
    outcome,
    rules: [{ id, title, outcome, sentence }],
  });
  const { endpoint, environment, tier } = facts;
  if (useCaseId === null) {
    const sentence = `No use case names the endpoint ${endpoint}. Register one with this endpoint and classify it.`;
    return refuse('USE-CASE', 'A use case covers the endpoint', 'NEEDS', sentence);
  }
  if (facts.suspended) {
    const sentence = `The use case ${useCaseId} is suspended. Resume it first.`;
    return refuse('SUSPENDED', 'The use case is not suspended', 'BLOCK', sentence);
  }
  if (tier === 'PROHIBITED') {
    const sentence = `The use case ${useCaseId} is a prohibited practice: nothing of it may be deployed.`;
    return refuse('PROHIBITED', 'The use case is permitted', 'BLOCK', sentence);
  }
  if (tier === 'UNCLASSIFIED') {
    const sentence = `The use case ${useCaseId} has no risk tier. Answer its scorecard.`;
    return refuse('TIER', 'The use case is classified', 'NEEDS', sentence);
  }
  if (policy === null) {
    const sentence = `No policy is active for ${environment} and tier ${tier}. Activate one.`;
    return refuse('POLICY', 'A policy is active', 'NEEDS', sentence);
  }
  const rules = policy.rules.map((rule) => evaluateRule(rule, facts));
  const worst = Math.max(...rules.map(({ outcome }) => BY_SEVERITY.indexOf(outcome)));
  // A table without rules cannot be activated; if one came all the same, it would not be a pass.
  return { outcome: BY_SEVERITY[worst] ?? 'ERROR', rules };
};
