import { randomUUID } from 'node:crypto';
import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { type DynamicModule, Logger, Module } from '@nestjs/common';
import { GraphQLModule } from '@nestjs/graphql';
import type { FastifyRequest } from 'fastify';
import { GraphQLError, type GraphQLSchema } from 'graphql';
import type { Gateway } from './gateway.js';
import { GATEWAY } from './gateway.token.js';
import { isDatabaseAway } from './database-away.js';
import { errorFormatter } from './graphql/error-format.js';
import { statusOf, withStatus } from './graphql/errors.js';
import { limitRules, MAX_TOKENS, MAX_VALIDATION_ERRORS } from './graphql/limits.js';
import { operationPlugin } from './graphql/operation-plugin.js';
import { GroundTruthController } from './ground-truth/ground-truth.controller.js';
import { GRAPHQL_PATH, principalOf } from './http-door.js';
import { PagesController } from './web/pages.controller.js';

const logger = new Logger('Gateway');

/** Shows a client an id, and writes what happened beside the same id. */
export const formatError = errorFormatter(
  (error, correlationId) => {
    logger.error({ correlationId }, error instanceof Error ? error.stack : String(error));
  },
  () => randomUUID(),
);

const header = (request: FastifyRequest, name: string): string | undefined => {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
};

/** Why no operation can run yet, with its status: 500 would be said of a wrong header too. */
const beforeOperation = (error: unknown): unknown => {
  if (isDatabaseAway(error)) {
    const extensions = { http: { status: 503 } };
    return new GraphQLError('', { ...(error instanceof Error && { originalError: error }), extensions });
  }
  if (!(error instanceof GraphQLError)) return error;
  return withStatus(error, statusOf(error));
};

/** The composition of the gateway's doors. */
@Module({})
export class GatewayModule {
  static of(gateway: Gateway, schema: GraphQLSchema): DynamicModule {
    const { introspection } = gateway.config;
    return {
      module: GatewayModule,
      global: true,
      imports: [
        GraphQLModule.forRoot<ApolloDriverConfig>({
          driver: ApolloDriver,
          path: GRAPHQL_PATH,
          schema,
          graphiql: false,
          introspection,
          // Introspection is ruled by the same rule on both transports; Apollo's own covers HTTP only.
          validationRules: [...limitRules({ introspection })],
          parseOptions: { maxTokens: MAX_TOKENS },
          validationMaxErrors: MAX_VALIDATION_ERRORS,
          hideSchemaDetailsFromClientErrors: true,
          allowBatchedHttpRequests: false,
          includeStacktraceInErrorResponses: false,
          csrfPrevention: true,
          cache: 'bounded',
          persistedQueries: false,
          autoTransformHttpErrors: false,
          plugins: [operationPlugin(schema)],
          formatError: (_formatted: unknown, error: unknown) => formatError(error),
          context: (request: FastifyRequest) =>
            gateway
              .contextFor(principalOf(request), {
                token: header(request, 'kontor-consistency'),
                waitMs: header(request, 'kontor-wait-ms'),
              })
              .catch((error: unknown) => {
                throw beforeOperation(error);
              }),
        } as ApolloDriverConfig),
      ],
      providers: [{ provide: GATEWAY, useValue: gateway }],
      controllers: [PagesController, GroundTruthController],
      exports: [GATEWAY],
    };
  }
}
