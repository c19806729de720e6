import { setTimeout as delay } from 'node:timers/promises';
import { routeEntry, routeKey } from '@kontor/domain/deployment';
import { ROUTES_BUCKET, TELEMETRY_STREAM } from '@kontor/messaging';
import { jetstream } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import type pg from 'pg';
import { type EvaluationOptions, performNextTask } from './evaluation.worker.js';
import { followLog } from './log-follower.js';
import { migrateMonitoring } from './migrate.js';
import { applyTelemetry, readCursor, type TelemetryMessage } from './telemetry.consumer.js';
import { closeDueWindows, type Dispatch, reviseStaleWindows } from './windows.js';

/** One transaction's worth: large enough to carry a replay at full speed, small enough to hold in memory. */
const BATCH_MESSAGES = 500;

/** How long a batch may wait for its first message; it bounds how late a window is closed after the last row. */
const FETCH_MS = 1000;

/** Long enough not to spin while PostgreSQL, NATS or the broker restarts. */
const RESTART_MS = 1000;
const TASK_POLL_MS = 250;

export interface PipelineOptions {
  readonly pool: pg.Pool;
  readonly nats: NatsConnection;
  readonly dispatch: Dispatch;
  readonly artifactsDir: string;
  readonly servingUrl: string;
  /** Told each time a part failed; it is started again a second later. */
  readonly onFailure: (part: 'telemetry' | 'tasks', error: unknown) => void;
}

/** Waits, or less if the signal aborts. */
const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  delay(ms, undefined, { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });

/**
 * Telemetry into windows. The cursor is in PostgreSQL beside what it counted, so the broker's own delivery state does
 * not matter: reading begins after the cursor, and never skips a message that failed.
 */
const consume = async ({ pool, nats, dispatch }: PipelineOptions, signal: AbortSignal): Promise<void> => {
  const start = (await readCursor(pool, TELEMETRY_STREAM)) + 1;
  const consumer = await jetstream(nats).consumers.get(TELEMETRY_STREAM, { opt_start_seq: start });
  while (!signal.aborted) {
    const batch = await consumer.fetch({ max_messages: BATCH_MESSAGES, expires: FETCH_MS });
    const messages: TelemetryMessage[] = [];
    for await (const { seq, subject, data } of batch) {
      messages.push({ seq, subject, data: new TextDecoder().decode(data) });
    }
    await followLog(pool);
    await applyTelemetry(pool, TELEMETRY_STREAM, messages);
    await closeDueWindows(pool, dispatch);
    // Revising in the middle of a backlog would say the same window again with every batch of its labels.
    if (messages.length < BATCH_MESSAGES) await reviseStaleWindows(pool, dispatch);
  }
};

const work = async (options: EvaluationOptions): Promise<void> => {
  while (!options.signal.aborted) {
    if (!(await performNextTask(options))) await pause(TASK_POLL_MS, options.signal);
  }
};

/**
 * Runs what the monitoring service does beside answering commands, until it is stopped.
 *
 * @returns `stop`, which resolves when both parts have ended and nothing more is sent.
 */
export const startPipeline = async (options: PipelineOptions): Promise<{ readonly stop: () => Promise<void> }> => {
  const { pool, nats, onFailure } = options;
  await migrateMonitoring(pool);
  const stopping = new AbortController();
  const { signal } = stopping;
  const keepRunning = async (part: 'telemetry' | 'tasks', run: () => Promise<void>): Promise<void> => {
    while (!signal.aborted) {
      try {
        await run();
      } catch (error) {
        if (!signal.aborted) onFailure(part, error);
      }
      await pause(RESTART_MS, signal);
    }
  };
  const routeOf = async (workspace: string, endpoint: string) => {
    const entry = await (await new Kvm(nats).open(ROUTES_BUCKET)).get(routeKey({ workspace, endpoint }));
    return entry?.operation === 'PUT' ? routeEntry.parse(entry.json()) : undefined;
  };
  const running = [
    keepRunning('telemetry', () => consume(options, signal)),
    keepRunning('tasks', () => work({ ...options, routeOf, signal })),
  ];
  return {
    stop: async () => {
      stopping.abort();
      await Promise.all(running);
    },
  };
};
