import type { AppendResult, PreparedCommand } from '@kontor/event-sourcing';
import type pg from 'pg';
import { boolArray, byteaArray, int2Array, int4Array, int8Array, textArray, uuidArray } from './binary-array.js';
import { instantSql } from './rows.js';

const LOG_ID = 0;

const TYPES =
  'smallint uuid[] bytea[] text[] uuid[] uuid[] int[] text[] bigint[] int[] int[] text[] bigint[] ' +
  'int[] text[] text[] text[] boolean[] int[] int[] uuid[] text[] smallint[] timestamptz[] text[] text[]';

const SQL = `
  SELECT ord, outcome, first_pos, last_pos, versions, ${instantSql('recorded_at')} AS recorded_at
  FROM es.append(${TYPES.split(' ')
    .map((type, index) => `$${index + 1}::${type}`)
    .join(', ')})`;

/** Ordinal 0 stands for everything that was appended; any other for the one command that was not. */
interface ResultRow {
  readonly ord: number;
  readonly outcome: AppendResult['outcome'];
  readonly first_pos: string;
  readonly last_pos: string;
  readonly versions: readonly string[];
  readonly recorded_at: string;
}

/**
 * One round trip: decides and writes the whole batch in one transaction.
 *
 * @returns one result per command, in order.
 * @throws pg's errors; then nothing of the batch was written, unless the connection broke: then nobody knows.
 */
export const callAppend = async (
  client: pg.ClientBase,
  batch: readonly PreparedCommand[],
): Promise<readonly AppendResult[]> => {
  const { rows } = await client.query<ResultRow>({ name: 'es_append', text: SQL, values: parameters(batch) });
  return toResults(batch, rows);
};

/** Positions and versions of what was appended follow from the batch's own counts, in order. */
const toResults = (batch: readonly PreparedCommand[], rows: readonly ResultRow[]): readonly AppendResult[] => {
  const refused = new Map(rows.map((row) => [row.ord, row]));
  const appended = refused.get(0);
  let position = BigInt(appended?.first_pos ?? 0);
  let write = 0;
  const results = batch.map(({ writes }, index): AppendResult => {
    const own = refused.get(index + 1);
    if (own) return toRefusal(own);
    if (appended === undefined) throw new TypeError('es.append answered neither yes nor no to a command');
    const firstPosition = position;
    for (const { events } of writes) position += BigInt(events.length);
    return {
      outcome: 'appended',
      firstPosition,
      lastPosition: position - 1n,
      versions: appended.versions.slice(write, (write += writes.length)).map(BigInt),
      recordedAt: appended.recorded_at,
    };
  });
  if (appended && (position - 1n !== BigInt(appended.last_pos) || write !== appended.versions.length))
    throw new TypeError(`es.append ended at position ${appended.last_pos}, the batch at ${position - 1n}`);
  return results;
};

const toRefusal = (row: ResultRow): AppendResult => {
  const { outcome } = row;
  switch (outcome) {
    case 'appended':
    case 'replayed':
      return {
        outcome,
        firstPosition: BigInt(row.first_pos),
        lastPosition: BigInt(row.last_pos),
        versions: row.versions.map(BigInt),
        recordedAt: row.recorded_at,
      };
    case 'key_reused':
    case 'broken':
      return { outcome };
    default:
      return { outcome, versions: row.versions.map(BigInt) };
  }
};

/** Columns instead of rows: one array per field, in the order of the function's parameters. Ordinals count from 1. */
const parameters = (batch: readonly PreparedCommand[]): unknown[] => {
  const writes = batch.flatMap(({ writes }, index) => writes.map((write) => ({ write, command: index + 1 })));
  const guards = batch.flatMap(({ guards }, index) => guards.map((guard) => ({ guard, command: index + 1 })));
  const claims = batch.flatMap(({ claims }, index) => claims.map((claim) => ({ claim, command: index + 1 })));
  const events = writes.flatMap(({ write }, index) =>
    write.events.map((event, offset) => ({ event, write: index + 1, offset })),
  );
  return [
    LOG_ID,
    uuidArray(batch.map(({ id }) => id)),
    byteaArray(batch.map(({ requestHash }) => requestHash)),
    textArray(batch.map(({ actor }) => actor)),
    uuidArray(batch.map(({ correlationId }) => correlationId)),
    uuidArray(batch.map(({ causationId }) => causationId)),
    int4Array(writes.map(({ command }) => command)),
    textArray(writes.map(({ write }) => write.stream)),
    int8Array(writes.map(({ write }) => write.expected)),
    int4Array(writes.map(({ write }) => write.events.length)),
    int4Array(guards.map(({ command }) => command)),
    textArray(guards.map(({ guard }) => guard.stream)),
    int8Array(guards.map(({ guard }) => guard.expected)),
    int4Array(claims.map(({ command }) => command)),
    textArray(claims.map(({ claim }) => claim.stream)),
    textArray(claims.map(({ claim }) => claim.kind)),
    textArray(claims.map(({ claim }) => claim.key)),
    boolArray(claims.map(({ claim }) => claim.take)),
    int4Array(events.map(({ write }) => write)),
    int4Array(events.map(({ offset }) => offset)),
    uuidArray(events.map(({ event }) => event.id)),
    textArray(events.map(({ event }) => event.type)),
    int2Array(events.map(({ event }) => event.schemaVersion)),
    events.map(({ event }) => event.occurredAt),
    textArray(events.map(({ event }) => event.data)),
    textArray(events.map(({ event }) => event.meta)),
  ];
};
