import { derivedId, type ServiceParts } from '@kontor/service';
import type pg from 'pg';
import { isDelivered, nextTryMs } from './schedule.js';
import { type Delivery, send, type SendOptions, type Try } from './send.js';

/** Calls at once. A webhook has one at a time, so a target holds one of them for at most 30 s of each try. */
const MAX_CALLS = 256;
/** For tries that become due, and for tests that another process took. */
const POLL_MS = 250;
/** How long a message waits whose try could not be made, because something of our own is away. */
const SETBACK_MS = 5_000;
/** A process that stops gives the calls under way so long; a message whose call is cut off is sent again. */
const GRACE_MS = 5_000;
/** What ended is shown for so long. */
const KEPT_DAYS = 30;
const PRUNE_MS = 3_600_000;

const COLUMNS = `d.delivery_id AS "deliveryId", d.workspace, d.webhook_id AS "webhookId", d.event, d.position,
  d.event_id AS "eventId", d.model_name AS "modelName", d.queued_at AS "queuedAt", d.due_at AS "dueAt", d.tries, w.url,
  w.secret_version AS "secretVersion"`;

/** The first of each queue, if it is due: what is behind it waits for it, and for nothing else. */
const HEADS = `
  SELECT ${COLUMNS} FROM registry.webhook w CROSS JOIN LATERAL (
    SELECT * FROM registry.webhook_delivery d
    WHERE d.workspace = w.workspace AND d.webhook_id = w.webhook_id AND state = 'WAITING' AND position IS NOT NULL
    ORDER BY queue LIMIT 1) d
  WHERE d.due_at <= clock_timestamp()`;

/** Somebody waits for a test, so that it waits for nothing. */
const TESTS = `
  SELECT ${COLUMNS} FROM registry.webhook_delivery d JOIN registry.webhook w USING (workspace, webhook_id)
  WHERE state = 'WAITING' AND position IS NULL`;

const isTest = ({ position }: Delivery): boolean => position === null;

interface Options extends SendOptions, Pick<ServiceParts, 'dispatcher' | 'log'> {
  readonly signal: AbortSignal;
  /** Resolves when something was queued, or after a while. */
  readonly wait: (ms: number) => Promise<void>;
  /** Told why a try could not be made; undefined after one that could. */
  readonly onProblem: (problem: string | undefined) => void;
}

/**
 * Sends what waits, until the signal aborts: of each webhook one message at a time, in the order of its queue, and all
 * webhooks side by side.
 *
 * What is sent and what is noted of it are two steps. A process that is killed in between sends the same message again,
 * under the same id.
 */
export const deliver = async (options: Options): Promise<void> => {
  const { pool, signal, wait } = options;
  const cut = new AbortController();
  const busy = new Map<string, Promise<void>>();
  let failure: unknown;
  let prunedAtMs = -Infinity;
  try {
    while (!signal.aborted && failure === undefined) {
      if (performance.now() - prunedAtMs > PRUNE_MS) {
        await prune(pool);
        prunedAtMs = performance.now();
      }
      const { rows } = await pool.query<Delivery>(
        `SELECT * FROM (${TESTS} UNION ALL ${HEADS}) due
         WHERE CASE WHEN position IS NULL THEN "deliveryId" ELSE "webhookId" END <> ALL ($1::uuid[])
         ORDER BY "dueAt" LIMIT $2`,
        [[...busy.keys()], MAX_CALLS - busy.size],
      );
      for (const first of rows) {
        const queue = isTest(first) ? first.deliveryId : first.webhookId;
        const drained = drain(first, options, cut.signal)
          .catch((error: unknown) => void (failure ??= error))
          .finally(() => busy.delete(queue));
        busy.set(queue, drained);
      }
      await wait(POLL_MS);
    }
  } finally {
    const timer = setTimeout(() => cut.abort(), GRACE_MS);
    await Promise.all(busy.values());
    clearTimeout(timer);
  }
  if (failure !== undefined) throw failure;
};

