import type { Position, RecordedEvent, Upcasters } from '@kontor/event-sourcing';
import type pg from 'pg';
import { Listener } from './listener.js';
import { pause } from './pause.js';
import { PAGE_EVENTS, readHead, readPage } from './read-all.js';
import { copyEvents } from './read-copy.js';

/** The poll is the truth, the notification only makes it quick. Five polls a second cost nothing measurable. */
export const HEAD_POLL_MS = 200;

/** Between two looks of who wants few types; no person notices it. */
const FEW_TYPES_REST_MS = 50;

/** Farther behind the log is read by COPY: batches are then as large as the reader is slow, up to about 1 MiB. */
export const FAR_BEHIND_EVENTS = 5_000n;

/** The largest bigint of PostgreSQL. */
const LAST_POSITION = 9_223_372_036_854_775_807n;

export interface TailOptions {
  readonly pool: pg.Pool;
  /** The first batch begins right after this position. */
  readonly after: Position;
  readonly upcasters: Upcasters;
  /** Default: all. Events of other types are not read. */
  readonly types?: readonly string[];
  readonly signal: AbortSignal;
}

/**
 * The log from a position on, without end: batches of at most 500 events or about 1 MiB, in order, without a gap (among the
 * types that are wanted), never empty.
 *
 * Ends when the signal aborts.
 *
 * @throws pg's errors; go on with a new iterator from the last position that was used.
 */
export async function* tailLog({
  pool,
  after,
  upcasters,
  types,
  signal,
}: TailOptions): AsyncGenerator<readonly RecordedEvent[], void> {
  const listener = new Listener(pool.options, 'es_head');
  try {
    let position = after;
    while (!signal.aborted) {
      const seen = listener.seen;
      // Commits come in the order of positions, so whatever is there has no gap, and nobody has to ask for the head first;
      // unless most of the events are left out, and a page does not tell how far it has looked.
      let upTo = types ? await readHead(pool) : LAST_POSITION;
      while (position < upTo && !signal.aborted) {
        const range = { after: position, upTo, limit: PAGE_EVENTS, ...(types && { types }) };
        const batch = await readPage(pool, range, upcasters);
        if (batch.length > 0) yield batch;
        position = batch.at(-1)?.position ?? position;
        if (batch.length < PAGE_EVENTS) {
          if (types) position = upTo;
          break;
        }
        if (types) continue;
        upTo = await readHead(pool);
        if (upTo - position <= FAR_BEHIND_EVENTS) continue;
        for await (const piece of copyEvents(pool, { after: position, upTo }, upcasters)) {
          yield piece;
          position = piece.at(-1)?.position ?? position;
          if (signal.aborted) return;
        }
      }
      // Who wants few types finds nothing at most looks, and they cost as much as those that everybody waits for.
      if (types) await pause(FEW_TYPES_REST_MS, signal);
      await listener.wait(seen, HEAD_POLL_MS, signal);
    }
  } finally {
    await listener.close();
  }
}
