import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultPolicies } from './default-policies.js';
import type { GateRule, RuleOutcome } from './events.js';
import { buildFacts, type GateFacts } from './facts.js';
import { evaluateGate } from './gate.js';
import { ruleProblems } from './rule-check.js';
import { classify, type ScorecardAnswers, scorecardAnswers } from './scorecard.js';
import { canonicalJson, derivedUuid, sha256Hex } from './sha256.js';

const evidence = (metrics: Record<string, number>, ageHours = 1) => ({
  metrics,
  ageHours,
  author: 's',
  reviewer: null,
});

const good: GateFacts = {
  environment: 'production',
  endpoint: 'credit',
  tier: 'HIGH',
  suspended: false,
  requestedBy: 'rosa',
  authors: ['ada'],
  evidence: {
    evaluation: evidence({ accuracy: 0.8, rows: 5000 }),
    fairness: evidence({ demographicParityDifference: 0.1, equalOpportunityDifference: 0.05, undefinedDifferences: 0 }),
    baselineComparison: evidence({ accuracyGain: 0.02 }),
    goldenOutputs: evidence({ maxDifference: 0 }),
  },
  validApprovals: [
    { actor: 'vera', role: 'validator' },
    { actor: 'rick', role: 'risk-officer' },
  ],
  rejections: [],
};
const without = (name: string): GateFacts => ({
  ...good,
  evidence: Object.fromEntries(Object.entries(good.evidence).filter(([key]) => key !== name)),
});
const withEvidence = (name: string, metrics: Record<string, number>, ageHours?: number): GateFacts => ({
  ...good,
  evidence: { ...good.evidence, [name]: evidence(metrics, ageHours) },
});
const high = defaultPolicies.find(({ tiers }) => tiers.includes('HIGH')) ?? null;
const failing = (facts: GateFacts) =>
  evaluateGate(high, facts, 'credit')
    .rules.filter(({ outcome }) => outcome !== 'PASS')
    .map(({ id, outcome }) => `${id} ${outcome}`);

describe('the gate of a HIGH use case in production', () => {
  it.each<[string, GateFacts, RuleOutcome, string[]]>([
    ['passes with everything there', good, 'PASS', []],
    ['needs an evaluation', without('evaluation'), 'NEEDS', ['EVALUATION NEEDS']],
    ['needs fairness', without('fairness'), 'NEEDS', ['FAIRNESS NEEDS']],
    ['needs a comparison', without('baselineComparison'), 'NEEDS', ['BASELINE NEEDS']],
    ['needs golden outputs', without('goldenOutputs'), 'NEEDS', ['GOLDEN NEEDS']],
    [
      'blocks an evaluation that is older than 90 days',
      withEvidence('evaluation', { accuracy: 0.8, rows: 5000 }, 2160),
      'BLOCK',
      ['EVALUATION BLOCK'],
    ],
    ['blocks an equal baseline', withEvidence('baselineComparison', { accuracyGain: 0 }), 'BLOCK', ['BASELINE BLOCK']],
    ['blocks other outputs', withEvidence('goldenOutputs', { maxDifference: 2e-5 }), 'BLOCK', ['GOLDEN BLOCK']],
    [
      'blocks a difference above the limit',
      withEvidence('fairness', {
        demographicParityDifference: 0.21,
        equalOpportunityDifference: 0,
        undefinedDifferences: 0,
      }),
      'BLOCK',
      ['FAIRNESS BLOCK'],
    ],
    ['blocks without approvals', { ...good, validApprovals: [] }, 'BLOCK', ['APPROVALS BLOCK']],
    [
      'blocks with one role only',
      { ...good, validApprovals: [{ actor: 'vera', role: 'validator' }] },
      'BLOCK',
      ['APPROVALS BLOCK'],
    ],
    ['blocks while somebody rejects', { ...good, rejections: ['rita'] }, 'BLOCK', ['UNOPPOSED BLOCK']],
  ])('%s', (_, facts, outcome, rules) => {
    expect(evaluateGate(high, facts, 'credit').outcome).toBe(outcome);
    expect(failing(facts)).toEqual(rules);
  });

  it('never passes without a use case, a tier or a policy, and says what to do', () => {
    expect(evaluateGate(high, good, null)).toMatchObject({ outcome: 'NEEDS', rules: [{ id: 'USE-CASE' }] });
    expect(evaluateGate(null, good, 'credit')).toMatchObject({ outcome: 'NEEDS', rules: [{ id: 'POLICY' }] });
    const unclassified = { ...good, tier: 'UNCLASSIFIED' } as const;
    expect(evaluateGate(high, unclassified, 'credit')).toMatchObject({ outcome: 'NEEDS', rules: [{ id: 'TIER' }] });
    const prohibited = { ...good, tier: 'PROHIBITED' } as const;
    expect(evaluateGate(high, prohibited, 'credit').outcome).toBe('BLOCK');
    expect(evaluateGate(high, { ...good, suspended: true }, 'credit').outcome).toBe('BLOCK');
  });

  it('names the actual value and what to do next', () => {
    const [rule] = evaluateGate(high, withEvidence('goldenOutputs', { maxDifference: 0.5 }), 'credit').rules.filter(
      ({ id }) => id === 'GOLDEN',
    );
    expect(rule?.sentence).toContain('maxDifference is 0.5');
    expect(rule?.sentence).toContain('Register the version with golden rows');
  });
});

