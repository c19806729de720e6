import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import pg from 'pg';
import { isDatabaseAway, STATEMENT_CANCELLED } from '../database-away.js';
import { withoutSuggestions } from './limits.js';

/** A restart of PostgreSQL takes about this long. */
const DATABASE_RETRY_AFTER_MS = 1_000;

/** Failures that are no bug: what a client is told, and whether asking again helps. */
const expected = (error: unknown): GraphQLError | undefined => {
  if (isDatabaseAway(error)) {
    return new GraphQLError('The database does not answer. Asking again later is safe.', {
      extensions: { code: 'SERVICE_UNAVAILABLE', retryAfterMs: DATABASE_RETRY_AFTER_MS },
    });
  }
  if (error instanceof pg.DatabaseError && error.code === STATEMENT_CANCELLED) {
    return new GraphQLError('The answer took longer than 10 s. Ask for fewer rows.', {
      extensions: { code: 'TIMEOUT' },
    });
  }
  return undefined;
};

/** Codes that a client caused and can act on; everything else is a bug of ours and shows nothing but an id. */
const ours = (error: GraphQLError): boolean =>
  error.originalError === undefined || error.originalError instanceof GraphQLError;

/**
 * What a client sees of an error: request errors as they are, without hints about the schema; anything else as
 * `INTERNAL` with a correlation id, and no stack, SQL or path of a file.
 *
 * @param report is given each unexpected error with the id that the client sees.
 */
export const errorFormatter =
  (report: (error: unknown, correlationId: string) => void, newId: () => string) =>
  (error: unknown): GraphQLFormattedError => {
    if (error instanceof GraphQLError && ours(error)) {
      const { message, locations, path, extensions } = error;
      const { stacktrace: _stack, http: _status, limit, ...shown } = extensions;
      return {
        message: withoutSuggestions(message),
        ...(locations && { locations }),
        ...(path && { path }),
        extensions: { code: 'BAD_USER_INPUT', ...shown, ...(limit === true && { code: 'DOCUMENT_LIMIT' }) },
      };
    }
    const correlationId = newId();
    const cause = error instanceof GraphQLError ? (error.originalError ?? error) : error;
    report(cause, correlationId);
    const path = error instanceof GraphQLError ? error.path : undefined;
    const known = expected(cause);
    if (known) {
      return { message: known.message, ...(path && { path }), extensions: { ...known.extensions, correlationId } };
    }
    return {
      message: 'Something failed inside. The correlation id finds it in the log of the gateway.',
      ...(path && { path }),
      extensions: { code: 'INTERNAL', correlationId },
    };
  };
