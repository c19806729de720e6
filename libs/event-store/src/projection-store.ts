import type { RecordedEvent } from '@kontor/event-sourcing';
import type pg from 'pg';
import { ProjectionFailed } from './errors.js';
import { foldEvent, handles, type OpenRow, type PastRow } from './fold-rows.js';
import { columnsFromBody, columnsOf, type ReadModel, tablesOf } from './read-model.js';

/**
 * Applies a batch to one read model, inside the caller's transaction: folds per key in memory, then writes set-based.
 *
 * @returns how many row versions were opened or closed.
 * @throws ProjectionFailed if the projection throws or the batch was applied before.
 */
export const applyBatch = async (
  client: pg.ClientBase,
  schema: string,
  readModel: ReadModel,
  batch: readonly RecordedEvent[],
): Promise<number> => {
  const { projection } = readModel;
  const events = batch.filter((event) => handles(projection, event));
  if (events.length === 0) return 0;

  const before = await loadOpenRows(client, schema, readModel, keysOf(readModel, events));
  const open = new Map(before);
  const closed: PastRow[] = [];
  for (const event of events) foldEvent(projection, event, open, (row) => closed.push(row));

  // A version that was open before the batch is moved as it is stored; one that was born in the batch is written new.
  const ended = closed.filter(({ key, validFrom }) => before.get(key)?.validFrom === validFrom);
  const passing = closed.filter(({ key, validFrom }) => before.get(key)?.validFrom !== validFrom);
  const opened = [...open.values()].filter((row) => before.get(row.key) !== row);
  const gone = ended.filter(({ key }) => !open.has(key)).map(({ key }) => key);

  await moveToPast(client, schema, readModel, ended);
  await insertPast(client, schema, readModel, passing);
  await upsertOpen(client, schema, readModel, opened);
  if (gone.length > 0) {
    await client.query(`DELETE FROM ${tablesOf(schema, readModel).open} WHERE key = ANY ($1::text[])`, [gone]);
  }
  return closed.length + opened.length;
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
  schema: string,
  readModel: ReadModel,
  keys: readonly string[],
): Promise<Map<string, OpenRow>> => {
  const { rows } = await client.query<{ key: string; workspace: string; body: string; valid_from: string }>(
    `SELECT key, workspace, body::text AS body, valid_from FROM ${tablesOf(schema, readModel).open}
     WHERE key = ANY ($1::text[])`,
    [keys],
  );
  return new Map(
    rows.map(({ key, workspace, body, valid_from }) => [
      key,
      { key, workspace, body, row: JSON.parse(body) as object, validFrom: BigInt(valid_from) },
    ]),
  );
};

const moveToPast = async (
  client: pg.ClientBase,
  schema: string,
  readModel: ReadModel,
  rows: readonly PastRow[],
): Promise<void> => {
  if (rows.length === 0) return;
  const { open, past } = tablesOf(schema, readModel);
  const columns = ['key', 'workspace', ...columnsOf(readModel), 'body', 'valid_from'];
  await client.query(
    `INSERT INTO ${past} (${columns.join(', ')}, valid_to)
     SELECT ${columns.map((column) => `m.${column}`).join(', ')}, u.pos
     FROM unnest($1::text[], $2::bigint[]) AS u(key, pos) JOIN ${open} m ON m.key = u.key`,
    [rows.map(({ key }) => key), rows.map(({ validTo }) => validTo)],
  );
};

const insertPast = async (
  client: pg.ClientBase,
  schema: string,
  readModel: ReadModel,
  rows: readonly PastRow[],
): Promise<void> => {
  if (rows.length === 0) return;
  const declared = columnsOf(readModel);
  await client.query(
    `INSERT INTO ${tablesOf(schema, readModel).past} (${['key', 'workspace', ...declared, 'body', 'valid_from', 'valid_to'].join(', ')})
     SELECT ${['u.key', 'u.workspace', ...declared.map((column) => `r.${column}`), 'u.body', 'u.valid_from', 'u.valid_to'].join(', ')}
     FROM unnest($1::text[], $2::text[], $3::json[], $4::bigint[], $5::bigint[]) AS u(key, workspace, body, valid_from, valid_to)
     ${columnsFromBody(readModel, 'u')}`,
    [...rowParameters(rows), rows.map(({ validTo }) => validTo)],
  );
};

const upsertOpen = async (
  client: pg.ClientBase,
  schema: string,
  readModel: ReadModel,
  rows: readonly OpenRow[],
): Promise<void> => {
  if (rows.length === 0) return;
  const declared = columnsOf(readModel);
  const changing = ['workspace', ...declared, 'body', 'valid_from'];
  await client.query(
    `INSERT INTO ${tablesOf(schema, readModel).open} (${['key', 'workspace', ...declared, 'body', 'valid_from'].join(', ')})
     SELECT ${['u.key', 'u.workspace', ...declared.map((column) => `r.${column}`), 'u.body', 'u.valid_from'].join(', ')}
     FROM unnest($1::text[], $2::text[], $3::json[], $4::bigint[]) AS u(key, workspace, body, valid_from)
     ${columnsFromBody(readModel, 'u')}
     ON CONFLICT (key) DO UPDATE SET ${changing.map((column) => `${column} = EXCLUDED.${column}`).join(', ')}`,
    rowParameters(rows),
  );
};

const rowParameters = (rows: readonly OpenRow[]): unknown[] => [
  rows.map(({ key }) => key),
  rows.map(({ workspace }) => workspace),
  rows.map(({ body }) => body),
  rows.map(({ validFrom }) => validFrom),
];
