import { derivedId, requestHash } from '@kontor/service/process';
import type { SendResult } from '../commands/command-client.js';
import type { MlflowCall } from './call.js';
import { failureOf } from './outcomes.js';

/** An import, as its caller was told when it began. */
export interface Import {
  readonly importId: string;
  readonly startedAt: string;
}

/** What became of a command. `events` 0: nothing was new, or the log knew the command. */
export type Outcome = { readonly position: bigint; readonly events: number } | Refusal;

/** A command that was not taken, and why. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
}

/**
 * Sends one command of an import. Its id follows from the import, its content and who sends it, so the log recognises it
 * when it comes again, and what was changed here since is not changed back.
 *
 * @throws MlflowError 503 if the registry does not answer.
 */
export const submit = async (
  call: MlflowCall,
  { importId, startedAt }: Import,
  type: string,
  data: object,
  occurredAt?: string,
): Promise<Outcome> => {
  const { workspace, principal } = call;
  const content = Buffer.from(requestHash({ workspace, type, data })).toString('hex');
  const process = `import ${importId} ${principal.actor.id}`;
  const commandId = derivedId({ process, step: 0, eventId: content, recordedAt: startedAt });
  return outcomeOf(await call.submit(type, data, { commandId, correlationId: importId, occurredAt }));
};

/** @throws MlflowError 503 if the registry did not answer, 403 for a principal who only reads. */
export const outcomeOf = (reply: SendResult): Outcome => {
  switch (reply.outcome) {
    case 'accepted':
      return { position: BigInt(reply.position), events: reply.eventIds.length };
    case 'rejected':
      return { code: reply.code, message: reply.message };
    case 'failed':
      if (reply.code === 'INVALID') return { code: reply.code, message: reply.message };
      throw failureOf(reply);
  }
};

/** Sees to it that the reads that follow see what was written. */
export const settle = async (call: MlflowCall, outcomes: readonly (Outcome | undefined)[]): Promise<void> => {
  const written = outcomes.flatMap((outcome) => (outcome && 'position' in outcome ? [outcome.position] : []));
  if (written.length > 0) await call.settle(written.reduce((a, b) => (a > b ? a : b)));
};
