import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultPolicies } from './default-policies.js';
import type { GateRule, RuleOutcome } from './events.js';
import { buildFacts, type GateFacts } from './facts.js';
import { evaluateGate } from './gate.js';
import { ruleProblems } from './rule-check.js';
import { classify, type ScorecardAnswers, scorecardAnswers } from './scorecard.js';

const evidence = (metrics: Record<string, number>, ageHours = 1) => ({
  metrics,
  ageHours,
  author: 's',
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

  const ACCURACY = 'evidence.evaluation.metrics.accuracy';
  const list = (n: number) => `[${Array.from({ length: n }, () => '1').join(',')}]`;

  it.each<[string, string, string[], string]>([
    ['does not parse', '1 +', [], 'is no CEL expression: '],
    [
      'has an unknown name',
      'evidnce.evaluation.ageHours < 1.0',
      [],
      'names evidnce.evaluation.ageHours, which is no fact.',
    ],
    ['has another case', 'Tier == "HIGH"', [], 'names Tier, which is no fact.'],
    ['takes all evidence at once', 'evidence.all(e, true)', [], 'names evidence, which is no fact.'],
    [
      'takes all metrics at once',
      'size(evidence.evaluation.metrics) > 0',
      ['evidence.evaluation'],
      'which is no fact.',
    ],
    ['requires what is no fact', 'true', ['evidence.typo'], 'requires evidence.typo, which is no fact.'],
    [
      'does not require its metric',
      `${ACCURACY} > 0.5`,
      ['evidence.evaluation'],
      `names ${ACCURACY}, which it does not require.`,
    ],
    [
      'does not require the reviewer, who may be missing',
      'evidence.fairness.reviewer != evidence.fairness.author',
      ['evidence.fairness'],
      'names evidence.fairness.reviewer, which it does not require.',
    ],
    [
      'passes what is missing',
      `!has(${ACCURACY}) || ${ACCURACY} > 0.5`,
      [ACCURACY],
      'uses has(); require the fact instead',
    ],
    ['is no decision', ACCURACY, [ACCURACY], 'is a decimal number; a rule is yes or no.'],
    [
      'compares a decimal with a whole number',
      `${ACCURACY} > 1`,
      [ACCURACY],
      '> compares two of a kind (0.5 with 1.0, 1 with 2), not decimal number and whole number.',
    ],
    [
      'wants two decimals to be equal',
      `${ACCURACY} == 0.5`,
      [ACCURACY],
      '== compares texts or whole numbers, not decimal number and decimal number.',
    ],
    ['compares a text with a number', 'tier == 3', [], 'not text and whole number.'],
    ['joins what is no yes or no', 'suspended && tier', [], '&& joins yes or no'],
    ['calls the clock', 'now() > 1', [], 'calls now, which is none of size, contains,'],
    ['calls a pattern', 'tier.matches("^(a+)+$")', [], 'calls matches, which is none of'],
    ['misspells a field of an approval', 'validApprovals.exists(a, a.rôle == "x")', [], 'is no CEL expression'],
    [
      'names an unknown field of an approval',
      'validApprovals.exists(a, a.rank == "x")',
      [],
      'names the field rank of approval',
    ],
    ['walks over a text', 'tier.all(c, true)', [], 'walks over a text; only lists are walked.'],
    ['divides by what may be 0', '1 / size(rejections) > 0 || true', [], '/ divides decimal numbers'],
    ['builds a map', '{"a": 1} == {"a": 1}', [], 'builds a message or a map'],
    ['has too many brackets', `${'('.repeat(900)}true${')'.repeat(900)}`, [], 'is nested deeper than 40 levels.'],
    [
      'has too many levels',
      `${'!'.repeat(2)}${'(true && '.repeat(45)}true${')'.repeat(45)}`,
      [],
      'is nested deeper than 40 levels.',
    ],
    [
      'walks three lists within each other',
      `${list(100)}.all(a, ${list(100)}.all(b, ${list(100)}.all(c, true)))`,
      [],
      'walks through lists more than 2 deep.',
    ],
    ['takes too long', `${list(400)}.all(a, ${list(400)}.all(b, a == b))`, [], 'steps; at most 50000 are allowed.'],
    [
      'takes too long by a list that it makes',
      `${list(400)}.map(a, a + 1).all(b, ${list(400)}.exists(c, c == b))`,
      [],
      'steps; at most 50000',
    ],
  ])('that %s is told so, with its id', (_, when, requires, sentence) => {
    const problems = ruleProblems(rule(when, requires));
    expect(problems.every((problem) => problem.startsWith('Rule R1 '))).toBe(true);
    expect(problems.join('\n')).toContain(sentence);
  });

  it.each<[string, string, string[]]>([
    ['a metric that it requires', `${ACCURACY} > 0.5 && evidence.evaluation.ageHours / 24.0 < 90.0`, [ACCURACY]],
    [
      'a reviewer that it requires',
      'evidence.fairness.reviewer != evidence.fairness.author',
      ['evidence.fairness.reviewer'],
    ],
    ['a variable of its own', 'validApprovals.exists_one(a, a.role == "validator")', []],
    [
      'persons beside persons',
      'validApprovals.all(a, validApprovals.exists(b, b.actor == a.actor && b.role != "x"))',
      [],
    ],
    ['roles and lists', '["a", "b"].all(r, r in validApprovals.map(a, a.role)) || size(authors) < 3', []],
    ['a filter', 'validApprovals.filter(a, a.role.startsWith("risk")).size() >= 1 ? true : tier == "LOW"', []],
    ['a shadowed fact', 'authors.all(tier, tier != requestedBy)', []],
  ])('with %s has no problem, and is evaluated to yes or no', (_, when, requires) => {
    expect(ruleProblems(rule(when, requires))).toEqual([]);
    const reviewed = { ...evidence({ accuracy: 0.8 }), reviewer: 'vera' };
    const facts = { ...good, evidence: { ...good.evidence, fairness: reviewed } };
    const { outcome: result } = evaluateGate({ rules: [rule(when, requires)] }, facts, 'credit');
    expect(['PASS', 'BLOCK']).toContain(result);
  });

  it('needs the reviewer of evidence that nobody has reviewed', () => {
    const separate = 'evidence.fairness.reviewer != evidence.fairness.author';
    expect(outcome(rule(separate, ['evidence.fairness.reviewer']))).toBe('NEEDS');
  });

  it('that has no problem is never an error, and none holds because a fact is missing', () => {
    const path = fc.constantFrom(ACCURACY, 'evidence.fairness.ageHours', 'evidence.review.reviewer', 'tier', 'authors');
    const literal = fc.constantFrom('0.5', '1', '"LOW"', 'true', '["a"]', 'suspended', 'size(rejections)');
    const leaf = fc.oneof(path, literal);
    const { expression } = fc.letrec<{ expression: string }>((tie) => ({
      expression: fc.oneof(
        { maxDepth: 4 },
        leaf,
        fc
          .tuple(
            tie('expression'),
            fc.constantFrom('&&', '||', '==', '!=', '<', '>=', '+', '/', 'in'),
            tie('expression'),
          )
          .map(([a, operator, b]) => `(${a} ${operator} ${b})`),
        tie('expression').map((a) => `!(${a})`),
        tie('expression').map((a) => `has(${a})`),
        tie('expression').map((a) => `authors.exists(v, ${a})`),
      ),
    }));
    let clean = 0;
    fc.assert(
      fc.property(
        expression,
        fc.subarray([ACCURACY, 'evidence.fairness', 'evidence.review.reviewer']),
        (when, requires) => {
          if (ruleProblems(rule(when, requires)).length > 0) return;
          clean += 1;
          const facts = { ...good, evidence: {} };
          for (const seen of [good, facts]) {
            const { outcome: result } = evaluateGate({ rules: [rule(when, requires)] }, seen, 'credit');
            if (result === 'ERROR') throw new Error(`${when} is an error`);
            if (seen === facts && when.includes('evidence') && result === 'PASS') throw new Error(`${when} passes`);
          }
        },
      ),
      { seed: 4711, numRuns: 3000 },
    );
    expect(clean).toBeGreaterThan(100);
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
