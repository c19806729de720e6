import type { Resolvers } from '../graphql/generated/types.js';

/** What rows and commands call the values of the enums in `monitoring.graphql`. An enum that is not here has one name in both. */
export const monitoringEnums = {
  AlertKind: { DRIFT: 'drift', DATA_SOURCE: 'dataSource', PERFORMANCE: 'performance', FAIRNESS: 'fairness' },
  AlertSeverity: { WARNING: 'warning', CRITICAL: 'critical' },
  DataSourceChangeKind: {
    UNIT: 'unit',
    DEFAULT_FLOOD: 'defaultFlood',
    SCHEMA: 'schema',
    MISSING: 'missing',
    UNSEEN: 'unseen',
    OUT_OF_RANGE: 'outOfRange',
  },
  DriftVerdict: { NONE: 'none', DRIFT: 'drift', INSUFFICIENT: 'insufficient' },
  FairnessMetric: {
    DEMOGRAPHIC_PARITY_DIFFERENCE: 'demographicParityDifference',
    EQUAL_OPPORTUNITY_DIFFERENCE: 'equalOpportunityDifference',
    EQUALIZED_ODDS_DIFFERENCE: 'equalizedOddsDifference',
    ACCURACY_DIFFERENCE: 'accuracyDifference',
  },
  FeatureKind: { NUMERIC: 'numeric', CATEGORICAL: 'categorical' },
  OutcomeMetric: { ACCURACY: 'accuracy', EQUALIZED_ODDS_DIFFERENCE: 'equalizedOddsDifference' },
  OutcomeVerdict: { NONE: 'none', DEGRADED: 'degraded', INSUFFICIENT: 'insufficient' },
  OwnerRole: { BUSINESS_OWNER: 'businessOwner', DATA_OWNER: 'dataOwner', MODEL_OWNER: 'modelOwner' },
} as const satisfies Pick<
  Resolvers,
  | 'AlertKind'
  | 'AlertSeverity'
  | 'DataSourceChangeKind'
  | 'DriftVerdict'
  | 'FairnessMetric'
  | 'FeatureKind'
  | 'OutcomeMetric'
  | 'OutcomeVerdict'
  | 'OwnerRole'
>;
