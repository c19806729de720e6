import type { RecordedEvent } from '@kontor/event-sourcing';
import type pg from 'pg';
import { int8Array, textArray } from './binary-array.js';
import { COPY_NULL, copyIn, copyText } from './copy.js';
import { ProjectionFailed } from './errors.js';
import { foldEvent, handles, type OpenRow, type PastRow } from './fold-rows.js';
import { columnsFromBody, columnsOf, type ReadModel, type ReadModelTables } from './read-model.js';

/**
 * Applies a batch to one read model, inside the caller's transaction: folds per key in memory, then writes set-based.
 *
 * @throws ProjectionFailed if the projection throws or the batch was applied before.
 */
export const applyBatch = async (
  client: pg.ClientBase,
  readModel: ReadModel,
  tables: ReadModelTables,
  batch: readonly RecordedEvent[],
): Promise<void> => {
  const { projection } = readModel;
  const events = batch.filter((event) => handles(projection, event));
  if (events.length === 0) return;

  const before = await loadOpenRows(client, tables, keysOf(readModel, events));
  const open = new Map(before);
  const closed: PastRow[] = [];
  for (const event of events) foldEvent(projection, event, open, (row) => closed.push(row));

  const opened = [...open.values()].filter((row) => before.get(row.key) !== row);
  const gone = [...before.keys()].filter((key) => !open.has(key));
  await copyPast(client, readModel, tables, closed.map((row) => pastLine(readModel, row)).join(''));
  await upsertOpen(client, readModel, tables, opened);
  if (gone.length > 0) await client.query(`DELETE FROM ${tables.open} WHERE key = ANY ($1::text[])`, [textArray(gone)]);
};

const keysOf = ({ projection }: ReadModel, events: readonly RecordedEvent[]): readonly string[] => {
  const keys = new Set<string>();
  for (const event of events) {
    try {
      for (const key of projection.keys(event)) keys.add(key);
    } catch (error) {
      const { position, streamId, type } = event;
      throw new ProjectionFailed({ projection: projection.name, position, streamId, eventType: type }, error);
    }
  }
  return [...keys];
};

const loadOpenRows = async (
  client: pg.ClientBase,
  { open }: ReadModelTables,
  keys: readonly string[],
): Promise<Map<string, OpenRow>> => {
  const { rows } = await client.query<{ key: string; workspace: string; body: string; valid_from: string }>(
    `SELECT key, workspace, body::text AS body, valid_from FROM ${open}
     WHERE key = ANY ($1::text[])`,
    [textArray(keys)],
  );
  return new Map(
    rows.map(({ key, workspace, body, valid_from }) => [
      key,
      { key, workspace, body, row: JSON.parse(body) as object, validFrom: BigInt(valid_from) },
    ]),
  );
};

const upsertOpen = async (
  client: pg.ClientBase,
  readModel: ReadModel,
  { open }: ReadModelTables,
  rows: readonly OpenRow[],
): Promise<void> => {
  if (rows.length === 0) return;
  const declared = columnsOf(readModel);
  const changing = ['workspace', ...declared, 'body', 'valid_from'];
  await client.query(
    `INSERT INTO ${open} (${['key', 'workspace', ...declared, 'body', 'valid_from'].join(', ')})
     SELECT ${['u.key', 'u.workspace', ...declared.map((column) => `r.${column}`), 'u.body', 'u.valid_from'].join(', ')}
     FROM (SELECT key, workspace, body::json AS body, valid_from
           FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS t(key, workspace, body, valid_from)) u
     ${columnsFromBody(readModel, 'u')}
     ON CONFLICT (key) DO UPDATE SET ${changing.map((column) => `${column} = EXCLUDED.${column}`).join(', ')}`,
    [
      textArray(rows.map(({ key }) => key)),
      textArray(rows.map(({ workspace }) => workspace)),
      textArray(rows.map(({ body }) => body)),
      int8Array(rows.map(({ validFrom }) => validFrom)),
    ],
  );
};

/** Stores lines of {@link pastLine}. */
export const copyPast = async (
  client: pg.ClientBase,
  readModel: ReadModel,
  { past }: ReadModelTables,
  lines: string,
): Promise<void> => {
  if (lines === '') return;
  const columns = ['key', 'workspace', 'body', 'valid_from', ...columnsOf(readModel), 'valid_to'];
  await copyIn(client, `COPY ${past} (${columns.join(', ')}) FROM STDIN`, lines);
};

/** Stores lines of {@link openLine}; none of their keys may be there. */
export const copyOpen = async (
  client: pg.ClientBase,
  readModel: ReadModel,
  { open }: ReadModelTables,
  lines: string,
): Promise<void> => {
  if (lines === '') return;
  const columns = ['key', 'workspace', 'body', 'valid_from', ...columnsOf(readModel)];
  await copyIn(client, `COPY ${open} (${columns.join(', ')}) FROM STDIN`, lines);
};

/** A closed version as a line of COPY. */
export const pastLine = (readModel: ReadModel, row: PastRow): string => `${fieldsOf(readModel, row)}\t${row.validTo}\n`;

/** An open version as a line of COPY. */
export const openLine = (readModel: ReadModel, row: OpenRow): string => `${fieldsOf(readModel, row)}\n`;

const fieldsOf = ({ columns }: ReadModel, { key, workspace, body, row, validFrom }: OpenRow): string => {
  let line = `${copyText(key)}\t${workspace}\t${copyText(body)}\t${validFrom}`;
  for (const column of Object.keys(columns)) line += `\t${columnText((row as Record<string, unknown>)[column])}`;
  return line;
};

/** What json_to_record makes of a property, as COPY reads it. */
const columnText = (value: unknown): string => {
  if (typeof value === 'string') return copyText(value);
  if (Array.isArray(value)) return copyText(`{${value.map(elementText).join(',')}}`);
  const json = value === undefined ? 'null' : JSON.stringify(value);
  return json === 'null' ? COPY_NULL : copyText(json);
};

const elementText = (value: unknown): string =>
  value === null
    ? 'NULL'
    : `"${(typeof value === 'string' ? value : JSON.stringify(value)).replace(/["\\]/g, '\\$&')}"`;
