import type { Resolvers } from '../graphql/generated/types.js';

/** What rows and commands call the values of the enums in `deployment.graphql`. An enum that is not here has one name in both. */
export const deploymentEnums = {
  AnalysisVerdict: { PASS: 'pass', FAIL: 'fail', INCONCLUSIVE: 'inconclusive' },
  GuardKind: { ERROR_RATE: 'errorRate', LATENCY: 'latency', OUTPUT_SANITY: 'outputSanity', LABELS: 'labels' },
} as const satisfies Pick<Resolvers, 'AnalysisVerdict' | 'GuardKind'>;
