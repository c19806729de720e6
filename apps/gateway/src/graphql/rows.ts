import type { Position } from '@kontor/event-sourcing';
import type { PersonalData } from '@kontor/event-store';
import DataLoader from 'dataloader';
import pg from 'pg';
import type { Entity, Moment, Seen } from './entity.js';
import { asOf } from './as-of.js';
import { openRows } from './open-rows.js';

/** A filter: equality with columns of an entity, or with its `key`. A column without a value does not filter. */
export type Where = Readonly<Record<string, string | number | boolean | null | undefined>>;

export interface PageQuery {
  readonly workspace: string;
  readonly where: Where;
  readonly limit: number;
  /** The order value and the key of the last row of the page before. */
  readonly after?: { readonly value: string; readonly key: string } | undefined;
}

interface StoredRow {
  readonly key: string;
  readonly body: object;
}

/** One list that a resolver asks for. Lists of one shape (the same columns, limit and kind) share a statement. */
interface List {
  readonly position: Position;
  readonly workspace: string;
  /** Of the shape's columns, in their order. */
  readonly values: readonly unknown[];
}

// A page query never asks for more keys than this at once; DataLoader splits larger batches.
const MAX_LOADER_KEYS = 500;

/**
 * Reads temporal rows at a position. One instance serves one operation: whatever its resolvers ask in one tick shares a
 * statement per read model, so the versions of 100 models are one statement too. What was read once is remembered, and
 * each key of that memory holds the position.
 */
export class Rows {
  readonly #loaders = new Map<string, unknown>();

  constructor(
    private readonly pool: pg.Pool,
    private readonly schema: string,
    private readonly personal: PersonalData,
  ) {}

  /** The row of a key at a moment, or undefined if there was none. */
  async byKey<Row extends object>(entity: Entity<Row>, key: string, moment: Moment): Promise<Seen<Row> | undefined> {
    const loader = this.#loader(entity.projection.name, loaderKey, (keys: readonly RowAt[]) =>
      this.#load(entity, keys),
    );
    const stored = await loader.load({ key, position: moment.position });
    return stored && seen<Row>(stored, moment);
  }

  /** One page in the order of the entity, read at the moment. */
  async page<Row extends object>(
    entity: Entity<Row>,
    { workspace, where, limit, after }: PageQuery,
    moment: Moment,
  ): Promise<readonly Seen<Row>[]> {
    const names = filterNames(entity, where);
    const shape = ['page', entity.projection.name, limit, after !== undefined, ...names];
    const loader = this.#loader(JSON.stringify(shape), listKey, (lists: readonly List[]) =>
      this.#pages(entity, names, { limit, isFurther: after !== undefined }, lists),
    );
    const values = [...names.map((name) => where[name]), ...(after ? [after.value, after.key] : [])];
    const rows = await loader.load({ position: moment.position, workspace, values });
    return rows.map((row) => seen<Row>(row, moment));
  }

  /** How many rows a list has at the moment, counted up to a cap. */
  async count(
    entity: Entity<object>,
    { workspace, where, cap }: { workspace: string; where: Where; cap: number },
    moment: Moment,
  ): Promise<number> {
    const names = filterNames(entity, where);
    const shape = ['count', entity.projection.name, cap, ...names];
    const loader = this.#loader(JSON.stringify(shape), listKey, (lists: readonly List[]) =>
      this.#counts(entity, names, cap, lists),
    );
    return loader.load({ position: moment.position, workspace, values: names.map((name) => where[name]) });
  }

  #view(entity: Entity<object>): string {
    return `${pg.escapeIdentifier(this.schema)}.${pg.escapeIdentifier(entity.projection.name)}`;
  }

  #loader<Key, Value>(
    name: string,
    cacheKeyFn: (key: Key) => string,
    load: (keys: readonly Key[]) => Promise<Value[]>,
  ): DataLoader<Key, Value, string> {
    const known = this.#loaders.get(name) as DataLoader<Key, Value, string> | undefined;
    if (known) return known;
    const loader = new DataLoader<Key, Value, string>(load, { cacheKeyFn, maxBatchSize: MAX_LOADER_KEYS });
    this.#loaders.set(name, loader);
    return loader;
  }

  async #load(entity: Entity<object>, keys: readonly RowAt[]): Promise<(StoredRow | undefined)[]> {
    const { rows } = await this.pool.query<StoredRow & { ord: string }>(
      `SELECT k.ord, r.key, r.body
       FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS k(key, pos, ord)
       CROSS JOIN LATERAL (SELECT v.key, v.body FROM ${this.#view(entity)} v
         WHERE v.key = k.key AND ${asOf('k.pos', 'v')}) r`,
      [keys.map(({ key }) => key), keys.map(({ position }) => position)],
    );
    const found = new Map((await this.#open(entity, rows)).map((row) => [Number(row.ord), row]));
    return keys.map((_, index) => found.get(index + 1));
  }

  async #pages(
    entity: Entity<object>,
    names: readonly string[],
    { limit, isFurther }: { readonly limit: number; readonly isFurther: boolean },
    lists: readonly List[],
  ): Promise<StoredRow[][]> {
    const column = pg.escapeIdentifier(entity.order.column);
    const direction = entity.order.descending ? 'DESC' : 'ASC';
    const orderType = entity.columns[entity.order.column] ?? 'text';
    const { from, conditions, values } = listsOf(entity, names, isFurther ? [orderType, 'text'] : [], lists);
    // The last two values of a further page: where the page before ended.
    const place = isFurther
      ? `AND (v.${column}, v.key) ${entity.order.descending ? '<' : '>'} (k.c${names.length}, k.c${names.length + 1})`
      : '';
    const { rows } = await this.pool.query<StoredRow & { ord: string }>(
      `SELECT k.ord, r.key, r.body FROM ${from}
       CROSS JOIN LATERAL (SELECT v.key, v.body, v.${column} AS sort FROM ${this.#view(entity)} v
         WHERE ${conditions} ${place} ORDER BY v.${column} ${direction}, v.key ${direction} LIMIT ${limit}) r
       ORDER BY k.ord, r.sort ${direction}, r.key ${direction}`,
      values,
    );
    const pages = lists.map((): StoredRow[] => []);
    for (const row of await this.#open(entity, rows)) pages[Number(row.ord) - 1]?.push(row);
    return pages;
  }

  /** The rows of all workspaces in one statement's answer, opened. */
  async #open<Stored extends StoredRow>(entity: Entity<object>, rows: readonly Stored[]): Promise<readonly Stored[]> {
    const byWorkspace = Map.groupBy(rows, ({ key }) => key.slice(0, key.indexOf('/')));
    const opened = await Promise.all(
      [...byWorkspace].map(async ([workspace, own]) => {
        const bodies = await openRows(
          this.personal,
          entity,
          workspace,
          own.map(({ body }) => body),
        );
        return own.map((row, index) => ({ ...row, body: bodies[index] ?? row.body }));
      }),
    );
    return opened.flat();
  }

  async #counts(
    entity: Entity<object>,
    names: readonly string[],
    cap: number,
    lists: readonly List[],
  ): Promise<number[]> {
    const { from, conditions, values } = listsOf(entity, names, [], lists);
    const { rows } = await this.pool.query<{ count: number }>(
      `SELECT r.count FROM ${from}
       CROSS JOIN LATERAL (SELECT count(*)::int AS count FROM (
         SELECT 1 FROM ${this.#view(entity)} v WHERE ${conditions} LIMIT ${cap}) counted) r
       ORDER BY k.ord`,
      values,
    );
    return rows.map(({ count }) => count);
  }
}

