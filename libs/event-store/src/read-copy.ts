import type { Position, RecordedEvent, Upcasters } from '@kontor/event-sourcing';
import pg from 'pg';
import { copyColumns, copyOut } from './copy.js';
import { readHead } from './read-all.js';
import { COPY_COLUMNS, type RawEvent, recordedFromCopy, rawFromCopy } from './rows.js';

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

/**
 * The events above `after` in order, in batches of what has come, for whoever reads much of the log: a rebuild, an
 * audit, an export. A slow reader slows the server; nothing is read ahead but about 1 MiB.
 *
 * @throws pg's errors; Error if an event was written by a newer program than this one.
 */
export async function* copyEvents(
  pool: pg.Pool,
  range: CopyRange,
  upcasters: Upcasters,
): AsyncGenerator<readonly RecordedEvent[], void> {
  for await (const rows of copyRows(pool, COPY_COLUMNS, range)) {
    yield rows.map((row) => recordedFromCopy(copyColumns(row), upcasters));
  }
}

/** The same, as they are stored: data and meta are the exact text that the leaf hash covers. */
export async function* copyRawEvents(pool: pg.Pool, range: CopyRange): AsyncGenerator<readonly RawEvent[], void> {
  for await (const rows of copyRows(pool, `${COPY_COLUMNS}, leaf`, range)) {
    yield rows.map((row) => rawFromCopy(copyColumns(row)));
  }
}

async function* copyRows(
  pool: pg.Pool,
  columns: string,
  { after, upTo, types }: CopyRange,
): AsyncGenerator<readonly Buffer[], void> {
  const end = upTo ?? (await readHead(pool));
  // COPY takes no parameters.
  const filter = types ? `AND type = ANY (ARRAY[${types.map(pg.escapeLiteral).join(', ')}]::text[])` : '';
  for (let from = after; from < end; from += COPY_POSITIONS) {
    const to = from + COPY_POSITIONS < end ? from + COPY_POSITIONS : end;
    yield* copyOut(
      pool,
      `SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO';
       COPY (SELECT ${columns} FROM es.event WHERE pos > ${from} AND pos <= ${to} ${filter} ORDER BY pos) TO STDOUT`,
    );
  }
}