describe('a rule', () => {
  const rule = (when: string, requires: string[] = []): GateRule => ({
    id: 'R1',
    title: 't',
    measure: 'm',
    requires,
    when,
    advice: 'Do it.',
  });
  const outcome = (r: GateRule) => evaluateGate({ rules: [r] }, good, 'credit').outcome;

  it('is an error unless it is a boolean', () => {
    expect(outcome(rule('1'))).toBe('ERROR');
    expect(outcome(rule('evidence.evaluation.metrics.nope > 1.0'))).toBe('ERROR');
    expect(outcome(rule('1 +'))).toBe('ERROR');
    expect(outcome(rule('now()'))).toBe('ERROR');
  });

  it('is not evaluated while a fact is missing, because CEL would absorb the error', () => {
    const trap = 'evidence.review.metrics.nope > 1.0 || true';
    expect(outcome(rule(trap))).toBe('PASS');
    expect(outcome(rule(trap, ['evidence.review.metrics.nope']))).toBe('NEEDS');
    expect(ruleProblems(rule(trap))).toHaveLength(1);
  });

  it.each<[string, string, string[], number]>([
    ['does not parse', '1 +', [], 1],
    ['names no fact', 'evidnce.evaluation.ageHours < 1.0', [], 1],
    [
      'names a metric that it does not require',
      'evidence.evaluation.metrics.accuracy > 0.5',
      ['evidence.evaluation'],
      1,
    ],
    ['requires what is no fact', 'true', ['evidence.typo'], 1],
    ['names a metric that it requires', 'evidence.evaluation.metrics.a > 0.5', ['evidence.evaluation.metrics.a'], 0],
    [
      'guards a metric with has()',
      'has(evidence.evaluation.metrics.a) && evidence.evaluation.metrics.a > 0.5',
      ['evidence.evaluation'],
      0,
    ],
    [
      'guards on the wrong side of an or',
      'has(evidence.evaluation.metrics.a) || evidence.evaluation.metrics.a > 0.5',
      ['evidence.evaluation'],
      1,
    ],
    ['uses a variable of its own', 'validApprovals.exists(a, a.role == "validator")', [], 0],
  ])('that %s has the right number of problems', (_, when, requires, problems) => {
    expect(ruleProblems(rule(when, requires))).toHaveLength(problems);
  });

  it('of the default tables has no problem', () => {
    expect(defaultPolicies.flatMap(({ rules }) => rules.flatMap((r) => ruleProblems(r)))).toEqual([]);
  });
});