interface RowAt {
  readonly key: string;
  readonly position: Position;
}

/** The identity of a loaded row: without the position, two moments of one operation would share a cache entry. */
export const loaderKey = ({ key, position }: RowAt): string => `${position}\n${key}`;

/** The identity of a list within its shape. */
export const listKey = ({ position, workspace, values }: List): string =>
  JSON.stringify([String(position), workspace, values]);

const seen = <Row extends object>(stored: StoredRow, moment: Moment): Seen<Row> =>
  ({ ...stored.body, key: stored.key, moment }) as Seen<Row>;

/** The columns that filter, always in the same order. */
const filterNames = (entity: Entity<object>, where: Where): readonly string[] =>
  Object.keys(where)
    .filter((name) => where[name] !== undefined && where[name] !== null)
    .sort()
    .map((name) => {
      if (name !== 'key' && entity.columns[name] === undefined)
        throw new Error(`${entity.projection.name} has no column ${name}`);
      return name;
    });

/** The SQL that many lists of one shape share: one row per list, and what makes a row `v` part of list `k`. */
const listsOf = (
  entity: Entity<object>,
  names: readonly string[],
  furtherTypes: readonly string[],
  lists: readonly List[],
): { readonly from: string; readonly conditions: string; readonly values: unknown[] } => {
  const types = [...names.map((name) => entity.columns[name] ?? 'text'), ...furtherTypes];
  const arrays = ['text', 'bigint', ...types].map((type, index) => `$${index + 1}::${type}[]`);
  const columns = ['workspace', 'pos', ...types.map((_, index) => `c${index}`), 'ord'];
  return {
    from: `unnest(${arrays.join(', ')}) WITH ORDINALITY AS k(${columns.join(', ')})`,
    conditions: [
      `v.workspace = k.workspace AND ${asOf('k.pos', 'v')}`,
      ...names.map((name, index) => `v.${pg.escapeIdentifier(name)} = k.c${index}`),
    ].join(' AND '),
    values: [
      lists.map(({ workspace }) => workspace),
      lists.map(({ position }) => position),
      ...types.map((_, index) => lists.map(({ values }) => values[index])),
    ],
  };
};
