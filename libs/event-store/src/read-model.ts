import type { Projection } from '@kontor/event-sourcing';
import pg from 'pg';
import { ensureCheckpoints } from './checkpoints.js';
import { inTransaction } from './transaction.js';

/** Types of columns that queries filter and sort by. JSON converts to each of them without loss. */
export type ColumnType = 'text' | 'bigint' | 'integer' | 'boolean' | 'double precision' | 'timestamptz' | 'text[]';

/** A projection with what its table needs. The whole row is stored as JSON beside the columns. */
export interface ReadModel {
  readonly projection: AnyProjection;
  /** Column name → type. The value is the row's property of the same name. Names are quoted: `modelName` stays so. */
  readonly columns: Readonly<Record<string, ColumnType>>;
  /** Indexes over open rows, each a list of columns (declared ones, or `workspace` and `key`). */
  readonly indexes: readonly (readonly string[])[];
}

/** A projection whose types were checked where it was written; the runner only passes rows through. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a list of projections has no common row type
export type AnyProjection = Projection<any, any>;

/** The open end of an interval: the largest bigint. */
export const OPEN_END = 9_223_372_036_854_775_807n;

const RESERVED = ['key', 'workspace', 'body', 'valid_from', 'valid_to'];
const NAME = /^[a-z][a-z0-9_]{0,50}$/;

/** Quoted names of a read model's relations. */
export interface ReadModelTables {
  readonly open: string;
  readonly past: string;
  readonly view: string;
}

export const tablesOf = (schema: string, { projection }: ReadModel): ReadModelTables => {
  const qualified = (name: string) => `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(name)}`;
  const table = `${projection.name}_v${projection.version}`;
  return { open: qualified(table), past: qualified(`${table}_past`), view: qualified(projection.name) };
};

/** The quoted declared columns. */
export const columnsOf = ({ columns }: ReadModel): readonly string[] => Object.keys(columns).map(pg.escapeIdentifier);

/** SQL that reads the declared columns out of a JSON body, as a join after `alias`; empty if there are none. */
export const columnsFromBody = ({ columns }: ReadModel, alias: string): string => {
  const definitions = Object.entries(columns).map(([name, type]) => `${pg.escapeIdentifier(name)} ${type}`);
  return definitions.length === 0
    ? ''
    : `CROSS JOIN LATERAL json_to_record(${alias}.body) AS r(${definitions.join(', ')})`;
};

const refuseWrongDeclaration = ({ projection, columns, indexes }: ReadModel): void => {
  if (!NAME.test(projection.name)) throw new Error(`read model ${projection.name}: the name must match ${NAME.source}`);
  for (const name of Object.keys(columns)) {
    if (RESERVED.includes(name))
      throw new Error(`read model ${projection.name}: the column ${name} exists on every row`);
  }
  for (const name of indexes.flat()) {
    if (!(name in columns) && name !== 'workspace' && name !== 'key') {
      throw new Error(`read model ${projection.name}: the index names ${name}, which is no column`);
    }
  }
};

/**
 * Creates tables, indexes and views of read models, and the table of checkpoints. Idempotent, and safe when several run.
 *
 * @param pool a role that owns the schema.
 * @throws Error if a read model's declaration is wrong.
 */
export const ensureReadModels = async (
  pool: pg.Pool,
  schema: string,
  readModels: readonly ReadModel[],
): Promise<void> => {
  await inTransaction(pool, async (client) => {
    await client.query(`SELECT pg_advisory_xact_lock(hashtext('kontor.read-models'))`);
    await ensureCheckpoints(client, schema);
    for (const readModel of readModels) await client.query(definition(schema, readModel));
  });
};

const definition = (schema: string, readModel: ReadModel): string => {
  refuseWrongDeclaration(readModel);
  const { open, past, view } = tablesOf(schema, readModel);
  const declared = Object.entries(readModel.columns).map(([name, type]) => {
    // Byte order, so that a page's last key means the same to SQL and to the program.
    const collation = type === 'text' ? ' COLLATE "C"' : '';
    return `${pg.escapeIdentifier(name)} ${type}${collation},`;
  });
  const names = ['key', 'workspace', ...columnsOf(readModel), 'body', 'valid_from', 'valid_to'].join(', ');
  const label = `${readModel.projection.name}_v${readModel.projection.version}`;
  const indexes = readModel.indexes.map(
    (columns, index) =>
      `CREATE INDEX IF NOT EXISTS ${label}_i${index + 1} ON ${open} (${columns.map(pg.escapeIdentifier).join(', ')});`,
  );
  return `
    CREATE TABLE IF NOT EXISTS ${open} (
      key text COLLATE "C" PRIMARY KEY, workspace text COLLATE "C" NOT NULL, ${declared.join(' ')} body json NOT NULL,
      valid_from bigint NOT NULL, valid_to bigint NOT NULL DEFAULT ${OPEN_END} CHECK (valid_to = ${OPEN_END})
    ) WITH (fillfactor = 70);
    ${indexes.join('\n')}
    CREATE TABLE IF NOT EXISTS ${past} (
      key text COLLATE "C" NOT NULL, workspace text COLLATE "C" NOT NULL, ${declared.join(' ')} body json NOT NULL,
      valid_from bigint NOT NULL, valid_to bigint NOT NULL,
      PRIMARY KEY (key, valid_to), CHECK (valid_from < valid_to AND valid_to < ${OPEN_END})
    );
    CREATE INDEX IF NOT EXISTS ${label}_past_i1 ON ${past} (workspace, valid_to);
    DROP VIEW IF EXISTS ${view};
    CREATE VIEW ${view} WITH (security_invoker = true) AS
      SELECT ${names} FROM ${open} UNION ALL SELECT ${names} FROM ${past};`;
};
