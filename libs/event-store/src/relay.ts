import { BEGINNING, type Position } from '@kontor/event-sourcing';
import pg from 'pg';
import { connectionOf } from './append-connection.js';
import { LogForked } from './errors.js';
import { Listener } from './listener.js';
import { HEAD_POLL_MS } from './log-tail.js';
import { pause } from './pause.js';
import { PAGE_EVENTS, readRawPage } from './read-all.js';
import type { RawEvent } from './rows.js';

/** JetStream's default for one message; here it bounds what a broken chain has to send again. */
const MAX_PUBLISH_BYTES = 1024 * 1024;
const LEADER_POLL_MS = 1_000;
const FIRST_BACKOFF_MS = 50;
const MAX_BACKOFF_MS = 5_000;

/** Where the relay publishes. It is its own cursor: what it holds says where to go on. */
export interface RelayTarget {
  /** The last event that the target holds; undefined if it holds none. */
  tail(): Promise<{ readonly position: Position; readonly eventId: string } | undefined>;
  /**
   * Publishes events that follow each other and the tail. Resolves when all of them are held.
   *
   * Rejects if the chain broke or the connection failed; the target then holds a prefix of them.
   */
  publish(events: readonly RawEvent[]): Promise<void>;
}

export interface RelayOptions {
  readonly pool: pg.Pool;
  readonly target: RelayTarget;
  readonly signal: AbortSignal;
  /** Name of the report in es.relay, and of the leader's lock. */
  readonly name?: string;
  /** Called when the target or PostgreSQL failed, before the next try. */
  readonly onRetry?: (error: unknown, delayMs: number) => void;
}

/**
 * Copies the log to a target until the signal aborts: each event once, in order, whatever fails on the way.
 *
 * One relay of a name works at a time; the others wait. That saves work and nothing more: the target's chain keeps two
 * of them from doing harm.
 *
 * @throws LogForked if the target holds another event than the log at its tail.
 */
export const runRelay = async (options: RelayOptions): Promise<void> => {
  const { signal } = options;
  let backoffMs = FIRST_BACKOFF_MS;
  while (!signal.aborted) {
    try {
      await lead(options, () => (backoffMs = FIRST_BACKOFF_MS));
    } catch (error) {
      if (error instanceof LogForked) throw error;
      if (signal.aborted) return;
      options.onRetry?.(error, backoffMs);
      await pause(backoffMs, signal);
      backoffMs = Math.min(backoffMs * 2, MAX_BACKOFF_MS);
    }
  }
};

/** Waits for the lock, then publishes until something fails. The lock ends with its session. */
const lead = async (options: RelayOptions, onProgress: () => void): Promise<void> => {
  const { pool, signal, name = 'jetstream' } = options;
  const leader = new pg.Client({ ...connectionOf(pool.options), application_name: 'kontor-relay' });
  const lost = new AbortController();
  leader.on('error', () => lost.abort());
  leader.on('end', () => lost.abort());
  try {
    await leader.connect();
    while (!signal.aborted && !(await tryLock(leader, name))) {
      await pause(LEADER_POLL_MS, signal);
    }
    await publishFromTail(options, name, AbortSignal.any([signal, lost.signal]), onProgress);
  } finally {
    await leader.end();
  }
};

const tryLock = async (leader: pg.Client, name: string): Promise<boolean> => {
  const { rows } = await leader.query<{ held: boolean }>('SELECT pg_try_advisory_lock(hashtext($1)) AS held', [
    `kontor.relay.${name}`,
  ]);
  return rows[0]?.held ?? false;
};

const publishFromTail = async (
  { pool, target }: RelayOptions,
  name: string,
  signal: AbortSignal,
  onProgress: () => void,
): Promise<void> => {
  if (signal.aborted) return;
  const listener = new Listener(pool.options, 'es_head');
  try {
    let position = await resume(pool, target);
    while (!signal.aborted) {
      const seen = listener.seen;
      const page = await readRawPage(pool, { after: position, limit: PAGE_EVENTS });
      for (const events of pieces(page)) {
        await target.publish(events);
        const last = events.at(-1);
        if (last === undefined) continue;
        position = last.position;
        await report(pool, name, last);
        onProgress();
      }
      if (page.length < PAGE_EVENTS) await listener.wait(seen, HEAD_POLL_MS, signal);
    }
  } finally {
    await listener.close();
  }
};

/** The position to go on from. @throws LogForked if log and target disagree about it. */
const resume = async (pool: pg.Pool, target: RelayTarget): Promise<Position> => {
  const tail = await target.tail();
  if (tail === undefined) return BEGINNING;
  const { rows } = await pool.query<{ event_id: string }>('SELECT event_id FROM es.event WHERE pos = $1', [
    tail.position,
  ]);
  if (rows[0]?.event_id !== tail.eventId) throw new LogForked(tail.position, rows[0]?.event_id, tail.eventId);
  return tail.position;
};

/** Cuts a page into pieces of at most 1 MiB, each of at least one event. */
function* pieces(page: readonly RawEvent[]): Generator<readonly RawEvent[], void> {
  let piece: RawEvent[] = [];
  let sizeBytes = 0;
  for (const event of page) {
    const bytes = Buffer.byteLength(event.data) + Buffer.byteLength(event.meta);
    if (piece.length > 0 && sizeBytes + bytes > MAX_PUBLISH_BYTES) {
      yield piece;
      piece = [];
      sizeBytes = 0;
    }
    piece.push(event);
    sizeBytes += bytes;
  }
  if (piece.length > 0) yield piece;
}

const report = async (pool: pg.Pool, name: string, last: RawEvent): Promise<void> => {
  await pool.query({
    name: 'es_relay_report',
    text: `INSERT INTO es.relay (name, acked_pos, acked_event, updated_at) VALUES ($1, $2, $3, clock_timestamp())
           ON CONFLICT (name) DO UPDATE SET acked_pos = EXCLUDED.acked_pos, acked_event = EXCLUDED.acked_event, updated_at = EXCLUDED.updated_at`,
    values: [name, last.position, last.eventId],
  });
};
