import { hostname } from 'node:os';
import type { WebhookEvent } from '@kontor/domain/registry';
import {
  advanceCheckpoint,
  type CheckpointClaim,
  claimCheckpoint,
  inTransaction,
  lockCheckpoint,
} from '@kontor/event-store';
import type { ServiceParts } from '@kontor/service';
import { pause } from '@kontor/service/process';
import type pg from 'pg';
import { LOG_TYPES, type Model, modelIdIn, webhookEventOf } from './messages.js';
import {
  applyToWebhook,
  queueMessages,
  readActive,
  readModels,
  type RecordedRegistryEvent,
  type ToldMessage,
  writeModels,
} from './queue.js';
import { SCHEMA } from './tables.js';

const CONSUMER = { name: 'webhooks', version: 1, schema: SCHEMA } as const;
/** Ten looks at the head a second cost nothing measurable; a notification for each append would, under load. */
const POLL_MS = 100;
/** How far the checkpoint stays behind events that nobody is told of: to look at a second's events again costs less. */
const CHECKPOINT_MS = 1_000;
const BATCH_EVENTS = 500;

/** After these other types may be wanted, and other webhooks are told, from the next event on. */
const CHANGES = ['WebhookCreated', 'WebhookChanged', 'WebhookDeleted'] as const;
/** Everything of these must be known, whether or not somebody is told of it. */
const ALWAYS = ['RegisteredModelCreated', 'RegisteredModelRenamed', ...CHANGES, 'WebhookRedeliveryRequested'] as const;

const isChange = (event: RecordedRegistryEvent | undefined): boolean =>
  (CHANGES as readonly (string | undefined)[]).includes(event?.type);

interface Options extends Pick<ServiceParts, 'pool' | 'store' | 'secrets'> {
  readonly signal: AbortSignal;
  /** Called after something has changed in the queues. */
  readonly onQueued: () => void;
}

/**
 * Puts what webhooks are told into their queues, from the log, until the signal aborts. Rows and checkpoint move in one
 * transaction: each event is taken once, whatever is killed when, and tells the webhooks that are active at its position.
 *
 * Reads only events of types that somebody is told of, so that without webhooks nearly all of the log passes by unread.
 *
 * @throws CheckpointLost if another process has taken over; the errors of PostgreSQL. Begin again.
 */
export const followLog = async ({ pool, store, secrets, signal, onQueued }: Options): Promise<void> => {
  const claim = await claimCheckpoint(pool, { ...CONSUMER, owner: hostname() });
  let { position } = claim;
  let written = position;
  let writtenAtMs = performance.now();
  let types = await wantedTypes(pool);
  while (!signal.aborted) {
    const head = await store.head();
    const batch: RecordedRegistryEvent[] = [];
    for await (const event of store.readAll(position, { upTo: head, types })) {
      batch.push(event as RecordedRegistryEvent);
      if (isChange(batch.at(-1)) || batch.length === BATCH_EVENTS) break;
    }
    const last = batch.at(-1);
    const isWhole = batch.length < BATCH_EVENTS && !isChange(last);
    position = isWhole || last === undefined ? head : last.position;
    if (last || (position > written && performance.now() - writtenAtMs > CHECKPOINT_MS)) {
      await inTransaction(pool, async (client) => {
        await take(client, claim, batch, secrets);
        await advanceCheckpoint(client, claim, position);
      });
      written = position;
      writtenAtMs = performance.now();
    }
    if (last) onQueued();
    if (isChange(last)) types = await wantedTypes(pool);
    if (isWhole) await pause(POLL_MS, signal);
  }
};

const wantedTypes = async (pool: pg.Pool): Promise<readonly string[]> => {
  const { rows } = await pool.query<{ event: WebhookEvent }>(
    `SELECT DISTINCT unnest(events) AS event FROM registry.webhook WHERE status = 'ACTIVE'`,
  );
  return [...new Set([...ALWAYS, ...rows.flatMap(({ event }) => LOG_TYPES[event] ?? [])])];
};

/** @param batch ends with a webhook's change if it has one, so that all its events find the same webhooks. */
const take = async (
  client: pg.PoolClient,
  claim: CheckpointClaim,
  batch: readonly RecordedRegistryEvent[],
  secrets: ServiceParts['secrets'],
): Promise<void> => {
  const done = await lockCheckpoint(client, claim);
  const events = batch.filter(({ position }) => position > done);
  const models = await readModels(client, events);
  const named = new Map<string, Model>();
  const webhooks = await readActive(client);
  const told: ToldMessage[] = [];
  for (const event of events) {
    if (event.type === 'RegisteredModelCreated' || event.type === 'RegisteredModelRenamed') {
      const { workspace, data } = event;
      const key = JSON.stringify([workspace, data.modelId]);
      const isPrompt = event.type === 'RegisteredModelCreated' ? event.data.isPrompt : models.get(key)?.isPrompt;
      const model = { name: data.name, isPrompt: isPrompt ?? false };
      models.set(key, model);
      named.set(key, model);
    }
    const model = models.get(JSON.stringify([event.workspace, modelIdIn(event)]));
    const kind = model && webhookEventOf(event, model);
    if (!model || !kind) continue;
    for (const { workspace, webhookId, events: wanted } of webhooks)
      if (workspace === event.workspace && wanted.includes(kind)) told.push({ event, kind, model, webhookId });
  }
  await writeModels(client, named);
  await queueMessages(client, told);
  for (const event of events) await applyToWebhook(client, event, secrets);
};
