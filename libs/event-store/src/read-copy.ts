import type { Position, RecordedEvent, Upcasters } from '@kontor/event-sourcing';
import pg from 'pg';
import { archivedThrough, type ColdEvent, coldPage, toEventRow, toRawRow } from './archive/cold-reader.js';
import { copyColumns, copyOut } from './copy.js';
import { ArchivedMeanwhile } from './errors.js';
import { readHead } from './read-all.js';
import { COPY_COLUMNS, type RawEvent, rawFromCopy, recordedFromCopy, toRawEvent, toRecordedEvent } from './rows.js';

/**
 * Positions of one COPY. A statement keeps its snapshot to its end, and the head row, which every append updates, cannot
 * be cleaned up meanwhile; this many take about 60 ms.
 */
const COPY_POSITIONS = 16_384n;

export interface CopyRange {
  readonly after: Position;
  /** Up to and including this position, or else the head at the time of the call. */
  readonly upTo?: Position;
  readonly types?: readonly string[];
}

/** Archived events of one batch. */
const COLD_EVENTS = 4_096;

/**
 * The events above `after` in order, in batches of what has come, for whoever reads much of the log: a rebuild, an
 * audit, an export. A slow reader slows the server; nothing is read ahead but about 1 MiB. What is archived comes from there.
 *
 * @throws pg's errors; ArchivedMeanwhile; Error if an event was written by a newer program than this one.
 */
export const copyEvents = (
  pool: pg.Pool,
  range: CopyRange,
  upcasters: Upcasters,
): AsyncGenerator<readonly RecordedEvent[], void> =>
  copyAll(pool, COPY_COLUMNS, range, {
    fromRow: (row) => recordedFromCopy(copyColumns(row), upcasters),
    fromCold: (cold) => toRecordedEvent(toEventRow(cold), upcasters),
  });

/** The same, as they are stored: data and meta are the exact text that the leaf hash covers. */
export const copyRawEvents = (pool: pg.Pool, range: CopyRange): AsyncGenerator<readonly RawEvent[], void> =>
  copyAll(pool, `${COPY_COLUMNS}, leaf`, range, {
    fromRow: (row) => rawFromCopy(copyColumns(row)),
    fromCold: (cold) => toRawEvent(toRawRow(cold)),
  });

async function* copyAll<Event extends { readonly position: Position }>(
  pool: pg.Pool,
  columns: string,
  { after, upTo, types }: CopyRange,
  { fromRow, fromCold }: { fromRow: (row: string) => Event; fromCold: (cold: ColdEvent) => Event },
): AsyncGenerator<readonly Event[], void> {
  const end = upTo ?? (await readHead(pool));
  let archived = await archivedThrough(pool);
  for (let from = after; from < end;) {
    if (from < archived) {
      const range = { after: from, upTo: end, limit: COLD_EVENTS, ...(types && { types }) };
      const events = ((await coldPage(pool, range))?.events ?? []).map(fromCold);
      if (events.length > 0) yield events;
      const rest = archived < end ? archived : end;
      from = events.length < COLD_EVENTS ? rest : (events.at(-1)?.position ?? rest);
      continue;
    }
    const to = from + COPY_POSITIONS < end ? from + COPY_POSITIONS : end;
    for await (const rows of copyRows(pool, columns, { after: from, upTo: to, types })) yield rows.map(fromRow);
    // A range is recorded as archived before its rows go, so that what was not recorded until now was there.
    archived = await archivedThrough(pool);
    if (archived > from) throw new ArchivedMeanwhile(from, archived);
    from = to;
  }
}

const copyRows = (
  pool: pg.Pool,
  columns: string,
  { after, upTo, types }: { after: Position; upTo: Position; types: readonly string[] | undefined },
): AsyncGenerator<readonly string[], void> => {
  // COPY takes no parameters.
  const filter = types ? `AND type = ANY (ARRAY[${types.map(pg.escapeLiteral).join(', ')}]::text[])` : '';
  return copyOut(
    pool,
    `SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO';
     COPY (SELECT ${columns} FROM es.event WHERE pos > ${after} AND pos <= ${upTo} ${filter} ORDER BY pos) TO STDOUT`,
  );
};
