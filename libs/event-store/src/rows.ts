import { readData, type RecordedEvent, type Upcasters } from '@kontor/event-sourcing';

const INSTANT = `'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'`;

/** SQL for RFC 3339 in UTC with six digits: `pg` would make a Date of a timestamptz and lose the microseconds. */
export const instantSql = (expression: string): string => `to_char(${expression} AT TIME ZONE 'UTC', ${INSTANT})`;

const COLUMNS = `pos, event_id, stream_id, version, type, schema_ver, workspace, actor, command_id, ${instantSql('recorded_at')} AS recorded_at`;

/** Columns of es.event with data and meta parsed. */
export const EVENT_COLUMNS = `${COLUMNS}, data, meta`;

/** Columns of es.event with the stored text of data and meta, and the leaf. */
export const RAW_COLUMNS = `${COLUMNS}, data::text AS data, meta::text AS meta, leaf`;

/** The order in which COPY sends them; `recorded_at` as PostgreSQL writes it in UTC, because to_char costs as much as the rest. */
export const COPY_COLUMNS =
  'pos, event_id, stream_id, version, type, schema_ver, workspace, actor, command_id, recorded_at, data, meta';

interface CommonRow {
  readonly pos: string;
  readonly event_id: string;
  readonly stream_id: string;
  readonly version: string;
  readonly type: string;
  readonly schema_ver: number;
  readonly workspace: string;
  readonly actor: string;
  readonly command_id: string;
  readonly recorded_at: string;
}

export interface EventRow extends CommonRow {
  readonly data: unknown;
  readonly meta: RecordedEvent['meta'];
}

export interface RawRow extends CommonRow {
  readonly data: string;
  readonly meta: string;
  readonly leaf: Buffer;
}

/** An event as it is stored: `data` and `meta` are the exact text that the leaf hash covers. */
export interface RawEvent extends Omit<RecordedEvent, 'data' | 'meta'> {
  readonly data: string;
  readonly meta: string;
  /** RFC 6962 leaf hash, 32 bytes. */
  readonly leaf: Uint8Array;
}

const common = (row: CommonRow) => ({
  position: BigInt(row.pos),
  eventId: row.event_id,
  streamId: row.stream_id,
  version: BigInt(row.version),
  type: row.type,
  schemaVersion: row.schema_ver,
  workspace: row.workspace,
  actor: row.actor,
  commandId: row.command_id,
  recordedAt: row.recorded_at,
});

/** @throws Error if the event was written by a newer program than this one. */
export const toRecordedEvent = (row: EventRow, upcasters: Upcasters): RecordedEvent => {
  const event = { ...common(row), meta: row.meta };
  return { ...event, data: readData(upcasters, event, row.data) };
};

/** An event with data and meta as the exact text that the leaf hash covers. */
export const toRawEvent = (row: RawRow): RawEvent => ({
  ...common(row),
  data: row.data,
  meta: row.meta,
  leaf: row.leaf,
});

// Events of one append share their time, so most conversions are the one before.
let lastStored = '';
let lastInstant = '';

/** `2026-11-23 10:15:00.12+00` → `2026-11-23T10:15:00.120000Z` */
const instantOf = (stored: string): string => {
  if (stored !== lastStored) {
    const [whole = '', fraction = ''] = stored.slice(0, -'+00'.length).split('.');
    lastInstant = `${whole.replace(' ', 'T')}.${fraction.padEnd(6, '0')}Z`;
    lastStored = stored;
  }
  return lastInstant;
};

const commonFromCopy = (columns: readonly string[]) => ({
  position: BigInt(columns[0] ?? ''),
  eventId: columns[1] ?? '',
  streamId: columns[2] ?? '',
  version: BigInt(columns[3] ?? ''),
  type: columns[4] ?? '',
  schemaVersion: Number(columns[5]),
  workspace: columns[6] ?? '',
  actor: columns[7] ?? '',
  commandId: columns[8] ?? '',
  recordedAt: instantOf(columns[9] ?? ''),
});

/** From the columns of {@link COPY_COLUMNS}. @throws Error if the event was written by a newer program than this one. */
export const recordedFromCopy = (columns: readonly string[], upcasters: Upcasters): RecordedEvent => {
  const event = { ...commonFromCopy(columns), meta: JSON.parse(columns[11] ?? '') as RecordedEvent['meta'] };
  return { ...event, data: readData(upcasters, event, JSON.parse(columns[10] ?? '')) };
};

/** From the columns of {@link COPY_COLUMNS} and the leaf, which PostgreSQL writes as `\\x` and hexadecimal digits. */
export const rawFromCopy = (columns: readonly string[]): RawEvent => ({
  ...commonFromCopy(columns),
  data: columns[10] ?? '',
  meta: columns[11] ?? '',
  leaf: Buffer.from((columns[12] ?? '').slice('\\x'.length), 'hex'),
});
