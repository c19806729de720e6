import type { ArtifactReader } from '@kontor/artifact-store';
import { routeEntry, routeKey } from '@kontor/domain/deployment';
import { ROUTES_BUCKET, TELEMETRY_STREAM } from '@kontor/messaging';
import type { Worker } from '@kontor/service';
import { keepRunning, pause } from '@kontor/service/process';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import type pg from 'pg';
import { type EvaluationOptions, performNextTask } from './evaluation.worker.js';
import { followLog } from './log-follower.js';
import { migrateMonitoring } from './migrate.js';
import { deleteExpired } from './retention.js';
import { applyTelemetry, readCursor, type TelemetryMessage } from './telemetry.consumer.js';
import { closeDueWindows, type Dispatch, reviseStaleWindows } from './windows.js';

/** One transaction's worth: a message holds at most 1 MiB, so 64 MiB of text and some 500 MB once it is parsed. */
const BATCH_MESSAGES = 64;

/** How long a batch may wait for its first message; it bounds how late a window is closed after the last row. */
const FETCH_MS = 1000;

const TASK_POLL_MS = 250;

export interface PipelineOptions {
  readonly pool: pg.Pool;
  readonly nats: NatsConnection;
  readonly dispatch: Dispatch;
  readonly artifacts: ArtifactReader;
  readonly servingUrl: string;
  /** Opens serving's door for a workspace. */
  readonly token: (workspace: string) => Promise<string>;
  /** Told each time a part failed; it is started again a second later. */
  readonly onFailure: (part: 'telemetry' | 'tasks', error: unknown) => void;
}

/**
 * Telemetry into windows. The cursor is in PostgreSQL beside what it counted, so the broker's own delivery state does
 * not matter: reading begins after the cursor, and never skips a message that failed.
 */
const consume = async ({ pool, nats, dispatch }: PipelineOptions, signal: AbortSignal): Promise<void> => {
  // A stream that was lost and made again counts from 1. Its own cursor keeps its first messages from being skipped.
  const { created } = await (await jetstreamManager(nats)).streams.info(TELEMETRY_STREAM);
  const stream = `${TELEMETRY_STREAM} ${created}`;
  const start = (await readCursor(pool, stream)) + 1;
  const consumer = await jetstream(nats).consumers.get(TELEMETRY_STREAM, { opt_start_seq: start });
  while (!signal.aborted) {
    const batch = await consumer.fetch({ max_messages: BATCH_MESSAGES, expires: FETCH_MS });
    const messages: TelemetryMessage[] = [];
    for await (const { seq, subject, data, info } of batch) {
      const storedMs = Math.floor(info.timestampNanos / 1e6);
      messages.push({ seq, subject, storedMs, data: new TextDecoder().decode(data) });
    }
    await followLog(pool);
    await applyTelemetry(pool, stream, messages);
    await closeDueWindows(pool, dispatch);
    // Revising in the middle of a backlog would say the same window again with every batch of its labels.
    if (messages.length < BATCH_MESSAGES) await reviseStaleWindows(pool, dispatch);
    await deleteExpired(pool, Date.now());
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
 * @returns a worker whose `stop` resolves when both parts have ended and nothing more is sent.
 */
export const startPipeline = async (options: PipelineOptions): Promise<Worker> => {
  const { pool, nats, onFailure } = options;
  await migrateMonitoring(pool);
  const stopping = new AbortController();
  const { signal } = stopping;
  const keep = (name: 'telemetry' | 'tasks', run: () => Promise<void>) =>
    keepRunning({ name, run, signal, onFailure: (error) => onFailure(name, error) });
  const routeOf = async (workspace: string, endpoint: string) => {
    const entry = await (await new Kvm(nats).open(ROUTES_BUCKET)).get(routeKey({ workspace, endpoint }));
    return entry?.operation === 'PUT' ? routeEntry.parse(entry.json()) : undefined;
  };
  const running = [
    keep('telemetry', () => consume(options, signal)),
    keep('tasks', () => work({ ...options, routeOf, signal })),
  ];
  return {
    stop: async () => {
      stopping.abort();
      await Promise.all(running.map(({ ended }) => ended));
    },
    get problem() {
      return running.find(({ problem }) => problem !== undefined)?.problem;
    },
  };
};