describe('the facts', () => {
  const approval = (by: string, role: string) => ({
    approvalId: '00000000-0000-4000-8000-000000000001',
    environment: 'production' as const,
    by,
    role,
    meaning: 'APPROVED' as const,
    comment: '',
    expiresAt: '2026-06-02T00:00:00.000Z',
    revoked: false,
  });
  const build = (approvals: ReturnType<typeof approval>[], at = '2026-06-01T00:00:00.000Z') =>
    buildFacts(
      { authors: ['ada'], evidence: [], approvals },
      { endpoint: 'credit', environment: 'production', requestedBy: 'rosa' },
      { useCase: null, policy: null, restsOn: [] },
      at,
    ).validApprovals;

  it('hold one approval per person and none by an author or the requester', () => {
    expect(
      build([
        approval('ada', 'validator'),
        approval('rosa', 'validator'),
        approval('vera', 'a'),
        approval('vera', 'b'),
      ]),
    ).toEqual([{ actor: 'vera', role: 'a' }]);
  });

  it('hold no approval that is expired, revoked or for another environment', () => {
    expect(build([approval('vera', 'a')], '2026-06-02T00:00:00.000Z')).toEqual([]);
    expect(build([{ ...approval('vera', 'a'), revoked: true }])).toEqual([]);
    expect(build([{ ...approval('vera', 'a'), environment: 'staging' as never }])).toEqual([]);
  });
});

describe('the scorecard', () => {
  const TIERS = ['UNCLASSIFIED', 'LOW', 'MEDIUM', 'HIGH', 'PROHIBITED'];
  const four = fc.integer({ min: 0, max: 4 });
  const three = fc.integer({ min: 0, max: 3 });
  const answers = fc.record({
    legalTriggers: fc.subarray([...scorecardAnswers.shape.legalTriggers.element.options]),
    effect: four,
    autonomy: four,
    affectedPersons: four,
    materiality: four,
    irreversibility: four,
    opacity: three,
    dataSensitivity: three,
    dependents: three,
    vendorUnknowns: fc.integer({ min: 0, max: 2 }),
  });

  it('never gives a lower tier for more risk', () => {
    fc.assert(
      fc.property(answers, answers, (a, b) => {
        const more = Object.fromEntries(
          Object.entries(a).map(([key, value]) => {
            const other = b[key as keyof ScorecardAnswers];
            return [key, Array.isArray(value) ? [...value, ...(other as string[])] : Math.max(value, other as number)];
          }),
        ) as ScorecardAnswers;
        expect(TIERS.indexOf(classify(more).tier)).toBeGreaterThanOrEqual(TIERS.indexOf(classify(a).tier));
      }),
      { seed: 4711 },
    );
  });

  it('takes the legal floor even at a score of 0', () => {
    const none = {
      effect: 0,
      autonomy: 0,
      affectedPersons: 0,
      materiality: 0,
      irreversibility: 0,
      opacity: 0,
      dataSensitivity: 0,
      dependents: 0,
      vendorUnknowns: 0,
    };
    expect(classify({ ...none, legalTriggers: [] }).tier).toBe('LOW');
    expect(classify({ ...none, legalTriggers: ['credit'] }).tier).toBe('HIGH');
    expect(classify({ ...none, legalTriggers: ['prohibited-practice'] }).tier).toBe('PROHIBITED');
    expect(classify({ ...none, effect: 4, legalTriggers: [] }).tier).toBe('MEDIUM');
  });
});

describe('SHA-256', () => {
  it("equals the machine's own for every text", () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), (text) => {
        expect(sha256Hex(text)).toBe(createHash('sha256').update(text, 'utf8').digest('hex'));
      }),
      { seed: 4711 },
    );
  });

  it('stands over canonical JSON, and ids that follow from it are UUIDs', () => {
    expect(canonicalJson({ b: [1, { z: null, a: 'é' }], a: 1e21 })).toBe('{"a":1e+21,"b":[1,{"a":"é","z":null}]}');
    expect(derivedUuid('x')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });
});
