import type { Position } from '@kontor/event-sourcing';
import DataLoader from 'dataloader';
import pg from 'pg';
import type { Entity, Moment, Seen } from './entity.js';

/** A filter over the columns of an entity: equality, or membership in a text array. */
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

// A page query never asks for more keys than this at once; DataLoader splits larger batches.
const MAX_LOADER_KEYS = 500;

/** Reads temporal rows at a position. One instance serves one operation: its loaders cache, and each cache key holds the position. */
export class Rows {
  readonly #loaders = new Map<string, DataLoader<{ key: string; position: Position }, StoredRow | undefined, string>>();

  constructor(
    private readonly pool: pg.Pool,
    private readonly schema: string,
  ) {}

  /** The row of a key at a moment, or undefined if there was none. Loads of one tick share one statement. */
  async byKey<Row extends object>(entity: Entity<Row>, key: string, moment: Moment): Promise<Seen<Row> | undefined> {
    const stored = await this.#loader(entity).load({ key, position: moment.position });
    return stored && seen<Row>(stored, moment);
  }

  /** One page in the order of the entity, read at the moment. */
  async page<Row extends object>(
    entity: Entity<Row>,
    { workspace, where, limit, after }: PageQuery,
    moment: Moment,
  ): Promise<readonly Seen<Row>[]> {
    const values: unknown[] = [workspace, moment.position, limit];
    const bind = (value: unknown): string => `$${values.push(value)}`;
    const column = pg.escapeIdentifier(entity.order.column);
    const conditions = conditionsOf(entity, where, bind);
    const { descending } = entity.order;
    if (after) {
      conditions.push(`(${column}, key) ${descending ? '<' : '>'} (${bind(after.value)}, ${bind(after.key)})`);
    }
    const direction = descending ? 'DESC' : 'ASC';
    const { rows } = await this.pool.query<StoredRow>(
      `SELECT key, body FROM ${this.#view(entity)}
       WHERE workspace = $1 AND valid_from <= $2 AND valid_to > $2 ${conditions.map((sql) => `AND ${sql}`).join(' ')}
       ORDER BY ${column} ${direction}, key ${direction} LIMIT $3`,
      values,
    );
    return rows.map((row) => seen<Row>(row, moment));
  }

  /** How many rows a list has at the moment, counted up to a cap. */
  async count(
    entity: Entity<object>,
    { workspace, where, cap }: { workspace: string; where: Where; cap: number },
    moment: Moment,
  ): Promise<number> {
    const values: unknown[] = [workspace, moment.position, cap];
    const conditions = conditionsOf(entity, where, (value) => `$${values.push(value)}`);
    const { rows } = await this.pool.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM (SELECT 1 FROM ${this.#view(entity)}
       WHERE workspace = $1 AND valid_from <= $2 AND valid_to > $2 ${conditions.map((sql) => `AND ${sql}`).join(' ')}
       LIMIT $3) AS counted`,
      values,
    );
    return rows[0]?.count ?? 0;
  }

  #view(entity: Entity<object>): string {
    return `${pg.escapeIdentifier(this.schema)}.${pg.escapeIdentifier(entity.projection.name)}`;
  }

  #loader(entity: Entity<object>) {
    const known = this.#loaders.get(entity.projection.name);
    if (known) return known;
    const loader = new DataLoader<{ key: string; position: Position }, StoredRow | undefined, string>(
      (keys) => this.#load(entity, keys),
      { cacheKeyFn: loaderKey, maxBatchSize: MAX_LOADER_KEYS },
    );
    this.#loaders.set(entity.projection.name, loader);
    return loader;
  }

  async #load(
    entity: Entity<object>,
    keys: readonly { key: string; position: Position }[],
  ): Promise<(StoredRow | undefined)[]> {
    const { rows } = await this.pool.query<StoredRow & { ord: string }>(
      `SELECT k.ord, r.key, r.body
       FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS k(key, pos, ord)
       CROSS JOIN LATERAL (SELECT v.key, v.body FROM ${this.#view(entity)} v
         WHERE v.key = k.key AND v.valid_from <= k.pos AND v.valid_to > k.pos) r`,
      [keys.map(({ key }) => key), keys.map(({ position }) => position)],
    );
    const found = new Map(rows.map((row) => [Number(row.ord), row]));
    return keys.map((_, index) => found.get(index + 1));
  }
}

/** The identity of a loaded row: without the position, two moments of one operation would share a cache entry. */
export const loaderKey = ({ key, position }: { key: string; position: Position }): string => `${position}\n${key}`;

const seen = <Row extends object>(stored: StoredRow, moment: Moment): Seen<Row> =>
  ({ ...stored.body, key: stored.key, moment }) as Seen<Row>;

const conditionsOf = (entity: Entity<object>, where: Where, bind: (value: unknown) => string): string[] =>
  Object.entries(where).flatMap(([name, value]) => {
    if (value === undefined || value === null) return [];
    const type = entity.columns[name];
    if (type === undefined) throw new Error(`${entity.projection.name} has no column ${name}`);
    const column = pg.escapeIdentifier(name);
    return [type === 'text[]' ? `${column} @> ARRAY[${bind(value)}::text]` : `${column} = ${bind(value)}`];
  });
