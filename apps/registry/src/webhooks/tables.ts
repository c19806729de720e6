import { ensureCheckpoints, inTransaction } from '@kontor/event-store';
import type pg from 'pg';

export const SCHEMA = 'registry';

/**
 * The tables of the webhooks: what the log says of them, and the queue of what is sent. The gateway may look at the queue:
 * a try is no event, because there are many and nobody answers for one.
 *
 * A message is not in the queue, only its place in the log. What an erasure takes out of the log is then in no later try.
 */
export const ensureWebhookTables = async (pool: pg.Pool): Promise<void> => {
  await ensureCheckpoints(pool, SCHEMA);
  // Two that make the same table at once do not wait for each other: one of them fails.
  await inTransaction(pool, (client) =>
    client.query(`
    SELECT pg_advisory_xact_lock(hashtext('registry.webhooks'));
    CREATE TABLE IF NOT EXISTS registry.webhook (
      workspace text, webhook_id uuid, url text NOT NULL, events text[] NOT NULL, status text NOT NULL, secret_version int,
      PRIMARY KEY (workspace, webhook_id));
    -- Names as of the checkpoint: most events name their model by its id.
    CREATE TABLE IF NOT EXISTS registry.webhook_model (
      workspace text, model_id text, name text NOT NULL, is_prompt boolean NOT NULL, PRIMARY KEY (workspace, model_id));
    CREATE TABLE IF NOT EXISTS registry.webhook_delivery (
      delivery_id uuid PRIMARY KEY, workspace text NOT NULL, webhook_id uuid NOT NULL, event text NOT NULL,
      -- Of the event, and the name of its model then. Null for a test, which tells of nothing.
      position bigint, event_id uuid, model_name text,
      -- Its place among what waits for the webhook: the position of the event, or of the wish to send it again.
      queue bigint NOT NULL DEFAULT 0,
      state text NOT NULL DEFAULT 'WAITING' CHECK (state IN ('WAITING', 'DELIVERED', 'ABANDONED', 'DROPPED')),
      created_at timestamptz NOT NULL DEFAULT clock_timestamp(), queued_at timestamptz NOT NULL DEFAULT clock_timestamp(),
      due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
      tries int NOT NULL DEFAULT 0, tried_at timestamptz, response_status int, response_body text, error text);
    CREATE INDEX IF NOT EXISTS webhook_delivery_waiting ON registry.webhook_delivery (workspace, webhook_id, queue)
      WHERE state = 'WAITING' AND position IS NOT NULL;
    CREATE INDEX IF NOT EXISTS webhook_delivery_tests ON registry.webhook_delivery (delivery_id)
      WHERE state = 'WAITING' AND position IS NULL;
    CREATE INDEX IF NOT EXISTS webhook_delivery_listed ON registry.webhook_delivery (workspace, webhook_id, created_at, delivery_id);
    CREATE INDEX IF NOT EXISTS webhook_delivery_ended ON registry.webhook_delivery (tried_at) WHERE state <> 'WAITING';
    GRANT USAGE ON SCHEMA registry TO kontor_gateway;
    GRANT SELECT ON registry.webhook_delivery TO kontor_gateway;`),
  );
};
