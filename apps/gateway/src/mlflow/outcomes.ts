import type { SendResult } from '../commands/command-client.js';
import { invalid, MlflowError } from './errors.js';
import { toMlflowError } from './rejections.js';

/** Why a command came to no decision, in MLflow's words. What is the registry's own fault is no answer to a client. */
export const failureOf = ({ code, message, correlationId }: Extract<SendResult, { outcome: 'failed' }>): Error => {
  switch (code) {
    case 'INVALID':
      return invalid(message);
    case 'FORBIDDEN':
      return new MlflowError('PERMISSION_DENIED', message);
    case 'UNAVAILABLE':
      return new MlflowError('TEMPORARILY_UNAVAILABLE', message, { retryAfterSeconds: 1 });
    default:
      return new Error(`the registry failed: ${code} ${message} (${correlationId})`);
  }
};

/** A command that was refused, before it is said in MLflow's words. */
export class CommandRejected extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly details: Readonly<Record<string, unknown>>,
  ) {
    super(message);
    this.name = 'CommandRejected';
  }
}

/** The outcome of a command, with a rejection in MLflow's words. `named` adds what the texts need and the rejection lacks. */
export const inMlflowsWords = async <Outcome>(
  outcome: Promise<Outcome>,
  named: Readonly<Record<string, unknown>> = {},
): Promise<Outcome> => {
  try {
    return await outcome;
  } catch (error) {
    if (!(error instanceof CommandRejected)) throw error;
    throw toMlflowError(error.code, error.message, { ...error.details, ...named });
  }
};
