import type { Resolvers } from './generated/types.js';

/** What rows and commands call the values of the enums in `common.graphql`. An enum that is not here has one name in both. */
export const commonEnums = {
  Environment: { STAGING: 'staging', PRODUCTION: 'production' },
} as const satisfies Pick<Resolvers, 'Environment'>;
