import type { Position, RecordedEvent } from '@kontor/event-sourcing';

/** Enough for a reader that is a moment behind; whoever is further back reads pages of the log. */
const KEPT_EVENTS = 2_000;
/** A reader that leaves this much unread is disconnected, with the place where it can go on. */
export const MAX_UNREAD_MESSAGES = 1_000;
export const MAX_UNREAD_BYTES = 1024 * 1024;
/** Shorter than the idle time-outs of common proxies (60 s). */
export const HEARTBEAT_MS = 15_000;

export type LogMessage =
  | { readonly kind: 'event'; readonly event: RecordedEvent }
  | { readonly kind: 'heartbeat'; readonly position: Position }
  | { readonly kind: 'lagged'; readonly position: Position; readonly missed: number };

export interface FollowOptions {
  readonly after: Position;
  /** Which events are messages; the others only move the position. What it throws ends the reader. */
  readonly accept: (event: RecordedEvent) => boolean;
  /** Called once when too much is unread, while the reader still has not come back. */
  readonly onUnread?: () => void;
}

interface Reader {
  /** Since the reader was last given something and has not come back. */
  unread: number;
  unreadBytes: number;
  busy: boolean;
  wake: () => void;
  readonly onUnread: () => void;
}

const isTooMuch = ({ unread, unreadBytes }: Reader): boolean =>
  unread > MAX_UNREAD_MESSAGES || unreadBytes > MAX_UNREAD_BYTES;

/**
 * The applied log, followed by many readers of one process. Readers pull: each has a position and nothing else, so the
 * hand-over from stored pages to live events can neither lose nor repeat one, and a slow reader holds no memory.
 */
export class LiveLog {
  #recent: RecordedEvent[] = [];
  #applied: Position;
  readonly #readers = new Set<Reader>();

  constructor(
    /** Events above `after` up to `upTo`, in order: one page. */
    private readonly readPage: (after: Position, upTo: Position) => Promise<readonly RecordedEvent[]>,
    start: Position,
    private readonly heartbeatMs = HEARTBEAT_MS,
  ) {
    this.#applied = start;
  }

  /** Called after the rows of these events were committed, so that a message never runs ahead of a query. */
  publish(events: readonly RecordedEvent[]): void {
    const fresh = events.filter(({ position }) => position > this.#applied);
    const last = fresh.at(-1);
    if (last === undefined) return;
    this.#applied = last.position;
    this.#recent = [...this.#recent, ...fresh].slice(-KEPT_EVENTS);
    let bytes: number | undefined;
    for (const reader of this.#readers) {
      if (reader.busy) {
        const before = isTooMuch(reader);
        reader.unread += fresh.length;
        reader.unreadBytes += bytes ??= fresh.reduce((sum, { data }) => sum + JSON.stringify(data).length, 0);
        if (!before && isTooMuch(reader)) reader.onUnread();
      }
      reader.wake();
    }
  }

  get position(): Position {
    return this.#applied;
  }

  /**
   * Everything after a position, in order, without end; a heartbeat when nothing came for a while. Ends with `lagged`
   * when the reader left more than 1,000 messages or 1 MiB unread. `return()` ends it at once, also while it waits.
   */
  follow(options: FollowOptions): AsyncIterableIterator<LogMessage> {
    const stop = new AbortController();
    const messages = this.#messages(options, stop.signal);
    return {
      [Symbol.asyncIterator]() {
        return this;
      },
      next: () => messages.next(),
      return: () => {
        stop.abort();
        return messages.return();
      },
    };
  }

  async *#messages({ after, accept, onUnread }: FollowOptions, signal: AbortSignal): AsyncGenerator<LogMessage, void> {
    const reader: Reader = {
      unread: 0,
      unreadBytes: 0,
      busy: false,
      wake: () => undefined,
      onUnread: onUnread ?? (() => undefined),
    };
    this.#readers.add(reader);
    const abort = (): void => reader.wake();
    signal.addEventListener('abort', abort);
    try {
      let position = after;
      while (!signal.aborted) {
        const batch = await this.#next(position);
        for (const event of batch) {
          position = event.position;
          if (!accept(event)) continue;
          const missed = yield* this.#give(reader, { kind: 'event', event });
          if (missed !== undefined) {
            yield { kind: 'lagged', position, missed };
            return;
          }
          if (signal.aborted) return;
        }
        if (batch.length > 0 || position < this.#applied) continue;
        const woken = await this.#sleep(reader, position, signal);
        if (!woken && !signal.aborted) yield { kind: 'heartbeat', position };
      }
    } finally {
      signal.removeEventListener('abort', abort);
      this.#readers.delete(reader);
    }
  }

  /** @returns how many messages were left unread, if that is too many. */
  async *#give(reader: Reader, message: LogMessage): AsyncGenerator<LogMessage, number | undefined> {
    reader.busy = true;
    yield message;
    const missed = isTooMuch(reader) ? reader.unread : undefined;
    reader.busy = false;
    reader.unread = 0;
    reader.unreadBytes = 0;
    return missed;
  }

  async #next(position: Position): Promise<readonly RecordedEvent[]> {
    if (position >= this.#applied) return [];
    const first = this.#recent[0];
    if (first !== undefined && first.position <= position + 1n) {
      return this.#recent.slice(Number(position + 1n - first.position));
    }
    return this.readPage(position, this.#applied);
  }

  /** @returns false if the time of a heartbeat passed. */
  async #sleep(reader: Reader, position: Position, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => done(false), this.heartbeatMs);
      const done = (woken: boolean): void => {
        clearTimeout(timer);
        reader.wake = () => undefined;
        resolve(woken);
      };
      reader.wake = () => done(true);
      if (signal.aborted || position < this.#applied) done(true);
    });
  }
}
