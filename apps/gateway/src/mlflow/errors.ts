/** Error codes of MLflow's protocol that Kontor sends, each with its HTTP status. */
const STATUS = {
  BAD_REQUEST: 400,
  INVALID_PARAMETER_VALUE: 400,
  RESOURCE_ALREADY_EXISTS: 400,
  INVALID_STATE: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  RESOURCE_DOES_NOT_EXIST: 404,
  NOT_FOUND: 404,
  ENDPOINT_NOT_FOUND: 404,
  RESOURCE_CONFLICT: 409,
  RESOURCE_EXHAUSTED: 429,
  INTERNAL_ERROR: 500,
  DATA_LOSS: 500,
  NOT_IMPLEMENTED: 501,
  TEMPORARILY_UNAVAILABLE: 503,
} as const;

export type MlflowErrorCode = keyof typeof STATUS;

// sqlstate and error_class travel beside the code since MLflow 3.18; codes that are not listed have none.
const CLASSES: Partial<Record<MlflowErrorCode, readonly [sqlstate: string, errorClass: string]>> = {
  INVALID_PARAMETER_VALUE: ['KAM00', 'INVALID_PARAMETER_VALUE'],
  BAD_REQUEST: ['KAM00', 'INVALID_PARAMETER_VALUE'],
  RESOURCE_ALREADY_EXISTS: ['KAM00', 'RESOURCE_ALREADY_EXISTS'],
  RESOURCE_DOES_NOT_EXIST: ['KAM00', 'RESOURCE_NOT_FOUND'],
  NOT_FOUND: ['KAM00', 'RESOURCE_NOT_FOUND'],
  ENDPOINT_NOT_FOUND: ['KAM00', 'RESOURCE_NOT_FOUND'],
  PERMISSION_DENIED: ['KAM00', 'PERMISSION_DENIED'],
  INTERNAL_ERROR: ['XXM00', 'CLIENT_INTERNAL_ERROR'],
  DATA_LOSS: ['XXM00', 'CLIENT_INTERNAL_ERROR'],
  INVALID_STATE: ['XXM00', 'CLIENT_INTERNAL_ERROR'],
  TEMPORARILY_UNAVAILABLE: ['XXM00', 'CLIENT_INTERNAL_ERROR'],
};

interface Extra {
  readonly status?: number;
  readonly retryAfterSeconds?: number;
  /** Kontor's own rejection code, for callers that know it. */
  readonly rejection?: string;
}

/** A refusal in MLflow's words. Clients decide by `errorCode`, and on repeats by the status. */
export class MlflowError extends Error {
  readonly status: number;

  constructor(
    readonly errorCode: MlflowErrorCode,
    message: string,
    readonly extra: Extra = {},
  ) {
    super(message);
    this.name = 'MlflowError';
    this.status = extra.status ?? STATUS[errorCode];
  }

  body(): Readonly<Record<string, unknown>> {
    const [sqlstate, errorClass] = CLASSES[this.errorCode] ?? [];
    return {
      error_code: this.errorCode,
      message: this.message,
      ...(sqlstate && { sqlstate, error_class: errorClass }),
      ...(this.extra.rejection && { rejection: this.extra.rejection }),
    };
  }
}

/** 400: a value of the request is wrong. */
export const invalid = (message: string): MlflowError => new MlflowError('INVALID_PARAMETER_VALUE', message);

/** 404: what the request names does not exist. */
export const missing = (message: string): MlflowError => new MlflowError('RESOURCE_DOES_NOT_EXIST', message);
