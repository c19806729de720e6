import type { RecordedEvent, StreamId, Upcasters } from '@kontor/event-sourcing';
import type pg from 'pg';
import { PAGE_EVENTS } from './read-all.js';
import {
  EVENT_COLUMNS,
  type EventRow,
  RAW_COLUMNS,
  type RawEvent,
  type RawRow,
  toRawEvent,
  toRecordedEvent,
} from './rows.js';

// The range of positions of the stream comes from es.stream in the same statement: one round trip, and partitions in
// which the stream has no event are not visited.
const sqlOf = (columns: string): string => `
  SELECT ${columns} FROM es.event
  WHERE stream_id = $1 AND version > $2
    AND pos >= (SELECT first_pos FROM es.stream WHERE stream_id = $1)
    AND pos <= (SELECT last_pos FROM es.stream WHERE stream_id = $1)
  ORDER BY version LIMIT $3`;

async function* rowsOf<Row extends { readonly version: string }>(
  pool: pg.Pool,
  statement: { readonly name: string; readonly text: string },
  stream: StreamId,
  afterVersion: bigint,
): AsyncGenerator<Row, void> {
  for (let after = afterVersion; ;) {
    const { rows } = await pool.query<Row>({ ...statement, values: [stream, after, PAGE_EVENTS] });
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE_EVENTS) return;
    after = BigInt(last.version);
  }
}

const RECORDED = { name: 'es_stream', text: sqlOf(EVENT_COLUMNS) };
const RAW = { name: 'es_raw_stream', text: sqlOf(RAW_COLUMNS) };

/** The events of one stream with a version above `afterVersion`, in order, page by page. */
export async function* readStream(
  pool: pg.Pool,
  stream: StreamId,
  afterVersion: bigint,
  upcasters: Upcasters,
): AsyncGenerator<RecordedEvent, void> {
  for await (const row of rowsOf<EventRow>(pool, RECORDED, stream, afterVersion)) yield toRecordedEvent(row, upcasters);
}

/** The events of one stream as they are stored, in order, page by page. */
export async function* readRawStream(pool: pg.Pool, stream: StreamId): AsyncGenerator<RawEvent, void> {
  for await (const row of rowsOf<RawRow>(pool, RAW, stream, 0n)) yield toRawEvent(row);
}
