/** Machine codes of the header `x-kontor-error-code`, each with the HTTP status that it comes with. */
export const ERROR_STATUS = {
  INVALID_JSON: 400,
  DUPLICATE_KEY: 400,
  INVALID_REQUEST: 400,
  INVALID_TENSOR: 400,
  INVALID_VALUE: 400,
  MISSING_INPUT: 400,
  UNKNOWN_INPUT: 400,
  UNKNOWN_OUTPUT: 400,
  AMBIGUOUS_VERSION: 400,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  FOREIGN_HOST: 403,
  FOREIGN_ORIGIN: 403,
  NOT_FOUND: 404,
  UNKNOWN_MODEL: 404,
  UNKNOWN_VERSION: 404,
  METHOD_NOT_ALLOWED: 405,
  BODY_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  /** Nobody reads this answer; the status is nginx's, for telemetry. */
  CLIENT_GONE: 499,
  NON_FINITE_OUTPUT: 500,
  RUNTIME_FAILURE: 500,
  UNSUPPORTED: 501,
  MODEL_NOT_READY: 503,
  ENDPOINT_SUSPENDED: 503,
  OVERLOADED: 503,
  DEADLINE_EXCEEDED: 504,
} as const;
export type ErrorCode = keyof typeof ERROR_STATUS;

/** A request that is answered with an error: one sentence for people, one code for machines. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';

  /** The input of the model that was wrong, as the request named it, where it was one. */
  readonly input: string | undefined;

  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: ErrorOptions & { readonly input?: string },
  ) {
    super(message, options);
    this.input = options?.input;
  }

  get status(): number {
    return ERROR_STATUS[this.code];
  }
}
