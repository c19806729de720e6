import {
  headers,
  NoRespondersError,
  RequestError,
  TimeoutError,
  type Msg,
  type NatsConnection,
} from '@nats-io/transport-node';
import { z } from 'zod';
import { BadMessage } from './errors.js';
import { commandSubject, commandSubjects } from './subjects.js';

/** Header with the signed statement who acts. */
export const ASSERTION_HEADER = 'Kontor-Assertion';
/** Half of an assertion's life: a caller may send once more with the same one. */
export const COMMAND_TIMEOUT_MS = 5_000;
/** The protocol's own line, the header's name and line ends. */
const HEADER_ROOM_BYTES = 64;
const RETRY_AFTER_MS = 1_000; // a service restarts in about this time

/** The answer to a command. Positions and versions are decimal strings. */
export const commandReply = z.discriminatedUnion('outcome', [
  z.object({
    outcome: z.literal('accepted'),
    position: z.string(),
    version: z.string(),
    eventIds: z.array(z.string()),
    /** What was appended, if the caller asked for it; personal data is readable. */
    events: z.array(z.object({ type: z.string(), data: z.unknown(), recordedAt: z.string() })).optional(),
  }),
  z.object({
    outcome: z.literal('rejected'),
    code: z.string(),
    message: z.string(),
    details: z.record(z.string(), z.unknown()),
  }),
  z.object({
    outcome: z.literal('failed'),
    code: z.enum(['UNAVAILABLE', 'INTERNAL', 'INVALID', 'UNAUTHENTICATED']),
    message: z.string(),
    path: z.string().optional(),
    correlationId: z.string(),
    retryAfterMs: z.number().optional(),
  }),
]);
export type CommandReply = z.output<typeof commandReply>;

export interface CommandRequest {
  readonly context: string;
  readonly type: string;
  readonly payload: Uint8Array;
  readonly assertion: string;
  readonly correlationId: string;
  readonly timeoutMs?: number;
}

/**
 * Sends a command and waits for the answer. A command larger than a message of the server is INVALID. Nobody there, and no answer in time, become UNAVAILABLE; then the command may
 * have happened, and sending the same id again is safe.
 *
 * @throws BadMessage if the answer has another form; the client's error if the connection is closed.
 */
export const sendCommand = async (nc: NatsConnection, request: CommandRequest): Promise<CommandReply> => {
  const { context, type, payload, assertion, correlationId, timeoutMs = COMMAND_TIMEOUT_MS } = request;
  const head = headers();
  head.set(ASSERTION_HEADER, assertion);
  const unavailable = (message: string): CommandReply => ({
    outcome: 'failed',
    code: 'UNAVAILABLE',
    message,
    correlationId,
    retryAfterMs: RETRY_AFTER_MS,
  });
  // Headers count as well: the assertion is the one that has a size of its own.
  const sizeBytes = payload.length + assertion.length + HEADER_ROOM_BYTES;
  const maxBytes = nc.info?.max_payload ?? Infinity;
  if (sizeBytes > maxBytes) {
    const message = `the command has ${payload.length} bytes; allowed are ${maxBytes - assertion.length - HEADER_ROOM_BYTES}`;
    return { outcome: 'failed', code: 'INVALID', message, correlationId };
  }
  let answer: Msg;
  try {
    answer = await nc.request(commandSubject(context, type), payload, { timeout: timeoutMs, headers: head });
  } catch (error) {
    if (error instanceof NoRespondersError || (error instanceof RequestError && error.isNoResponders())) {
      return unavailable(`no ${context} service is running`);
    }
    if (error instanceof TimeoutError) return unavailable(`the ${context} service did not answer in ${timeoutMs} ms`);
    throw error;
  }
  const parsed = commandReply.safeParse(answer.json());
  if (!parsed.success) throw new BadMessage(`the ${context} service answered in another form`, { cause: parsed.error });
  return parsed.data;
};

export interface ReceivedCommand {
  readonly type: string;
  readonly payload: Uint8Array;
  readonly assertion: string | undefined;
}

export interface ServeOptions {
  /** Commands in work at once; further ones wait in the subscription. */
  readonly concurrency: number;
  /** Never throws for a wrong command: that is an answer. What it throws is a bug and goes to `onBug`. */
  readonly handle: (command: ReceivedCommand) => Promise<CommandReply>;
  /** The answer for what `handle` threw. */
  readonly onBug: (error: unknown) => CommandReply;
}

export interface Serving {
  /** Resolves when the server holds the subscription: from then on no caller finds nobody there. */
  ready(): Promise<void>;
  /** Answers what was received, then ends. */
  drain(): Promise<void>;
}

/** Answers the commands of a context; several processes share the work. */
export const serveCommands = (
  nc: NatsConnection,
  context: string,
  { concurrency, handle, onBug }: ServeOptions,
): Serving => {
  const subscription = nc.subscribe(commandSubjects(context), { queue: context });
  const running = new Set<Promise<void>>();
  const answer = async (message: Msg): Promise<void> => {
    const type = message.subject.slice(message.subject.lastIndexOf('.') + 1);
    const assertion = message.headers?.get(ASSERTION_HEADER) || undefined;
    const reply = await handle({ type, payload: message.data, assertion }).catch(onBug);
    message.respond(JSON.stringify(reply));
  };
  const work = async (): Promise<void> => {
    for await (const message of subscription) {
      const task: Promise<void> = answer(message).finally(() => running.delete(task));
      running.add(task);
      if (running.size >= concurrency) await Promise.race(running);
    }
    await Promise.all(running);
  };
  const done = work();
  return {
    // The server reads a connection in order: its answer to the ping comes after it has taken the subscription.
    ready: () => nc.flush(),
    drain: async () => {
      await subscription.drain();
      await done;
    },
  };
};
