import type { WebhookEvent } from '@kontor/domain/registry';
import type { Upcasters } from '@kontor/event-sourcing';
import { readEvent } from '@kontor/event-store';
import type { ServiceParts } from '@kontor/service';
import { type OutgoingRules, postOutgoing } from '@kontor/service/process';
import { EXAMPLES } from './examples.js';
import { bodyOf, type Message, messageOf } from './messages.js';
import { type RecordedRegistryEvent, secretOwner } from './queue.js';
import type { Outcome } from './schedule.js';
import { signed } from './signature.js';

/** @source MLflow 3.18, MLFLOW_WEBHOOK_REQUEST_TIMEOUT */
const TIMEOUT_MS = 30_000;
/** Enough of an answer to see what was wrong; a receiver may answer with anything. */
const MAX_ANSWER_BYTES = 8 * 1024;
const MAX_ERROR_CHARACTERS = 500;

/** A message that waits, and the webhook as it is now. */
export interface Delivery {
  readonly deliveryId: string;
  readonly workspace: string;
  readonly webhookId: string;
  readonly event: WebhookEvent;
  /** Of the event; null for a test. */
  readonly position: string | null;
  readonly eventId: string | null;
  readonly modelName: string | null;
  readonly queuedAt: Date;
  readonly dueAt: Date;
  readonly tries: number;
  readonly url: string;
  readonly secretVersion: number | null;
}

/** How a try ended, as it is kept. */
export interface Try extends Outcome {
  readonly body: string | null;
  readonly error: string | null;
}

export interface SendOptions extends Pick<ServiceParts, 'pool' | 'personal' | 'secrets'> {
  readonly upcasters: Upcasters;
  readonly rules: OutgoingRules;
}

/** The message as the log has it now: what was erased since is not in it any more. */
const messageFor = async (
  { position, workspace, modelName, event, dueAt }: Delivery,
  { pool, personal, upcasters }: SendOptions,
): Promise<Message> => {
  if (position === null) return { event, recordedAt: dueAt.toISOString(), workspace, data: EXAMPLES[event] };
  const recorded = await readEvent(pool, BigInt(position), upcasters);
  if (!recorded) throw new Error(`the log has no event at position ${position}`);
  const data = recorded.meta.encrypted ? await personal.open(workspace, recorded.data) : recorded.data;
  const model = { name: modelName ?? '', isPrompt: event.startsWith('prompt') };
  return messageOf({ ...recorded, data } as RecordedRegistryEvent, event, model);
};

/** An error's own words; the error of several addresses has none, but its first one has. */
const wordsOf = (error: unknown): string => {
  if (error instanceof AggregateError && error.message === '') return wordsOf(error.errors[0]);
  return (error instanceof Error ? error.message : String(error)).slice(0, MAX_ERROR_CHARACTERS);
};

/** PostgreSQL's text holds every character but this one. */
const storable = (text: string): string => text.replaceAll('\0', '\ufffd');

/**
 * Sends a message once.
 *
 * @throws why there is no message to send: the database, the key store or the archive is away. That is no try.
 */
export const send = async (delivery: Delivery, options: SendOptions, signal: AbortSignal): Promise<Try> => {
  const { deliveryId, workspace, webhookId, url, secretVersion } = delivery;
  const body = bodyOf(await messageFor(delivery, options));
  const owner = secretOwner(webhookId);
  const secret =
    secretVersion === null ? undefined : await options.secrets.find({ workspace, owner, version: secretVersion });
  const headers = signed({ deliveryId, nowMs: Date.now(), body, secret });
  try {
    const answer = await postOutgoing({
      ...{ url, headers, body: Buffer.from(body), rules: options.rules },
      ...{ timeoutMs: TIMEOUT_MS, maxAnswerBytes: MAX_ANSWER_BYTES, signal },
    });
    return { ...answer, body: storable(answer.body), error: null };
  } catch (error) {
    signal.throwIfAborted();
    return { status: null, body: null, error: storable(wordsOf(error)) };
  }
};
