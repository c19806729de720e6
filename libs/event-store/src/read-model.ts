import type { Projection } from '@kontor/event-sourcing';
import pg from 'pg';

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
// PostgreSQL cuts names at 63 bytes, and the longest is `<name>_v<n>_next_past_pkey`.
const NAME = /^[a-z][a-z0-9_]{0,40}$/;

/** Where the versions of a read model's rows lie. */
export interface ReadModelTables {
  /** Name of the table of open versions, without its schema. */
  readonly label: string;
  /** Quoted names of both tables. */
  readonly open: string;
  readonly past: string;
}

const tables = (schema: string, label: string): ReadModelTables => ({
  label,
  open: qualified(schema, label),
  past: qualified(schema, `${label}_past`),
});

const qualified = (schema: string, name: string): string =>
  `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(name)}`;

/** The tables of one version of a projection. */
export const tablesOf = (schema: string, { name, version }: AnyProjection): ReadModelTables =>
  tables(schema, `${name}_v${version}`);

/** The tables of the same version while it is built again beside the ones that serve. */
export const nextTablesOf = (schema: string, { name, version }: AnyProjection): ReadModelTables =>
  tables(schema, `${name}_v${version}_next`);

/** The quoted name of the view that readers use. */
export const viewOf = (schema: string, { name }: AnyProjection): string => qualified(schema, name);

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

/** SQL that makes both tables without indexes, for rows to come in bulk. @throws Error if the declaration is wrong */
export const createTablesSql = (readModel: ReadModel, { open, past }: ReadModelTables): string => {
  refuseWrongDeclaration(readModel);
  const declared = Object.entries(readModel.columns).map(([name, type]) => {
    // Byte order, so that a page's last key means the same to SQL and to the program.
    const collation = type === 'text' ? ' COLLATE "C"' : '';
    return `${pg.escapeIdentifier(name)} ${type}${collation},`;
  });
  return `
    CREATE TABLE ${open} (
      key text COLLATE "C" NOT NULL, workspace text COLLATE "C" NOT NULL, ${declared.join(' ')} body json NOT NULL,
      valid_from bigint NOT NULL, valid_to bigint NOT NULL DEFAULT ${OPEN_END} CHECK (valid_to = ${OPEN_END})
    ) WITH (fillfactor = 70);
    CREATE TABLE ${past} (
      key text COLLATE "C" NOT NULL, workspace text COLLATE "C" NOT NULL, ${declared.join(' ')} body json NOT NULL,
      valid_from bigint NOT NULL, valid_to bigint NOT NULL,
      CHECK (valid_from < valid_to AND valid_to < ${OPEN_END})
    );`;
};

/** SQL that makes the keys of both tables, after the rows. */
export const createKeysSql = ({ open, past }: ReadModelTables): string => `
  ALTER TABLE ${open} ADD PRIMARY KEY (key);
  ALTER TABLE ${past} ADD PRIMARY KEY (key, valid_to);`;

/** SQL that makes the indexes that are missing. */
export const createIndexesSql = ({ indexes }: ReadModel, { label, open, past }: ReadModelTables): string => `
  ${indexes
    .map(
      (columns, index) =>
        `CREATE INDEX IF NOT EXISTS ${label}_i${index + 1} ON ${open} (${columns.map(pg.escapeIdentifier).join(', ')});`,
    )
    .join('\n')}
  CREATE INDEX IF NOT EXISTS ${label}_past_i1 ON ${past} (workspace, valid_to);`;

/** SQL that points the view at tables. A view of the same columns is replaced, so that what others made of it stays. */
export const replaceViewSql = (
  schema: string,
  readModel: ReadModel,
  { open, past }: ReadModelTables,
  sameShape: boolean,
): string => {
  const view = viewOf(schema, readModel.projection);
  const names = allColumnsOf(readModel).join(', ');
  return `
    ${sameShape ? '' : `DROP VIEW IF EXISTS ${view};`}
    CREATE OR REPLACE VIEW ${view} WITH (security_invoker = true) AS
      SELECT ${names} FROM ${open} UNION ALL SELECT ${names} FROM ${past};`;
};

/** The quoted columns of both tables, in the order of the view. */
export const allColumnsOf = (readModel: ReadModel): readonly string[] => [
  'key',
  'workspace',
  ...columnsOf(readModel),
  'body',
  'valid_from',
  'valid_to',
];
