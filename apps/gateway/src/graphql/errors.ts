import { GraphQLError } from 'graphql';

/** Codes of errors that a client can act on, as they stand in `extensions.code`. */
export type RequestErrorCode =
  | 'BAD_USER_INPUT'
  | 'CONSISTENCY_TIMEOUT'
  | 'CONSISTENCY_TOKEN_INVALID'
  | 'COST_LIMIT'
  | 'CURSOR_INVALID'
  | 'DOCUMENT_LIMIT'
  | 'FORBIDDEN'
  | 'POSITION_BEFORE_FIRST'
  | 'POSITION_IN_FUTURE'
  | 'SERVICE_UNAVAILABLE'
  | 'TIME_BEFORE_FIRST'
  | 'TIME_IN_FUTURE'
  | 'TIMEOUT'
  | 'UNAUTHENTICATED';

/** An error of the request: the message names what is wrong and what is allowed, and reaches the client as it is. */
export const requestError = (
  code: RequestErrorCode,
  message: string,
  details: Readonly<Record<string, unknown>> = {},
): GraphQLError => new GraphQLError(message, { extensions: { code, ...details } });

/** Of what is not said with 400, by code. */
const STATUS: Readonly<Record<string, number>> = { CONSISTENCY_TIMEOUT: 503, FORBIDDEN: 403 };

/** The status of an error that keeps an operation from running at all. */
export const statusOf = ({ extensions }: GraphQLError): number => STATUS[String(extensions['code'])] ?? 400;

/** The error with the status that HTTP answers with; Apollo would take what is thrown before an operation runs for its own failure. */
export const withStatus = (error: GraphQLError, status: number): GraphQLError =>
  new GraphQLError(error.message, { extensions: { ...error.extensions, http: { status } } });
