import type { Position } from '@kontor/event-sourcing';
import type { PersonalData } from '@kontor/event-store';
import pg from 'pg';
import type { Entity } from '../graphql/entity.js';
import { rowKey } from '../graphql/row-key.js';
import { asOf } from '../graphql/as-of.js';
import { openRows } from '../graphql/open-rows.js';
import type { Lookups } from './lookups.js';
import type { RowLoader } from './row-loader.js';

/** SQL conditions with their bound values. Every value of a caller goes through {@link Conditions.bind}. */
export class Conditions {
  readonly values: unknown[];
  readonly #terms: string[] = [];
  readonly #joins: string[] = [];

  constructor(...fixed: readonly unknown[]) {
    this.values = [...fixed];
  }

  /** @returns the placeholder of the value. */
  bind(value: unknown): string {
    return `$${this.values.push(value)}`;
  }

  add(term: string): this {
    this.#terms.push(term);
    return this;
  }

  /** Joins another relation, whose columns must have names that the rows do not have. */
  join(sql: string): void {
    this.#joins.push(sql);
  }

  get joins(): string {
    return this.#joins.join(' ');
  }

  /** The terms joined by AND, beginning with AND; empty if there are none. */
  get sql(): string {
    return this.#terms.map((term) => `AND (${term})`).join(' ');
  }
}

export interface Listing {
  readonly orderBy: string;
  /** Without it all rows. */
  readonly limit?: number | undefined;
  readonly offset?: number;
  /** Only rows with one of these values in a column. Those of each are found on their own: an index that begins with it has them in order. */
  readonly each?: { readonly column: string; readonly values: readonly string[] };
  /** For statements of few shapes that find few rows by an index: each session plans them once. */
  readonly isPrepared?: boolean;
}

interface RowParts {
  readonly pool: pg.Pool;
  readonly lookups: Lookups;
  readonly schema: string;
  readonly personal: PersonalData;
  readonly loader: RowLoader;
}

/** Rows of one workspace at one position: what a request of MLflow's API reads. */
export class RowQuery {
  constructor(
    private readonly parts: RowParts,
    readonly workspace: string,
    readonly position: Position,
  ) {}

  /** Conditions for {@link list}; placeholders 1 and 2 are workspace and position. */
  conditions(): Conditions {
    return new Conditions(this.workspace, this.position);
  }

  /** The row with this id. */
  async byId<Row extends object>(entity: Entity<Row>, ...id: readonly (string | number)[]): Promise<Row | undefined> {
    const body = await this.parts.loader.load(entity, rowKey(this.workspace, ...id), this.position);
    return body && (await openRows(this.parts.personal, entity, this.workspace, [body]))[0];
  }

  /** The first row with these values in columns of the read model. */
  async find<Row extends object>(
    entity: Entity<Row>,
    where: Readonly<Record<string, unknown>>,
  ): Promise<Row | undefined> {
    return (await this.all(entity, where, 'key', 1))[0];
  }

  /** Rows with these values in columns of the read model. */
  all<Row extends object>(
    entity: Entity<Row>,
    where: Readonly<Record<string, unknown>>,
    orderBy: string,
    limit?: number,
  ): Promise<readonly Row[]> {
    const conditions = this.conditions();
    for (const [name, value] of Object.entries(where)) {
      const column = pg.escapeIdentifier(name);
      conditions.add(
        Array.isArray(value) ? `${column} = ANY (${conditions.bind(value)})` : `${column} = ${conditions.bind(value)}`,
      );
    }
    return this.list(entity, conditions, { orderBy, limit, isPrepared: true });
  }

  /**
   * The first row, in an order, of each combination of values in columns: a look into an index for each, however many rows
   * have them.
   */
  async firstOfEach<Row extends object>(
    entity: Entity<Row>,
    values: Readonly<Record<string, readonly string[]>>,
    { where, orderBy }: { readonly where: string; readonly orderBy: string },
  ): Promise<readonly Row[]> {
    const conditions = this.conditions().add(where);
    const sets = Object.entries(values).map(([name, allowed], index) => {
      conditions.add(`${pg.escapeIdentifier(name)} = value_${index}`);
      return `unnest(${conditions.bind(allowed)}::text[]) AS v${index}(value_${index})`;
    });
    const text = `SELECT first.body FROM ${sets.join(' CROSS JOIN ')} CROSS JOIN LATERAL (
        SELECT body FROM ${this.relation(entity, 'r')} WHERE true ${conditions.sql} ORDER BY ${orderBy} LIMIT 1) first`;
    return this.#open(entity, text, conditions, true);
  }

