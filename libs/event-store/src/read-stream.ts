import type { RecordedEvent, StreamId, Upcasters } from '@kontor/event-sourcing';
import type pg from 'pg';
import { PAGE_EVENTS } from './read-all.js';
import { EVENT_COLUMNS, type EventRow, toRecordedEvent } from './rows.js';

// The range of positions of the stream comes from es.stream in the same statement: one round trip, and partitions in
// which the stream has no event are not visited.
const SQL = `
  SELECT ${EVENT_COLUMNS} FROM es.event
  WHERE stream_id = $1 AND version > $2
    AND pos >= (SELECT first_pos FROM es.stream WHERE stream_id = $1)
    AND pos <= (SELECT last_pos FROM es.stream WHERE stream_id = $1)
  ORDER BY version LIMIT $3`;

/** The events of one stream with a version above `afterVersion`, in order, page by page. */
export async function* readStream(
  pool: pg.Pool,
  stream: StreamId,
  afterVersion: bigint,
  upcasters: Upcasters,
): AsyncGenerator<RecordedEvent, void> {
  for (let after = afterVersion; ;) {
    const { rows } = await pool.query<EventRow>({
      name: 'es_stream',
      text: SQL,
      values: [stream, after, PAGE_EVENTS],
    });
    for (const row of rows) yield toRecordedEvent(row, upcasters);
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE_EVENTS) return;
    after = BigInt(last.version);
  }
}
