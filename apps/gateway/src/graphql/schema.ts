import { readFile } from 'node:fs/promises';
import { makeExecutableSchema } from '@graphql-tools/schema';
import type { GraphQLSchema } from 'graphql';
import { deploymentMutations } from '../deployment/deployment.mutations.js';
import { deploymentQueries } from '../deployment/deployment.resolver.js';
import { governanceMutations } from '../governance/governance.mutations.js';
import { governanceQueries } from '../governance/governance.resolver.js';
import { logResolvers } from '../log/log.resolvers.js';
import { monitoringMutations } from '../monitoring/monitoring.mutations.js';
import { monitoringQueries } from '../monitoring/monitoring.resolver.js';
import { registryMutations } from '../registry/registry.mutations.js';
import { registryQueries } from '../registry/registry.resolver.js';
import { commonResolvers } from './common.resolvers.js';
import { enums } from './enums.js';
import { scalars } from './scalars.js';
import { SDL_FILES } from './sdl-files.js';

/** The executable schema: the SDL files of the contexts with their resolvers. A field or resolver without the other throws. */
export const buildSchema = async (): Promise<GraphQLSchema> =>
  makeExecutableSchema({
    typeDefs: await Promise.all(SDL_FILES.map((file) => readFile(file, 'utf8'))),
    resolvers: [
      scalars,
      enums,
      commonResolvers,
      logResolvers,
      registryQueries,
      registryMutations,
      deploymentQueries,
      deploymentMutations,
      monitoringQueries,
      monitoringMutations,
      governanceQueries,
      governanceMutations,
    ],
    resolverValidationOptions: { requireResolversToMatchSchema: 'error' },
  });
