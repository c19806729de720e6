import type { KeyObject } from 'node:crypto';
import { type Actor, type CommandMetadata, type Context, mayAdminister } from '@kontor/event-sourcing';
import { type CommandReply, serveCommands } from '@kontor/messaging';
import type { NatsConnection } from '@nats-io/transport-node';
import type { CommandBus } from '@nestjs/cqrs';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import { Dispatch } from './dispatch.js';
import { AssertionVerifier, Unauthenticated } from './assertion.js';
import { loadPublicKey } from './keys.js';
import type { Log } from './log.js';

/** Whose assertions are believed, and for which commands: a stolen key of serving moves no rollout. */
const ISSUERS: Readonly<Record<string, (type: string) => boolean>> = {
  gateway: () => true,
  serving: (type) => type === 'ReportRevisionState',
};

/**
 * Whom an issuer speaks for: the gateway for people and their tools, every other one for itself. What a service tells
 * itself never comes through this door, so nobody can pass for it here, whatever a token or a key of another says.
 */
const speaksFor = (issuer: string, { id, kind }: Actor): boolean =>
  issuer === 'gateway' ? !id.startsWith('service:') : kind === 'service' && id === `service:${issuer}`;

/** Reads everything, commands nothing, whatever other roles it has. */
const AUDITOR = 'auditor';

const envelope = z.object({
  type: z.string().max(200),
  data: z.unknown(),
  asked: z.string().max(200).optional(),
  wantsEvents: z.boolean().optional(),
  dryRun: z.boolean().optional(),
  metadata: z.object({
    commandId: z.uuidv7(),
    workspace: z.string(),
    now: z.iso.datetime(),
    occurredAt: z.iso.datetime().optional(),
    correlationId: z.uuid().toLowerCase(),
    causationId: z.uuid().toLowerCase().optional(),
    traceparent: z.string().max(200).optional(),
  }),
});

const failed = (
  code: 'INVALID' | 'UNAUTHENTICATED',
  message: string,
  correlationId = '',
  path?: string,
): CommandReply => ({
  outcome: 'failed',
  code,
  message,
  correlationId,
  ...(path !== undefined && { path }),
});

/**
 * Answers a request of a type that is no command: nothing is decided and nothing appended. Who asks is verified as for a
 * command, and the same id is the same request.
 */
export type AnswerRequest = (data: unknown, metadata: CommandMetadata) => Promise<CommandReply>;

interface CommandControllerOptions {
  readonly connection: NatsConnection;
  readonly context: Context;
  readonly bus: CommandBus;
  readonly keysDir: string;
  readonly log: Log;
  readonly requests: Readonly<Record<string, AnswerRequest>>;
}

/** Commands in work at once; a decision waits for PostgreSQL most of the time, and group commit likes company. */
const CONCURRENCY = 256;

/** The service's door: `kontor.cmd.<context>.*`. Actor and workspace come from the signed assertion, from nothing else. */
export class CommandController {
  readonly #keys = new Map<string, Promise<KeyObject | undefined>>();
  readonly #assertions = new AssertionVerifier((issuer) => this.#keyOf(issuer));
  readonly #serving: ReturnType<typeof serveCommands>;

  constructor(private readonly options: CommandControllerOptions) {
    const { connection, context, log } = options;
    this.#serving = serveCommands(connection, context.name, {
      concurrency: CONCURRENCY,
      handle: ({ payload, assertion }) => this.#answer(payload, assertion),
      onBug: (error) => {
        const correlationId = uuidv7();
        log.error('a command failed before it was dispatched', error, { correlationId });
        return {
          outcome: 'failed',
          code: 'INTERNAL',
          message: `The command failed; the log has ${correlationId}.`,
          correlationId,
        };
      },
    });
  }

  /** Resolves when a command sent now finds this service. */
  ready(): Promise<void> {
    return this.#serving.ready();
  }

  /** Answers what was received, then takes no more. */
  stop(): Promise<void> {
    return this.#serving.drain();
  }

  async #answer(payload: Uint8Array, token: string | undefined): Promise<CommandReply> {
    const parsed = envelope.safeParse(parse(payload));
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      const path = issue?.path.join('.') ?? '';
      return failed('INVALID', `${path || 'command'}: ${issue?.message ?? ''}`, '', path);
    }
    const { type, data, asked, wantsEvents, dryRun, metadata } = parsed.data;
    const { correlationId, commandId } = metadata;
    try {
      const { issuer, actor, workspace } = await this.#assertions.verify(token, { commandId, payload });
      if (!ISSUERS[issuer]?.(type)) throw new Unauthenticated(`${issuer} may not send ${type}`);
      if (!speaksFor(issuer, actor)) throw new Unauthenticated(`${issuer} may not speak for ${actor.id}`);
      if (metadata.occurredAt !== undefined && !mayAdminister(actor))
        throw new Unauthenticated('when something happened elsewhere is said by the role admin alone');
      if (actor.roles.includes(AUDITOR)) throw new Unauthenticated('the role auditor reads and sends no command');
      const verified = { ...metadata, workspace, actor };
      const { requests, bus } = this.options;
      const answer = Object.hasOwn(requests, type) ? requests[type] : undefined;
      if (answer) return await answer(data, verified);
      return await bus.execute(new Dispatch({ type, data, asked, wantsEvents, dryRun, metadata: verified }));
    } catch (error) {
      if (!(error instanceof Unauthenticated)) throw error;
      // Not an event: nobody is proven to have done it, and whoever can write to NATS could fill the log for ever.
      this.options.log.info('a command was refused at the door', { type, reason: error.message, correlationId });
      return failed('UNAUTHENTICATED', error.message, correlationId);
    }
  }

  #keyOf(issuer: string): Promise<KeyObject | undefined> {
    if (!Object.hasOwn(ISSUERS, issuer)) return Promise.resolve(undefined);
    let key = this.#keys.get(issuer);
    if (!key) {
      key = loadPublicKey(this.options.keysDir, issuer);
      this.#keys.set(issuer, key);
      // A pair that is made later must be found then.
      key.catch(() => this.#keys.delete(issuer));
    }
    return key;
  }
}

/** @returns undefined for what is no JSON: the schema then says what a command looks like. */
const parse = (payload: Uint8Array): unknown => {
  try {
    return JSON.parse(Buffer.from(payload).toString());
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
};
