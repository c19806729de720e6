import type { ApolloServerPlugin } from '@apollo/server';
import { GraphQLError, type GraphQLSchema } from 'graphql';
import { encodeToken } from './consistency.js';
import type { GraphContext } from './context.js';
import { requestError, withStatus } from './errors.js';
import { refuseOperation } from './limits.js';

const SUBSCRIPTION_OVER_HTTP = 'Subscriptions run on a WebSocket: connect to the same path with graphql-transport-ws.';

/** Cost after variables are known, and the consistency of each answer. */
export const operationPlugin = (schema: GraphQLSchema): ApolloServerPlugin<GraphContext> => ({
  requestDidStart: async () => ({
    didResolveOperation: async ({ document, operation, request }) => {
      if (operation === undefined) return;
      try {
        if (operation.operation === 'subscription') {
          throw requestError('BAD_USER_INPUT', SUBSCRIPTION_OVER_HTTP);
        }
        // The execution right after reports variables that do not fit.
        refuseOperation(schema, document, operation, request.variables ?? {});
      } catch (error) {
        throw error instanceof GraphQLError ? withStatus(error, 400) : error;
      }
    },
    willSendResponse: async ({ response, contextValue }) => {
      if (response.body.kind !== 'single') return;
      const { log, moment, shown } = contextValue;
      const { lagMs } = shown === moment.position ? contextValue : await log.standing();
      const consistency = { token: encodeToken(log.identity, shown), position: String(shown), lagMs };
      response.body.singleResult.extensions = { ...response.body.singleResult.extensions, consistency };
    },
  }),
});
