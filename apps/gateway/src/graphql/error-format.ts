import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import { withoutSuggestions } from './limits.js';

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
      const { stacktrace: _, limit, ...shown } = extensions;
      return {
        message: withoutSuggestions(message),
        ...(locations && { locations }),
        ...(path && { path }),
        extensions: { code: 'BAD_USER_INPUT', ...shown, ...(limit === true && { code: 'DOCUMENT_LIMIT' }) },
      };
    }
    const correlationId = newId();
    report(error instanceof GraphQLError ? (error.originalError ?? error) : error, correlationId);
    const path = error instanceof GraphQLError ? error.path : undefined;
    return {
      message: 'Something failed inside. The correlation id finds it in the log of the gateway.',
      ...(path && { path }),
      extensions: { code: 'INTERNAL', correlationId },
    };
  };
