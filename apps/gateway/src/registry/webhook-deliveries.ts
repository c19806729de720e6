import type pg from 'pg';
import { z } from 'zod';

/** One message to a webhook, and how its last try ended. */
export interface WebhookDelivery {
  readonly deliveryId: string;
  readonly event: string;
  /** Of the event that it tells of; null for a test. */
  readonly position: string | null;
  readonly modelName: string | null;
  readonly state: 'WAITING' | 'DELIVERED' | 'ABANDONED' | 'DROPPED';
  readonly tries: number;
  readonly createdAt: string;
  readonly dueAt: string;
  readonly triedAt: string | null;
  readonly responseStatus: number | null;
  readonly responseBody: string | null;
  readonly error: string | null;
}

export interface DeliveryQuery {
  readonly workspace: string;
  readonly webhookId: string;
  readonly state?: WebhookDelivery['state'] | null | undefined;
  readonly limit: number;
  /** The last one of the page before. */
  readonly after?: string | undefined;
}

const instant = (column: string): string => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

const COLUMNS = `delivery_id AS "deliveryId", event, position, model_name AS "modelName", state, tries,
  ${instant('created_at')} AS "createdAt", ${instant('due_at')} AS "dueAt", ${instant('tried_at')} AS "triedAt",
  response_status AS "responseStatus", response_body AS "responseBody", error`;

const uuid = z.uuid();

export const isDeliveryId = (text: string): boolean => uuid.safeParse(text).success;

/**
 * What the registry service sends to webhooks, in its own table: tries are no events, and no rows of the past are kept of
 * them. So this is always how they stand now.
 */
export class WebhookDeliveries {
  constructor(private readonly pool: pg.Pool) {}

  /** @param deliveryId whatever a client sends; what is no UUID is no delivery. */
  async byId(workspace: string, deliveryId: string): Promise<(WebhookDelivery & { webhookId: string }) | undefined> {
    if (!isDeliveryId(deliveryId)) return undefined;
    const { rows } = await this.pool.query<WebhookDelivery & { webhookId: string }>(
      `SELECT ${COLUMNS}, webhook_id AS "webhookId" FROM registry.webhook_delivery
       WHERE workspace = $1 AND delivery_id = $2`,
      [workspace, deliveryId],
    );
    return rows[0];
  }

  /** Newest first. */
  async page({ workspace, webhookId, state, limit, after }: DeliveryQuery): Promise<readonly WebhookDelivery[]> {
    const { rows } = await this.pool.query<WebhookDelivery>(
      `SELECT ${COLUMNS} FROM registry.webhook_delivery
       WHERE workspace = $1 AND webhook_id = $2 AND ($3::text IS NULL OR state = $3)
         AND ($4::uuid IS NULL OR (created_at, delivery_id) <
           (SELECT created_at, delivery_id FROM registry.webhook_delivery WHERE workspace = $1 AND delivery_id = $4))
       ORDER BY created_at DESC, delivery_id DESC LIMIT $5`,
      [workspace, webhookId, state, after, limit],
    );
    return rows;
  }
}
