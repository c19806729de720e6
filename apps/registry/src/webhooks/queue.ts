import type { RegistryEvent, WebhookEvent } from '@kontor/domain/registry';
import type { RecordedEvent } from '@kontor/event-sourcing';
import { derivedId, type ServiceParts } from '@kontor/service';
import type pg from 'pg';
import { type Model, modelIdIn } from './messages.js';

export type RecordedRegistryEvent = Omit<RecordedEvent, 'type' | 'data'> & RegistryEvent;

/** What a webhook's secrets are stored under. */
export const secretOwner = (webhookId: string): string => `webhook/${webhookId}`;

/** The models that the events name by id, as of the checkpoint: by workspace and id as JSON. */
export const readModels = async (
  client: pg.PoolClient,
  events: readonly RecordedRegistryEvent[],
): Promise<Map<string, Model>> => {
  const ids = events.flatMap((event) => {
    const id = event.type === 'RegisteredModelRenamed' ? event.data.modelId : modelIdIn(event);
    return id === undefined ? [] : [[event.workspace, id] as const];
  });
  if (ids.length === 0) return new Map();
  const { rows } = await client.query<Model & { readonly workspace: string; readonly modelId: string }>(
    `SELECT workspace, model_id AS "modelId", name, is_prompt AS "isPrompt" FROM registry.webhook_model
     WHERE (workspace, model_id) IN (SELECT * FROM unnest($1::text[], $2::text[]))`,
    [ids.map(([workspace]) => workspace), ids.map(([, id]) => id)],
  );
  return new Map(
    rows.map(({ workspace, modelId, name, isPrompt }) => [JSON.stringify([workspace, modelId]), { name, isPrompt }]),
  );
};

/** @param models as {@link readModels} gives them. */
export const writeModels = async (client: pg.PoolClient, models: ReadonlyMap<string, Model>): Promise<void> => {
  if (models.size === 0) return;
  const keys = [...models.keys()].map((key) => JSON.parse(key) as [workspace: string, modelId: string]);
  const values = [...models.values()];
  await client.query(
    `INSERT INTO registry.webhook_model (workspace, model_id, name, is_prompt)
     SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[])
     ON CONFLICT (workspace, model_id) DO UPDATE SET name = EXCLUDED.name`,
    [
      keys.map(([workspace]) => workspace),
      keys.map(([, modelId]) => modelId),
      values.map(({ name }) => name),
      values.map(({ isPrompt }) => isPrompt),
    ],
  );
};

interface Subscription {
  readonly workspace: string;
  readonly webhookId: string;
  readonly events: readonly WebhookEvent[];
}

/** The webhooks that are told something, as of the checkpoint. */
export const readActive = async (client: pg.PoolClient): Promise<readonly Subscription[]> => {
  const { rows } = await client.query<Subscription>(
    `SELECT workspace, webhook_id AS "webhookId", events FROM registry.webhook WHERE status = 'ACTIVE'`,
  );
  return rows;
};

/** An event, and a webhook that is told of it. */
export interface ToldMessage {
  readonly event: RecordedRegistryEvent;
  readonly kind: WebhookEvent;
  readonly model: Model;
  readonly webhookId: string;
}

/** A delivery's id follows from event and webhook: whoever gets a message twice can tell. */
export const queueMessages = async (client: pg.PoolClient, told: readonly ToldMessage[]): Promise<void> => {
  if (told.length === 0) return;
  await client.query(
    `INSERT INTO registry.webhook_delivery (delivery_id, workspace, webhook_id, event, position, event_id, model_name, queue)
     SELECT *, position FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::bigint[], $6::uuid[], $7::text[])
       AS told(delivery_id, workspace, webhook_id, event, position, event_id, model_name)`,
    [
      told.map(({ webhookId, event: { eventId, recordedAt } }) =>
        derivedId({ process: secretOwner(webhookId), step: 0, eventId, recordedAt }),
      ),
      told.map(({ event }) => event.workspace),
      told.map(({ webhookId }) => webhookId),
      told.map(({ kind }) => kind),
      told.map(({ event }) => event.position),
      told.map(({ event }) => event.eventId),
      told.map(({ model }) => model.name),
    ],
  );
};

/** What an event of a webhook changes: the webhook itself, and what waits for it. */
export const applyToWebhook = async (
  client: pg.PoolClient,
  event: RecordedRegistryEvent,
  secrets: ServiceParts['secrets'],
): Promise<void> => {
  const { workspace } = event;
  switch (event.type) {
    case 'WebhookCreated': {
      const { webhookId, url, events, status, secretVersion } = event.data;
      await client.query(
        `INSERT INTO registry.webhook (workspace, webhook_id, url, events, status, secret_version)
         VALUES ($1, $2, $3, $4, $5, $6)`,
        [workspace, webhookId, url, events, status, secretVersion],
      );
      return;
    }
    case 'WebhookChanged': {
      const { webhookId, changed } = event.data;
      await client.query(
        `UPDATE registry.webhook SET url = coalesce($3, url), events = coalesce($4, events),
           status = coalesce($5, status), secret_version = CASE WHEN $7 THEN $6 ELSE secret_version END
         WHERE workspace = $1 AND webhook_id = $2`,
        [
          ...[workspace, webhookId, changed.url, changed.events, changed.status, changed.secretVersion],
          changed.secretVersion !== undefined,
        ],
      );
      return;
    }
    case 'WebhookDeleted': {
      const { webhookId } = event.data;
      await client.query('DELETE FROM registry.webhook WHERE workspace = $1 AND webhook_id = $2', [
        workspace,
        webhookId,
      ]);
      await client.query(
        `UPDATE registry.webhook_delivery SET state = 'DROPPED', tried_at = coalesce(tried_at, clock_timestamp())
         WHERE workspace = $1 AND webhook_id = $2 AND state = 'WAITING'`,
        [workspace, webhookId],
      );
      await secrets.forget(workspace, secretOwner(webhookId));
      return;
    }
    case 'WebhookRedeliveryRequested': {
      const { webhookId, deliveryId } = event.data;
      // What waits keeps its place and is tried now; what had ended goes behind everything that waits.
      await client.query(
        `UPDATE registry.webhook_delivery SET state = 'WAITING', tries = 0, queued_at = clock_timestamp(),
           due_at = clock_timestamp(), queue = CASE state WHEN 'WAITING' THEN queue ELSE $4 END
         WHERE workspace = $1 AND webhook_id = $2 AND delivery_id = $3 AND state <> 'DROPPED' AND position IS NOT NULL`,
        [workspace, webhookId, deliveryId, event.position],
      );
      return;
    }
    default:
  }
};
