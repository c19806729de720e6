import { BEGINNING, type Position } from '@kontor/event-sourcing';
import type pg from 'pg';
import { LogForked } from './errors.js';
import { leadUntilAborted } from './leader.js';
import { Listener } from './listener.js';
import { FAR_BEHIND_EVENTS, HEAD_POLL_MS } from './log-tail.js';
import { PAGE_EVENTS, readHead, readRawPage } from './read-all.js';
import { copyRawEvents } from './read-copy.js';
import type { RawEvent } from './rows.js';

/** JetStream's default for one message; here it bounds what a broken chain has to send again. */
const MAX_PUBLISH_BYTES = 1024 * 1024;

/** Publishes whose answer is out. The target works on one while the next is made; four were no faster. */
const MAX_UNDERWAY = 2;

// A report is a commit of its own. With one a page, catching up flushed as often as it published.
const REPORT_INTERVAL_MS = 1_000;

/** Where the relay publishes. It is its own cursor: what it holds says where to go on. */
export interface RelayTarget {
  /**
   * The last event that the target got; undefined if it never got one. Without an id if the target has dropped the event
   * since, by age or size, and only remembers the position.
   */
  tail(): Promise<{ readonly position: Position; readonly eventId: string | undefined } | undefined>;
  /**
   * Publishes events that follow each other and those of the call before, which may still be under way. Resolves when
   * all of them, and so all before them, are held.
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
 * @throws the target's error if that says that waiting does not help (`retryable: false`).
 */
export const runRelay = (options: RelayOptions): Promise<void> => {
  const { pool, signal, name = 'jetstream', onRetry } = options;
  return leadUntilAborted(
    {
      pool,
      lock: `kontor.relay.${name}`,
      applicationName: 'kontor-relay',
      signal,
      onRetry,
    },
    (leading, onProgress) => publishFromTail(options, name, leading, onProgress),
  );
};

const publishFromTail = async (
  { pool, target }: RelayOptions,
  name: string,
  signal: AbortSignal,
  onProgress: () => void,
): Promise<void> => {
  if (signal.aborted) return;
  const failed = new AbortController();
  const stopping = AbortSignal.any([signal, failed.signal]);
  const fail = (error: unknown): void => failed.abort(error);
  const begin = await resume(pool, name, target);
  let acked: RawEvent | undefined;
  let reported = begin;
  let reporting = Promise.resolve();
  const reportAcked = (): Promise<void> => {
    if (acked === undefined || acked.position === reported) return Promise.resolve();
    reported = acked.position;
    return report(pool, name, acked);
  };
  let reportedAtMs = 0;
  const underway: Promise<void>[] = [];
  const send = (events: readonly RawEvent[]): Promise<void> =>
    target.publish(events).then(() => {
      acked = events.at(-1);
      onProgress();
    }, fail);
  try {
    for await (const page of pages(pool, begin, stopping)) {
      for (const piece of pieces(page)) {
        if (underway.length === MAX_UNDERWAY) await underway.shift();
        if (stopping.aborted) break;
        underway.push(send(piece));
      }
      if (Date.now() - reportedAtMs < REPORT_INTERVAL_MS) continue;
      await reporting;
      reportedAtMs = Date.now();
      reporting = reportAcked().catch(fail);
    }
  } finally {
    await Promise.all([...underway, reporting]);
  }
  failed.signal.throwIfAborted();
  await reportAcked();
};

/** The log after a position, in order, until the signal aborts: an empty page is the head and comes at every poll. */
async function* pages(pool: pg.Pool, after: Position, signal: AbortSignal): AsyncGenerator<readonly RawEvent[], void> {
  const listener = new Listener(pool.options, 'es_head');
  try {
    for (let position = after; !signal.aborted;) {
      const seen = listener.seen;
      const page = await readRawPage(pool, { after: position, limit: PAGE_EVENTS });
      yield page;
      position = page.at(-1)?.position ?? position;
      if (page.length < PAGE_EVENTS) {
        await listener.wait(seen, HEAD_POLL_MS, signal);
        continue;
      }
      const head = await readHead(pool);
      if (head - position <= FAR_BEHIND_EVENTS) continue;
      for await (const batch of copyRawEvents(pool, { after: position, upTo: head })) {
        yield batch;
        position = batch.at(-1)?.position ?? position;
        if (signal.aborted) return;
      }
    }
  } finally {
    await listener.close();
  }
}

/**
 * The position to go on from. Where the target dropped its last event, our own report of it stands in.
 *
 * @throws LogForked if log and target disagree about it.
 */
const resume = async (pool: pg.Pool, name: string, target: RelayTarget): Promise<Position> => {
  const tail = await target.tail();
  if (tail === undefined) return BEGINNING;
  const { position } = tail;
  const [logged] = (await readRawPage(pool, { after: position - 1n, limit: 1 })).filter((e) => e.position === position);
  const { rows } = await pool.query<{ acked_event: string }>(
    'SELECT acked_event FROM es.relay WHERE name = $1 AND acked_pos = $2',
    [name, position],
  );
  const isSame = logged?.eventId === (tail.eventId ?? rows[0]?.acked_event);
  if (logged === undefined || !isSame) throw new LogForked(position, logged?.eventId, tail.eventId);
  // The report may lag behind by a second. Once the target has dropped this event, nothing else would vouch for it.
  await report(pool, name, logged);
  return position;
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

const report = async (pool: pg.Pool, name: string, last: Pick<RawEvent, 'position' | 'eventId'>): Promise<void> => {
  await pool.query({
    name: 'es_relay_report',
    text: `INSERT INTO es.relay (name, acked_pos, acked_event, updated_at) VALUES ($1, $2, $3, clock_timestamp())
           ON CONFLICT (name) DO UPDATE SET acked_pos = EXCLUDED.acked_pos, acked_event = EXCLUDED.acked_event, updated_at = EXCLUDED.updated_at`,
    values: [name, last.position, last.eventId],
  });
};

/** How far the relay of a name has reported; 0 before its first event. */
export const readRelayed = async (pool: pg.Pool, name = 'jetstream'): Promise<Position> => {
  const { rows } = await pool.query<{ acked_pos: string }>('SELECT acked_pos FROM es.relay WHERE name = $1', [name]);
  return BigInt(rows[0]?.acked_pos ?? 0);
};
