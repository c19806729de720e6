import type { Accepted, Position, RecordedEvent } from '@kontor/event-sourcing';
import {
  type AppliedPosition,
  type ConsumerId,
  holdsOn,
  type PostgresEventStore,
  positionAtTime,
  readCheckpoints,
  shared,
  TimeInFuture,
} from '@kontor/event-store';
import type pg from 'pg';
import { requestError } from '../graphql/errors.js';
import { asTimeout, lagOf, type LogIdentity, type Standing, waitFor } from '../graphql/consistency.js';
import type { LiveLog } from '../subscriptions/live-log.js';

export interface FreshnessOf {
  readonly projection: string;
  readonly version: number;
  readonly position: string;
  readonly lagEvents: number;
  readonly lagMs: number;
}

/** A moment as a reader names it; a time is RFC 3339. */
export type NamedMoment = { readonly position: Position } | { readonly time: string };

interface LogReaderOptions {
  readonly pool: pg.Pool;
  readonly schema: string;
  readonly store: PostgresEventStore;
  readonly identity: LogIdentity;
  readonly applied: AppliedPosition;
  readonly live: LiveLog;
  readonly consumers: readonly ConsumerId[];
}

/** The log as the graph reads it: positions, moments, pages of events, and how far the read models are. */
export class LogReader {
  /** Where the read models stand now. */
  readonly standing: () => Promise<Standing>;

  constructor(private readonly options: LogReaderOptions) {
    const { applied, pool, store } = options;
    this.standing = shared(async () => {
      const [position, head] = await Promise.all([applied.reached(), store.head()]);
      return head <= position ? { position, head: position, lagMs: 0 } : { position, ...(await lagOf(pool, position)) };
    });
  }

  get identity(): LogIdentity {
    return this.options.identity;
  }

  get applied(): AppliedPosition {
    return this.options.applied;
  }

  get live(): LiveLog {
    return this.options.live;
  }

  head(): Promise<Position> {
    return this.options.store.head();
  }

  /** Waits until rows have reached a position. @throws CONSISTENCY_TIMEOUT */
  wait(position: Position, waitMs?: number): Promise<Position> {
    return waitFor(this.options, position, waitMs);
  }

  /** Waits until a reader sees what was written through this gateway before. @throws CONSISTENCY_TIMEOUT */
  async untilKept(): Promise<void> {
    try {
      await this.applied.untilKept();
    } catch (error) {
      throw asTimeout(this.identity, error);
    }
  }

  /**
   * Waits for a position that a reader names, which may be one that no row has reached yet.
   *
   * @param argument where it was named.
   * @throws POSITION_IN_FUTURE above the newest event; CONSISTENCY_TIMEOUT
   */
  async reach(position: Position, argument: string): Promise<void> {
    const head = await this.head();
    if (position > head) {
      const message = `${argument}: ${position} is above the newest position ${head}`;
      throw requestError('POSITION_IN_FUTURE', message, { newest: String(head) });
    }
    await this.wait(position);
  }

  /**
   * The position that a reader means by a moment. Its rows can be read, and are the same for ever.
   *
   * @param argument where the moment was named.
   * @param reached what all rows have reached, where the caller knows it.
   * @throws POSITION_BEFORE_FIRST, POSITION_IN_FUTURE, TIME_BEFORE_FIRST, TIME_IN_FUTURE, CONSISTENCY_TIMEOUT
   */
  async moment(named: NamedMoment, argument: string, reached?: Position): Promise<Position> {
    const wanted = 'time' in named ? await this.positionAt(named.time) : named.position;
    if (wanted === 0n) throw requestError('POSITION_BEFORE_FIRST', `${argument}: the first position is 1`);
    // Rows may still be on their way to the newest events; the answer must be the same when they have arrived.
    if (wanted > (reached ?? (await this.applied.reached()))) await this.reach(wanted, argument);
    return wanted;
  }

  /** When the first event was recorded; undefined while there is none. */
  async begunAt(): Promise<string | undefined> {
    for await (const { recordedAt } of this.options.store.readAll(0n, { upTo: 1n })) return recordedAt;
    return undefined;
  }

  /**
   * The last position recorded at or before a moment.
   *
   * @throws TIME_IN_FUTURE, TIME_BEFORE_FIRST, CONSISTENCY_TIMEOUT (an append that may belong to the answer hangs)
   */
  async positionAt(time: string): Promise<Position> {
    let position: Position;
    try {
      position = await positionAtTime(this.options.pool, time);
    } catch (error) {
      if (error instanceof TimeInFuture) throw requestError('TIME_IN_FUTURE', `time: ${error.message}`);
      throw asTimeout(this.options.identity, error);
    }
    if (position === 0n) {
      throw requestError('TIME_BEFORE_FIRST', `time: ${time} is before the first event of the log`);
    }
    return position;
  }

  /** At most `limit` events of a workspace above `after` up to `upTo`, oldest first. */
  async page(options: {
    readonly workspace: string;
    readonly after: Position;
    readonly upTo: Position;
    readonly limit: number;
    readonly types?: readonly string[] | undefined;
  }): Promise<readonly RecordedEvent[]> {
    const { workspace, after, upTo, limit, types } = options;
    const events: RecordedEvent[] = [];
    if (after >= upTo) return events;
    for await (const event of this.options.store.readAll(after, { upTo, ...(types && { types }) })) {
      if (event.workspace === workspace) events.push(event);
      if (events.length === limit) break;
    }
    return events;
  }

  /** What an accepted command was answered; undefined if none of this id was accepted. */
  findCommand(commandId: string): Promise<Accepted | undefined> {
    return this.options.store.findCommand(commandId);
  }

  /** The events of the command that the event at a position belongs to, oldest first; none in another workspace. */
  async commandAt(workspace: string, position: Position): Promise<readonly RecordedEvent[]> {
    const { store } = this.options;
    if (position === 0n || position > (await store.head())) return [];
    const [named] = await this.page({ workspace, after: position - 1n, upTo: position, limit: 1 });
    const done = named && (await store.findCommand(named.commandId));
    if (!done) return [];
    const { firstPosition, lastPosition } = done;
    const limit = Number(lastPosition - firstPosition) + 1;
    return this.page({ workspace, after: firstPosition - 1n, upTo: lastPosition, limit });
  }

  /** The ids of the legal holds that are placed on a workspace. */
  async legalHolds(workspace: string): Promise<readonly string[]> {
    return (await holdsOn(this.options.pool, workspace)).map(({ holdId }) => holdId);
  }

  async freshness(): Promise<readonly FreshnessOf[]> {
    const { pool, schema, consumers } = this.options;
    const positions = await readCheckpoints(pool, schema, consumers);
    const lags = new Map<Position, { head: Position; lagMs: number }>();
    for (const position of new Set(positions)) lags.set(position, await lagOf(pool, position));
    return consumers.map(({ name, version }, index) => {
      const position = positions[index] ?? 0n;
      const { head, lagMs } = lags.get(position) ?? { head: position, lagMs: 0 };
      return {
        projection: name,
        version,
        position: String(position),
        lagEvents: Number(head - position),
        lagMs,
      };
    });
  }
}
