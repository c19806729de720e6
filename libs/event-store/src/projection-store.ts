import type { Position, RecordedEvent } from '@kontor/event-sourcing';
import type pg from 'pg';
import { int8Array, textArray } from './binary-array.js';
import { COPY_NULL, copyIn, copyText } from './copy.js';
import { ProjectionFailed } from './errors.js';
import { foldEvent, handles, type OpenRow, type PastRow } from './fold-rows.js';
import { columnsFromBody, columnsOf, type ReadModel, type ReadModelTables } from './read-model.js';

/** What a batch makes of the rows of one read model. */
export interface Changes {
  readonly readModel: ReadModel;
  readonly tables: ReadModelTables;
  /** Versions that were open before the batch and end in it: they move from one table to the other. */
  readonly ended: readonly { readonly key: string; readonly validTo: Position }[];
  /** Versions that begin and end in the batch. */
  readonly passed: readonly PastRow[];
  readonly opened: readonly OpenRow[];
  /** Keys that have no row any more. */
  readonly gone: readonly string[];
}

/**
 * Applies a batch to one read model, inside the caller's transaction.
 *
 * @throws ProjectionFailed if the projection throws or the batch was applied before.
 */
export const applyBatch = async (
  client: pg.ClientBase,
  readModel: ReadModel,
  tables: ReadModelTables,
  batch: readonly RecordedEvent[],
): Promise<void> => {
  const changes = await foldBatches(client, [{ readModel, tables, batch }]);
  if (changes.length > 0) await writeChanges(client, changes);
};

/**
 * Folds batches in memory, one per read model: reads the open rows of all that they touch in one statement.
 *
 * @returns what changes, of the read models where something does.
 * @throws ProjectionFailed if a projection throws or its batch was applied before.
 */
export const foldBatches = async (
  client: pg.Pool | pg.ClientBase,
  batches: readonly {
    readonly readModel: ReadModel;
    readonly tables: ReadModelTables;
    readonly batch: readonly RecordedEvent[];
  }[],
): Promise<readonly Changes[]> => {
  const wanted = batches
    .map((one) => ({ ...one, batch: one.batch.filter((event) => handles(one.readModel.projection, event)) }))
    .filter(({ batch }) => batch.length > 0)
    .map((one) => ({ ...one, keys: keysOf(one.readModel, one.batch) }))
    .filter(({ keys }) => keys.length > 0);
  if (wanted.length === 0) return [];
  const stored = await loadOpenRows(client, wanted);
  return wanted
    .map(({ readModel, tables, batch }, index) => fold(readModel, tables, batch, stored[index] ?? new Map()))
    .filter(({ ended, passed, opened }) => ended.length + passed.length + opened.length > 0);
};

const fold = (
  readModel: ReadModel,
  tables: ReadModelTables,
  batch: readonly RecordedEvent[],
  before: ReadonlyMap<string, OpenRow>,
): Changes => {
  const open = new Map(before);
  const ended: { key: string; validTo: Position }[] = [];
  const passed: PastRow[] = [];
  const close = (row: PastRow): void => {
    if (before.get(row.key)?.validFrom === row.validFrom) ended.push(row);
    else passed.push(row);
  };
  for (const event of batch) foldEvent(readModel.projection, event, open, close);
  const opened = [...open.values()].filter((row) => before.get(row.key) !== row);
  const gone = [...before.keys()].filter((key) => !open.has(key));
  return { readModel, tables, ended, passed, opened, gone };
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
  client: pg.Pool | pg.ClientBase,
  wanted: readonly { readonly tables: ReadModelTables; readonly keys: readonly string[] }[],
): Promise<readonly Map<string, OpenRow>[]> => {
  const { rows } = await client.query<{
    ord: number;
    key: string;
    workspace: string;
    body: string;
    valid_from: string;
  }>(
    prepared(
      wanted
        .map(
          ({ tables }, index) =>
            `SELECT ${index} AS ord, key, workspace, body::text AS body, valid_from FROM ${tables.open} WHERE key = ANY ($${index + 1}::text[])`,
        )
        .join(' UNION ALL '),
      wanted.map(({ keys }) => textArray(keys)),
    ),
  );
  const stored = wanted.map(() => new Map<string, OpenRow>());
  for (const { ord, key, workspace, body, valid_from } of rows) {
    const row = JSON.parse(body) as object;
    stored[ord]?.set(key, { key, workspace, body, row, validFrom: BigInt(valid_from) });
  }
  return stored;
};

