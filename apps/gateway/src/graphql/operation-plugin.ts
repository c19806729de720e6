import type { ApolloServerPlugin } from '@apollo/server';
import { GraphQLError, type GraphQLSchema } from 'graphql';
import { encodeToken } from './consistency.js';
import type { GraphContext } from './context.js';
import { costOf, refuseCost } from './limits.js';

/** Cost after variables are known, and the consistency of each answer. */
export const operationPlugin = (schema: GraphQLSchema): ApolloServerPlugin<GraphContext> => ({
  requestDidStart: async () => ({
    didResolveOperation: async ({ document, operation, request }) => {
      if (operation?.operation === 'subscription') {
        throw new GraphQLError(
          'Subscriptions run on a WebSocket: connect to the same path with graphql-transport-ws.',
          {
            extensions: { code: 'BAD_USER_INPUT', http: { status: 400 } },
          },
        );
      }
      // Variables that do not fit the schema are refused by the execution right after; here they only must not crash.
      if (operation) refuseCost(costOf(schema, document, operation, request.variables ?? {}));
    },
    willSendResponse: async ({ response, contextValue }) => {
      if (response.body.kind !== 'single') return;
      const { log, shown } = contextValue;
      const { lagMs } = await log.lag(shown);
      const consistency = { token: encodeToken(log.identity, shown), position: String(shown), lagMs };
      response.body.singleResult.extensions = { ...response.body.singleResult.extensions, consistency };
    },
  }),
});
