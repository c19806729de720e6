import type { Position, RecordedEvent, Upcasters } from '@kontor/event-sourcing';
import type pg from 'pg';
import { toEventRow, toRawRow, withArchived } from './archive/cold-reader.js';
import {
  EVENT_COLUMNS,
  type EventRow,
  RAW_COLUMNS,
  type RawEvent,
  type RawRow,
  toRawEvent,
  toRecordedEvent,
} from './rows.js';

/** Pages of 500 read at three quarters of the rate of pages of 5,000 and hold a tenth of the memory. */
export const PAGE_EVENTS = 500;

/** The newest committed position. Positions have no gap, so everything up to it can be read. */
export const readHead = async (pool: pg.Pool | pg.ClientBase): Promise<Position> => {
  const { rows } = await pool.query<{ last_pos: string }>({
    name: 'es_head',
    text: 'SELECT last_pos FROM es.log_head WHERE log_id = 0',
  });
  return BigInt(rows[0]?.last_pos ?? 0);
};

/** One page of events after a position, in order, at most `limit`, up to and including `upTo`. */
export const readPage = async (
  pool: pg.Pool | pg.ClientBase,
  { after, upTo, types, limit }: { after: Position; upTo: Position; types?: readonly string[]; limit: number },
  upcasters: Upcasters,
): Promise<readonly RecordedEvent[]> => {
  const filter = types ? 'AND type = ANY ($4::text[])' : '';
  const { rows } = await pool.query<EventRow>({
    name: types ? 'es_page_types' : 'es_page',
    text: `SELECT ${EVENT_COLUMNS} FROM es.event WHERE pos > $1 AND pos <= $2 ${filter} ORDER BY pos LIMIT $3`,
    values: [after, upTo, limit, ...(types ? [types] : [])],
  });
  const toEvent = (row: EventRow): RecordedEvent => toRecordedEvent(row, upcasters);
  const range = { after, upTo, limit, ...(types && { types }) };
  return withArchived(pool, range, rows.map(toEvent), (cold) => toEvent(toEventRow(cold)));
};

/** The event at a position; undefined above the head. */
export const readEvent = async (
  pool: pg.Pool | pg.ClientBase,
  position: Position,
  upcasters: Upcasters,
): Promise<RecordedEvent | undefined> => {
  const [event] = await readPage(pool, { after: position - 1n, upTo: position, limit: 1 }, upcasters);
  return event;
};

/** The events above `after`, up to and including `upTo` or else the head at the time of the call, page by page. */
export async function* readAll(
  pool: pg.Pool | pg.ClientBase,
  after: Position,
  options: { readonly upTo?: Position; readonly types?: readonly string[] },
  upcasters: Upcasters,
): AsyncGenerator<RecordedEvent, void> {
  const head = await readHead(pool);
  const upTo = options.upTo === undefined || options.upTo > head ? head : options.upTo;
  const filter = options.types ? { types: options.types } : {};
  for (let from = after; from < upTo;) {
    const page = await readPage(pool, { after: from, upTo, limit: PAGE_EVENTS, ...filter }, upcasters);
    yield* page;
    if (page.length < PAGE_EVENTS) return;
    from = page.at(-1)?.position ?? upTo;
  }
}

/** One page of events as they are stored, for the relay, exports and audits. */
export const readRawPage = async (
  pool: pg.Pool | pg.ClientBase,
  { after, limit }: { after: Position; limit: number },
): Promise<readonly RawEvent[]> => {
  const { rows } = await pool.query<RawRow>({
    name: 'es_raw_page',
    text: `SELECT ${RAW_COLUMNS} FROM es.event WHERE pos > $1 ORDER BY pos LIMIT $2`,
    values: [after, limit],
  });
  return withArchived(pool, { after, limit }, rows.map(toRawEvent), (cold) => toRawEvent(toRawRow(cold)));
};