/**
 * Writes the changes of all read models in one statement, so all or nothing.
 *
 * @param along SQL of a SELECT that is to happen with it, with its values as placeholders 1, 2, ...
 * @returns the rows of `along`.
 */
export const writeChanges = async <Row extends pg.QueryResultRow>(
  client: pg.Pool | pg.ClientBase,
  changes: readonly Changes[],
  along: { readonly sql: string; readonly values: readonly unknown[] } = { sql: 'SELECT', values: [] },
): Promise<readonly Row[]> => {
  const values = [...along.values];
  const bind = (value: unknown): string => `$${values.push(value)}`;
  const parts = changes.flatMap((change, index) =>
    partsOf(change, bind).map((part, number) => `w${index}_${number} AS (${part})`),
  );
  const { rows } = await client.query<Row>(
    prepared(`${parts.length > 0 ? `WITH ${parts.join(', ')}` : ''} ${along.sql}`, values),
  );
  return rows;
};

const partsOf = ({ readModel, tables, ended, passed, opened, gone }: Changes, bind: (value: unknown) => string) => {
  const { open, past } = tables;
  const declared = columnsOf(readModel);
  const columns = ['key', 'workspace', ...declared, 'body', 'valid_from'];
  const parts: string[] = [];
  if (ended.length > 0) {
    parts.push(`INSERT INTO ${past} (${columns.join(', ')}, valid_to)
      SELECT ${columns.map((column) => `o.${column}`).join(', ')}, e.valid_to
      FROM unnest(${bind(textArray(ended.map(({ key }) => key)))}::text[], ${bind(int8Array(ended.map(({ validTo }) => validTo)))}::bigint[])
        AS e(key, valid_to) JOIN ${open} o ON o.key = e.key`);
  }
  if (passed.length > 0) {
    const ends = bind(int8Array(passed.map(({ validTo }) => validTo)));
    parts.push(`INSERT INTO ${past} (${columns.join(', ')}, valid_to)
      ${selectRows(readModel, passed, bind, `${ends}::bigint[]`)}`);
  }
  if (opened.length > 0) {
    parts.push(`INSERT INTO ${open} (${columns.join(', ')})
      ${selectRows(readModel, opened, bind)}
      ON CONFLICT (key) DO UPDATE SET ${columns
        .slice(1)
        .map((column) => `${column} = EXCLUDED.${column}`)
        .join(', ')}`);
  }
  if (gone.length > 0) parts.push(`DELETE FROM ${open} WHERE key = ANY (${bind(textArray(gone))}::text[])`);
  return parts;
};

/** SQL that makes rows of arrays: the declared columns are read out of the bodies. */
const selectRows = (
  readModel: ReadModel,
  rows: readonly OpenRow[],
  bind: (value: unknown) => string,
  ends?: string,
): string => {
  const declared = columnsOf(readModel).map((column) => `r.${column}`);
  const arrays = [
    `${bind(textArray(rows.map(({ key }) => key)))}::text[]`,
    `${bind(textArray(rows.map(({ workspace }) => workspace)))}::text[]`,
    `${bind(textArray(rows.map(({ body }) => body)))}::text[]`,
    `${bind(int8Array(rows.map(({ validFrom }) => validFrom)))}::bigint[]`,
    ...(ends === undefined ? [] : [ends]),
  ];
  const last = ends === undefined ? '' : ', valid_to';
  return `SELECT ${['u.key', 'u.workspace', ...declared, 'u.body', 'u.valid_from'].join(', ')}${ends === undefined ? '' : ', u.valid_to'}
      FROM (SELECT key, workspace, body::json AS body, valid_from${last}
            FROM unnest(${arrays.join(', ')}) AS t(key, workspace, body, valid_from${last})) u
      ${columnsFromBody(readModel, 'u')}`;
};

/** Of the statements above there is one per set of read models that batches touch together: few, and then the rest. */
const MAX_PREPARED = 200;
const names = new Map<string, string>();

const prepared = (text: string, values: unknown[]): pg.QueryConfig => {
  let name = names.get(text);
  if (name === undefined && names.size < MAX_PREPARED) {
    name = `batch_${names.size + 1}`;
    names.set(text, name);
  }
  return { text, values, ...(name !== undefined && { name }) };
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