/** Sends one message after the other until the queue is empty, or its first message has to wait. */
const drain = async (first: Delivery, options: Options, cut: AbortSignal): Promise<void> => {
  let delivery: Delivery | undefined = first;
  while (delivery) {
    const isMade = await tryOnce(delivery, options, cut);
    if (!isMade || isTest(delivery) || options.signal.aborted) return;
    const { rows }: { rows: Delivery[] } = await options.pool.query<Delivery>(
      `${HEADS} AND w.workspace = $1 AND w.webhook_id = $2`,
      [delivery.workspace, delivery.webhookId],
    );
    [delivery] = rows;
  }
};

/** @returns whether the try could be made, whatever became of it. */
const tryOnce = async (delivery: Delivery, options: Options, cut: AbortSignal): Promise<boolean> => {
  const { pool, log, onProblem } = options;
  const { deliveryId } = delivery;
  try {
    const ended = await send(delivery, options, cut);
    await settle(delivery, ended, options);
    onProblem(undefined);
    return true;
  } catch (error) {
    if (cut.aborted) return false;
    const reason = error instanceof Error ? error.message : String(error);
    log.error('a webhook could not be called', error, { deliveryId });
    onProblem(`a webhook could not be called: ${reason}`);
    await pool.query(
      `UPDATE registry.webhook_delivery SET due_at = clock_timestamp() + $2 * interval '1 ms', error = $3
       WHERE delivery_id = $1 AND state = 'WAITING'`,
      [deliveryId, SETBACK_MS, reason],
    );
    return false;
  }
};

const settle = async (delivery: Delivery, ended: Try, options: Options): Promise<void> => {
  const { deliveryId, queuedAt } = delivery;
  const tries = delivery.tries + 1;
  const nowMs = Date.now();
  const isOver = isDelivered(ended) || isTest(delivery);
  const next = { tries, queuedMs: queuedAt.getTime(), nowMs, chance: Math.random() };
  const dueMs = isOver ? undefined : nextTryMs(ended, next);
  const state = isDelivered(ended) ? 'DELIVERED' : dueMs === undefined ? 'ABANDONED' : 'WAITING';
  if (state === 'ABANDONED' && !isTest(delivery)) await abandon(delivery, ended, options);
  // Who asked for the message again meanwhile has set the tries back: then it is tried again.
  await options.pool.query(
    `UPDATE registry.webhook_delivery SET state = $3, tries = $4, tried_at = clock_timestamp(), response_status = $5,
       response_body = $6, error = $7, due_at = coalesce($8, due_at)
     WHERE delivery_id = $1 AND state = 'WAITING' AND tries = $2`,
    [
      ...[deliveryId, delivery.tries, state, tries, ended.status, ended.body, ended.error],
      dueMs === undefined ? null : new Date(dueMs),
    ],
  );
};

/** Says in the log that a message is given up. Said again after a crash it is the same command. */
const abandon = async (delivery: Delivery, ended: Try, { dispatcher }: Options): Promise<void> => {
  const { deliveryId, workspace, webhookId, event, eventId, dueAt } = delivery;
  const reply = await dispatcher.dispatch({
    type: 'AbandonWebhookDelivery',
    workspace,
    data: {
      ...{ webhookId, deliveryId, eventId, event, tries: delivery.tries + 1, responseStatus: ended.status },
      reason: ended.error ?? `the target answered ${ended.status}`,
    },
    asked: { deliveryId },
    commandId: derivedId({ process: 'abandon', step: 0, eventId: deliveryId, recordedAt: dueAt.toISOString() }),
    ...(eventId !== null && { causationId: eventId }),
  });
  // A webhook that was deleted meanwhile has nothing to give up.
  if (reply.outcome === 'accepted' || (reply.outcome === 'rejected' && reply.code === 'WEBHOOK_UNKNOWN')) return;
  throw new Error(`a delivery could not be given up: ${reply.code} ${reply.message}`);
};

const prune = async (pool: pg.Pool): Promise<void> => {
  await pool.query(
    `DELETE FROM registry.webhook_delivery WHERE state <> 'WAITING' AND tried_at < clock_timestamp() - $1 * interval '1 day'`,
    [KEPT_DAYS],
  );
  // Tests that came when their webhook was gone. Nobody waits for an hour.
  await pool.query(
    `DELETE FROM registry.webhook_delivery
     WHERE state = 'WAITING' AND position IS NULL AND created_at < clock_timestamp() - interval '1 hour'`,
  );
};
