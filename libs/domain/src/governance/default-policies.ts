import type { z } from 'zod';
import { GOLDEN_TOLERANCE } from '../golden.js';
import type { Role } from '../roles.js';
import type { governanceCommands } from './commands.js';
import type { GateRule } from './events.js';

type ActivatePolicy = z.output<(typeof governanceCommands)['ActivatePolicy']>;

// Limits are this platform's own proposals; no norm sets them. An installation activates its own tables beside them.

const evaluated: GateRule = {
  id: 'EVALUATION',
  title: 'An evaluation of this artifact is fresh and complete',
  measure: 'preproduction-verification',
  requires: ['evidence.evaluation', 'evidence.evaluation.metrics.accuracy', 'evidence.evaluation.metrics.rows'],
  when: 'evidence.evaluation.ageHours < 2160.0 && evidence.evaluation.metrics.rows >= 100.0',
  advice: 'Evaluate the staged version on a pinned dataset of at least 100 rows; an evaluation counts for 90 days.',
};

const golden: GateRule = {
  id: 'GOLDEN',
  title: 'The golden outputs are reproduced',
  measure: 'reproducibility-and-traceability',
  requires: ['evidence.goldenOutputs.metrics.maxDifference'],
  when: `evidence.goldenOutputs.metrics.maxDifference <= ${GOLDEN_TOLERANCE.toFixed(5)}`,
  advice: 'Register the version with golden rows and evaluate it; a larger difference means another runtime or model.',
};

const fair: GateRule = {
  id: 'FAIRNESS',
  title: 'Differences between groups are within the limits',
  measure: 'bias-and-harm-testing',
  requires: [
    'evidence.fairness.metrics.demographicParityDifference',
    'evidence.fairness.metrics.equalOpportunityDifference',
    'evidence.fairness.metrics.undefinedDifferences',
  ],
  when:
    'evidence.fairness.metrics.demographicParityDifference <= 0.2 && ' +
    'evidence.fairness.metrics.equalOpportunityDifference <= 0.2 && ' +
    'evidence.fairness.metrics.undefinedDifferences < 1.0 && evidence.fairness.ageHours < 2160.0',
  advice: 'Evaluate with protected attributes; if a difference is above its limit, change the model or its threshold.',
};

const better: GateRule = {
  id: 'BASELINE',
  title: 'The artifact is better than the baseline that it was compared with',
  measure: 'preproduction-verification',
  requires: ['evidence.baselineComparison.metrics.accuracyGain'],
  when: 'evidence.baselineComparison.metrics.accuracyGain > 0.0',
  advice: 'Evaluate the version beside its baseline version on the same dataset.',
};

const unopposed: GateRule = {
  id: 'UNOPPOSED',
  title: 'Nobody rejects this artifact',
  measure: 'human-sign-off',
  requires: [],
  when: 'size(rejections) == 0',
  advice: 'Settle the objection; the person who rejected can revoke it.',
};

const approvedBy = (roles: readonly Role[], count: string): GateRule => ({
  id: 'APPROVALS',
  title: `${count} other than author and requester approved exactly this artifact${roles.length > 0 ? `: ${roles.join(', ')}` : ''}`,
  measure: 'human-sign-off',
  requires: [],
  // One entry per person is made by the fact builder, so two roles are two persons.
  when:
    roles.length > 0
      ? `${JSON.stringify(roles)}.all(r, validApprovals.exists(a, a.role == r))`
      : 'size(validApprovals) >= 1',
  advice: `Ask for approval by ${roles.length > 0 ? roles.join(' and ') : 'one more person'}.`,
});

/** The gate tables that the platform ships with: production for LOW, MEDIUM and HIGH, as data of ActivatePolicy. */
export const defaultPolicies: readonly ActivatePolicy[] = [
  {
    policyId: 'production-low',
    environment: 'production',
    tiers: ['LOW'],
    rules: [evaluated, unopposed],
  },
  {
    policyId: 'production-medium',
    environment: 'production',
    tiers: ['MEDIUM'],
    rules: [evaluated, golden, unopposed, approvedBy([], 'One person')],
  },
  {
    policyId: 'production-high',
    environment: 'production',
    tiers: ['HIGH'],
    rules: [evaluated, fair, better, golden, unopposed, approvedBy(['validator', 'risk-officer'], 'Two persons')],
  },
];
