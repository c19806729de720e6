import { type KeyObject, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { COMMAND_TIMEOUT_MS, type CommandReply, sendCommand } from '@kontor/messaging';
import { AssertionSigner, mayCommand, type Principal } from '@kontor/service/process';
import type { NatsConnection } from '@nats-io/transport-node';
import { v7 as uuidv7 } from 'uuid';

export type ContextName = 'registry' | 'deployment' | 'monitoring' | 'governance';

/** What a service answers. `FORBIDDEN` is the gateway's own no, before anything was sent. */
export type SendResult =
  | CommandReply
  | {
      readonly outcome: 'failed';
      readonly code: 'FORBIDDEN';
      readonly message: string;
      readonly correlationId: string;
    };

export interface SendOptions {
  readonly context: ContextName;
  readonly type: string;
  readonly data: unknown;
  /** What the client asked for, where `data` has more than that: the same id with the same of it is the same command. Default: `data`. */
  readonly asked?: string | undefined;
  /** Whether the reply repeats the events. */
  readonly wantsEvents?: boolean | undefined;
  /** Whether nothing is to happen: the reply then has the events that would be appended. */
  readonly dryRun?: boolean | undefined;
  readonly principal: Principal;
  /** UUIDv7 chosen by the client; drawn if absent. The same id is the same command. */
  readonly commandId?: string | undefined;
  readonly correlationId?: string | undefined;
  /** RFC 3339, of what an administrator imports. */
  readonly occurredAt?: string | undefined;
  readonly traceparent?: string | undefined;
  /** For clients that cannot repeat by themselves: a service that is away is asked until {@link PATIENCE_MS} have passed. */
  readonly isPatient?: boolean | undefined;
}

/** Issuer of the gateway's assertions; its key pair has the same name. */
export const ISSUER = 'gateway';
/** A page waits for it; a service that runs refuses within milliseconds. */
const SIGN_OF_LIFE_TIMEOUT_MS = 500;
/** Pauses before the further tries: a restarting service is back within about a second. */
const RETRY_AFTER_MS: readonly number[] = [100, 400, 1_000];
/** The same for whoever is patient, again and again. */
const PATIENT_RETRY_MS = 1_000;
/** All tries together; nobody waits longer at a door that may stay shut. A killed service is back in a quarter of it. */
const PATIENCE_MS = 20_000;

/** What the headers of a command take of the broker's largest message: an assertion of at most some 3,000 bytes, with room. */
const ASSERTION_BYTES = 4_096;

/** A new command id: UUIDv7. */
export const newCommandId = (): string => uuidv7();

/** Sends commands to the services: signed, and repeated under the same id while the service is away. */
export class CommandClient {
  readonly #signer: AssertionSigner;

  constructor(
    private readonly nats: NatsConnection,
    key: KeyObject,
  ) {
    this.#signer = new AssertionSigner(key, ISSUER);
  }

  /** Whether the broker answers now. */
  async isConnected(): Promise<boolean> {
    if (this.nats.isClosed()) return false;
    const answer = this.nats.rtt().then(
      () => true,
      () => false,
    );
    return Promise.race([answer, delay(SIGN_OF_LIFE_TIMEOUT_MS, false, { ref: false })]);
  }

  /**
   * Whether a service of the context answers now. An unsigned command is refused by every service before it does
   * anything, so the refusal is the sign of life.
   */
  async isAnswered(context: ContextName): Promise<boolean> {
    const reply = await sendCommand(this.nats, {
      context,
      type: 'Unsigned',
      payload: Buffer.from('{}'),
      assertion: '',
      correlationId: randomUUID(),
      timeoutMs: SIGN_OF_LIFE_TIMEOUT_MS,
    });
    return reply.outcome !== 'failed' || reply.code !== 'UNAVAILABLE';
  }

  /**
   * Sends one command and waits for its outcome. Retries are safe: the log remembers the command id.
   *
   * @returns the service's reply; `UNAVAILABLE` after the last try; `FORBIDDEN` for a principal that only reads; `INVALID` for a
   *   command that the broker would not take.
   */
  async send(options: SendOptions): Promise<SendResult> {
    const { context, type, data, asked, wantsEvents, dryRun, principal } = options;
    const commandId = options.commandId ?? newCommandId();
    const correlationId = options.correlationId ?? randomUUID();
    if (!mayCommand(principal)) {
      const message = 'The role auditor reads and sends no command.';
      return { outcome: 'failed', code: 'FORBIDDEN', message, correlationId };
    }
    const metadata = {
      commandId,
      workspace: principal.workspace,
      now: new Date().toISOString(),
      correlationId,
      ...(options.occurredAt !== undefined && { occurredAt: options.occurredAt }),
      ...(options.traceparent !== undefined && { traceparent: options.traceparent }),
    };
    const payload = Buffer.from(JSON.stringify({ type, data, asked, wantsEvents, dryRun, metadata }));
    const { max_payload: mostBytes } = this.nats.info ?? {};
    if (mostBytes !== undefined && payload.length > mostBytes - ASSERTION_BYTES) {
      const message = `the command ${type} has ${payload.length} bytes; allowed are ${mostBytes - ASSERTION_BYTES}`;
      return { outcome: 'failed', code: 'INVALID', message, correlationId };
    }
    const untilMs = performance.now() + PATIENCE_MS;
    for (let tries = 0; ; tries += 1) {
      // A fresh assertion per try: the one of the first try may have expired.
      const { actor, workspace } = principal;
      const assertion = await this.#signer.sign({ actor, workspace, commandId, payload });
      const timeoutMs = Math.max(1, Math.min(COMMAND_TIMEOUT_MS, untilMs - performance.now()));
      const result = await sendCommand(this.nats, { context, type, payload, assertion, correlationId, timeoutMs });
      const pauseMs = RETRY_AFTER_MS[tries] ?? (options.isPatient ? PATIENT_RETRY_MS : Infinity);
      // What was signed before this process or the service was suspended has expired on its way.
      const isAway =
        result.outcome === 'failed' &&
        (result.code === 'UNAVAILABLE' || (result.code === 'UNAUTHENTICATED' && tries === 0));
      if (!isAway || performance.now() + pauseMs >= untilMs) return result;
      await delay(pauseMs);
    }
  }
}
