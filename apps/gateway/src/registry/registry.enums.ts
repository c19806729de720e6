import type { Resolvers } from '../graphql/generated/types.js';

/** What rows and commands call the values of the enums in `registry.graphql`. An enum that is not here has one name in both. */
export const registryEnums = {
  ModelStage: { NONE: 'None', STAGING: 'Staging', PRODUCTION: 'Production', ARCHIVED: 'Archived' },
} as const satisfies Pick<Resolvers, 'ModelStage'>;
