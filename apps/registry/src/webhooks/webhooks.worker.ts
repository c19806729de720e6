import { upcasters } from '@kontor/domain/contexts';
import { WEBHOOK_EVENTS } from '@kontor/domain/registry';
import { leadUntilAborted } from '@kontor/event-store';
import type { AnswerRequest, ServiceParts, Worker } from '@kontor/service';
import { type OutgoingRules, pause } from '@kontor/service/process';
import { z } from 'zod';
import { deliver } from './deliver.js';
import { followLog } from './follow-log.js';
import { ensureWebhookTables } from './tables.js';

/**
 * Tells webhooks what happens: one process puts messages into their queues and sends them, and another one goes on where
 * it stopped when it ends.
 *
 * @returns a worker whose `stop` resolves when no call is under way any more.
 */
export const startWebhooks = async (parts: ServiceParts, rules: OutgoingRules): Promise<Worker> => {
  const { pool, log } = parts;
  await ensureWebhookTables(pool);
  const stopping = new AbortController();
  let failure: string | undefined;
  let untold: string | undefined;
  const lead = async (leading: AbortSignal, onProgress: () => void): Promise<void> => {
    const ended = new AbortController();
    const signal = AbortSignal.any([leading, ended.signal]);
    let wake = (): void => undefined;
    const wait = async (ms: number): Promise<void> => {
      const woken = new AbortController();
      wake = () => woken.abort();
      await pause(ms, AbortSignal.any([woken.signal, signal]));
      failure = undefined;
      onProgress();
    };
    const onProblem = (problem: string | undefined): void => void (untold = problem);
    const running = [
      followLog({ ...parts, signal, onQueued: () => wake() }),
      deliver({ ...parts, upcasters, rules, signal, wait, onProblem }),
    ];
    try {
      await Promise.all(running);
    } finally {
      ended.abort();
      await Promise.allSettled(running);
    }
  };
  const running = leadUntilAborted(
    {
      pool,
      lock: 'kontor.webhooks',
      applicationName: 'kontor-webhooks',
      signal: stopping.signal,
      onRetry: (error, delayMs) => {
        failure = `webhooks: ${error instanceof Error ? error.message : String(error)}`;
        log.error('the webhooks begin again', error, { delayMs });
      },
    },
    lead,
  ).catch((error: unknown) => {
    failure = `webhooks: ${error instanceof Error ? error.message : String(error)}`;
    log.error('the webhooks stopped', error);
  });
  return {
    stop: async () => {
      stopping.abort();
      await running;
    },
    get problem() {
      return failure ?? untold;
    },
  };
};

const testRequest = z.strictObject({ webhookId: z.uuid(), event: z.enum(WEBHOOK_EVENTS) });

/** Puts a test of a webhook into the queue. The request's id is the delivery's, by which the outcome is found. */
export const testWebhook =
  ({ pool }: ServiceParts): AnswerRequest =>
  async (data, { commandId, workspace, correlationId }) => {
    const { success, data: asked, error } = testRequest.safeParse(data);
    if (!success) {
      const [issue] = error.issues;
      const path = issue?.path.join('.') ?? '';
      return { outcome: 'failed', code: 'INVALID', message: `${path}: ${issue?.message ?? ''}`, path, correlationId };
    }
    await pool.query(
      `INSERT INTO registry.webhook_delivery (delivery_id, workspace, webhook_id, event) VALUES ($1, $2, $3, $4)
       ON CONFLICT DO NOTHING`,
      [commandId, workspace, asked.webhookId, asked.event],
    );
    return { outcome: 'accepted', position: '0', version: '0', eventIds: [] };
  };
