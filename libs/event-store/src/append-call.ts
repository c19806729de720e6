import type { AppendResult } from '@kontor/event-sourcing';
import type pg from 'pg';
import type { PreparedCommand } from './append-request.js';
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
  if (rows.length !== batch.length)
    throw new TypeError(`es.append answered ${rows.length} of ${batch.length} commands`);
  return rows.map(toResult);
};

const toResult = (row: ResultRow): AppendResult => {
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
      return { outcome };
    default:
      return { outcome, versions: row.versions.map(BigInt) };
  }
};

/**
 * A PostgreSQL array of numbers, booleans or checked UUIDs: nothing in them needs quotes. `pg` would run two regular
 * expressions over each element, which was a tenth of Node's work for an append.
 */
const plainArray = (values: readonly (string | number | bigint | boolean | null)[]): string =>
  `{${values.map((value) => value ?? 'NULL').join(',')}}`;

/** Columns instead of rows: one array per field, in the order of the function's parameters. Ordinals count from 1. */
const parameters = (batch: readonly PreparedCommand[]): unknown[] => {
  const writes = batch.flatMap((command, index) => command.writes.map((write) => ({ ...write, command: index + 1 })));
  const guards = batch.flatMap((command, index) => command.guards.map((guard) => ({ ...guard, command: index + 1 })));
  const claims = batch.flatMap((command, index) => command.claims.map((claim) => ({ ...claim, command: index + 1 })));
  const events = writes.flatMap((write, index) =>
    write.events.map((event, offset) => ({ ...event, write: index + 1, offset })),
  );
  return [
    LOG_ID,
    plainArray(batch.map(({ id }) => id)),
    batch.map(({ requestHash }) => requestHash),
    batch.map(({ actor }) => actor),
    plainArray(batch.map(({ correlationId }) => correlationId)),
    plainArray(batch.map(({ causationId }) => causationId)),
    plainArray(writes.map(({ command }) => command)),
    writes.map(({ stream }) => stream),
    plainArray(writes.map(({ expected }) => expected)),
    plainArray(writes.map((write) => write.events.length)),
    plainArray(guards.map(({ command }) => command)),
    guards.map(({ stream }) => stream),
    plainArray(guards.map(({ expected }) => expected)),
    plainArray(claims.map(({ command }) => command)),
    claims.map(({ stream }) => stream),
    claims.map(({ kind }) => kind),
    claims.map(({ key }) => key),
    plainArray(claims.map(({ take }) => take)),
    plainArray(events.map(({ write }) => write)),
    plainArray(events.map(({ offset }) => offset)),
    plainArray(events.map(({ id }) => id)),
    events.map(({ type }) => type),
    plainArray(events.map(({ schemaVersion }) => schemaVersion)),
    events.map(({ occurredAt }) => occurredAt),
    events.map(({ data }) => data),
    events.map(({ meta }) => meta),
  ];
};
