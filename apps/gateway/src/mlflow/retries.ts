import { hash } from 'node:crypto';
import { derivedId } from '@kontor/service/process';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { newCommandId } from '../commands/command-client.js';
import { idempotencyKey } from '../commands/idempotency-key.js';
import { principalOf } from '../http-door.js';

/** MLflow's clients repeat for about four minutes; a job that is started again comes later. */
const KEPT_MS = 30 * 60_000;
/** About 3 MB. More requests than this without an answer are an outage, after which the oldest are given up first. */
const MOST_KEPT = 10_000;

/** Who asks what, in hex: the same for a request that comes again, and for no other. @param body its SHA-256 */
const digestOf = (request: FastifyRequest, body: string): string => {
  const { actor, workspace } = principalOf(request);
  return hash('sha256', JSON.stringify([actor.id, workspace, request.method, request.url, body]));
};

/** One write of a client: what makes it the same one when it comes again. */
export class Attempt {
  /** Whether the log has its first command, as somebody found out. */
  isDone = false;
  #commands = 0;

  constructor(
    /** Of its first command. What the write makes gets its id from it. */
    readonly commandId: string,
    /** What the log holds a repeat against; undefined for bytes, of which the command has the digest. */
    readonly digest: string | undefined,
    /** Whether it may have come before. */
    readonly isRepeat: boolean,
  ) {}

  /** Whether a command was sent, or its id was given to one. */
  get hasBegun(): boolean {
    return this.#commands > 0;
  }

  /** The id of its next command. Commands that come in the same order again have the same ids again. */
  nextCommandId(): string {
    const step = this.#commands++;
    if (step === 0) return this.commandId;
    const madeAt = new Date(Number.parseInt(this.commandId.replace('-', '').slice(0, 12), 16));
    return derivedId({ process: 'mlflow', step, eventId: this.commandId, recordedAt: madeAt.toISOString() });
  }
}

/**
 * Recognises writes that come again: by the key that the client gave them, or because the same request had no answer.
 *
 * Requests that were answered are not remembered: two equal ones are two. The memory is this process's own.
 */
export class Retries {
  readonly #unanswered = new Map<string, { readonly commandId: string; readonly sinceMs: number }>();

  /**
   * @param body SHA-256 of the body; undefined where it is a file.
   * @param creates whether it has to be recognised without a key. What sets a value is better done once more: another value
   *   may have been set in between.
   * @throws IdempotencyKeyInvalid
   */
  attempt(request: FastifyRequest, reply: FastifyReply, body?: string, creates = false): Attempt {
    const key = idempotencyKey(request.headers);
    const digest = body === undefined ? undefined : digestOf(request, body);
    if (key !== undefined) return new Attempt(key, digest, true);
    if (digest === undefined || !creates) return new Attempt(newCommandId(), digest, false);
    const before = this.#take(digest);
    const commandId = before ?? newCommandId();
    const keepUnanswered = (): void => {
      if (!reply.raw.writableFinished || reply.statusCode >= 500) this.#keep(digest, commandId);
    };
    // The client may be gone already: what it asked for happens all the same.
    if (reply.raw.destroyed) keepUnanswered();
    else reply.raw.once('close', keepUnanswered);
    return new Attempt(commandId, digest, before !== undefined);
  }

  /** The repeat has it from here on: if it gets no answer either, it is kept again. */
  #take(digest: string): string | undefined {
    const kept = this.#unanswered.get(digest);
    this.#unanswered.delete(digest);
    return kept && performance.now() - kept.sinceMs < KEPT_MS ? kept.commandId : undefined;
  }

  #keep(digest: string, commandId: string): void {
    this.#unanswered.set(digest, { commandId, sinceMs: performance.now() });
    if (this.#unanswered.size <= MOST_KEPT) return;
    const [oldest] = this.#unanswered.keys();
    if (oldest !== undefined) this.#unanswered.delete(oldest);
  }
}