  /**
   * A read model as it was at this position, for a condition that looks into another one: `FROM <this> WHERE ...`.
   * Placeholders 1 and 2 are bound by every statement of {@link list}.
   */
  relation({ projection }: Entity<object>, alias: string): string {
    const view = `${pg.escapeIdentifier(this.parts.schema)}.${pg.escapeIdentifier(projection.name)}`;
    return `(SELECT * FROM ${view} WHERE workspace = $1 AND ${asOf('$2')}) ${alias}`;
  }

  async count(entity: Entity<object>, conditions: Conditions): Promise<number> {
    // Named as in a list, because conditions may look from another relation into this one.
    const { rows } = await this.parts.pool.query<{ count: string }>(
      `SELECT count(*) FROM ${this.relation(entity, pg.escapeIdentifier(entity.projection.name))} WHERE true ${conditions.sql}`,
      conditions.values,
    );
    return Number(rows[0]?.count);
  }

  /**
   * What differs among some values of rows, in their order.
   *
   * @param values name of each and its SQL, over columns of the read model and what the conditions join to it.
   */
  async distinct<Name extends string>(
    entity: Entity<object>,
    values: Readonly<Record<Name, string>>,
    conditions: Conditions,
    limit: number,
  ): Promise<readonly Readonly<Record<Name, string | null>>[]> {
    const selected = Object.entries<string>(values).map(([name, sql]) => `${sql} AS ${pg.escapeIdentifier(name)}`);
    const order = selected.map((_, index) => index + 1);
    const { rows } = await this.parts.pool.query<Record<Name, string | null>>(
      `SELECT DISTINCT ${selected.join(', ')} FROM ${this.relation(entity, 'seen')} ${conditions.joins}
       WHERE true ${conditions.sql} ORDER BY ${order.join(', ')} LIMIT ${conditions.bind(limit)}`,
      conditions.values,
    );
    return rows;
  }

  /** A page of the rows that meet the conditions, in an order. Binds values of its own, so conditions are for one statement. */
  async list<Row extends object>(
    entity: Entity<Row>,
    conditions: Conditions,
    { orderBy, limit, offset = 0, each, isPrepared = false }: Listing,
  ): Promise<readonly Row[]> {
    const view = `${pg.escapeIdentifier(this.parts.schema)}.${pg.escapeIdentifier(entity.projection.name)}`;
    const page = `LIMIT ${conditions.bind(limit)} OFFSET ${conditions.bind(offset)}`;
    let matching = `FROM ${view} ${conditions.joins} WHERE workspace = $1 AND ${asOf('$2')} ${conditions.sql}`;
    if (each) {
      const column = pg.escapeIdentifier(each.column);
      const [first, ...more] = each.values;
      if (more.length === 0) {
        matching += ` AND ${column} = ${conditions.bind(first)}`;
      } else {
        // No plan merges what an index has in order for many values, so the page is chosen among the first rows of each.
        const end = limit === undefined ? 'NULL' : conditions.bind(offset + limit);
        matching += ` AND key = ANY (ARRAY(
          SELECT first.key FROM unnest(${conditions.bind(each.values)}::text[]) AS e(each)
          CROSS JOIN LATERAL (SELECT key ${matching} AND ${column} = each ORDER BY ${orderBy} LIMIT ${end}) first))`;
      }
    }
    return this.#open(entity, `SELECT body ${matching} ORDER BY ${orderBy} ${page}`, conditions, isPrepared);
  }

  /** What a statement selects as `body`. */
  async #open<Row extends object>(
    entity: Entity<Row>,
    text: string,
    { values }: Conditions,
    isPrepared: boolean,
  ): Promise<readonly Row[]> {
    const { pool, lookups } = this.parts;
    const bodies = isPrepared
      ? await lookups.bodies<Row>(text, values)
      : (await pool.query<{ body: Row }>(text, values)).rows.map(({ body }) => body);
    return openRows(this.parts.personal, entity, this.workspace, bodies);
  }
}
