import type { RecordedEvent, StreamId, Upcasters } from '@kontor/event-sourcing';
import type pg from 'pg';
import { type ColdEvent, coldStream, toEventRow, toRawRow } from './archive/cold-reader.js';
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
// which the stream has no event are not visited. Its version says what must be there; what is not, the archive may have.
// One look-up for each version of the page, which the planner cannot take for anything else. Asked for a range of versions of a
// stream that is much of the log, it takes the range of positions instead and reads all of the stream for every page.
const sqlOf = (columns: string): string => `
  SELECT s.version AS newest, e.* FROM es.stream s
  CROSS JOIN LATERAL generate_series($2::bigint + 1, least($2::bigint + $3::bigint, s.version)) AS wanted
  LEFT JOIN LATERAL (
    SELECT ${columns} FROM es.event
    WHERE stream_id = s.stream_id AND version = wanted AND pos >= s.first_pos AND pos <= s.last_pos LIMIT 1
  ) e ON true WHERE s.stream_id = $1 AND s.version > $2 ORDER BY wanted`;

interface Statement<Row> {
  readonly name: string;
  readonly text: string;
  readonly toRow: (cold: ColdEvent) => Row;
}

async function* rowsOf<Row extends { readonly version: string }>(
  pool: pg.Pool,
  { name, text, toRow }: Statement<Row>,
  stream: StreamId,
  afterVersion: bigint,
): AsyncGenerator<Row, void> {
  for (let [after, newest] = [afterVersion, afterVersion + 1n]; after < newest;) {
    const { rows } = await pool.query<Row & { newest: string }>({ name, text, values: [stream, after, PAGE_EVENTS] });
    newest = BigInt(rows[0]?.newest ?? after);
    const hot = rows.filter(({ version }) => (version as string | null) !== null);
    const mayBeArchived = after < newest && BigInt(hot[0]?.version ?? 0) !== after + 1n;
    const cold = mayBeArchived ? await coldStream(pool, stream, after, PAGE_EVENTS) : [];
    const page = cold.length > 0 ? cold.map(toRow) : hot;
    yield* page;
    const last = page.at(-1);
    if (last === undefined) return;
    after = BigInt(last.version);
  }
}

const RECORDED = { name: 'es_stream', text: sqlOf(EVENT_COLUMNS), toRow: toEventRow };
const RAW = { name: 'es_raw_stream', text: sqlOf(RAW_COLUMNS), toRow: toRawRow };

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
