import { type Connection, connection, type PageArguments } from './connection.js';
import { type GraphContext, type Momentary, momentOf } from './context.js';
import type { Entity, Seen } from './entity.js';
import { toNodeId } from './node-id.js';
import { rowKey } from './row-key.js';
import type { Where } from './rows.js';

/** One row by its id, at the parent's moment. */
export const readOne = <Row extends object>(
  entity: Entity<Row>,
  id: readonly (string | number)[],
  parent: Momentary | undefined,
  context: GraphContext,
): Promise<Seen<Row> | undefined> =>
  context.rows.byKey(entity, rowKey(context.workspace, ...id), momentOf(parent, context));

/** One page of an entity, at the parent's moment. */
export const readPage = <Row extends object>(
  entity: Entity<Row>,
  page: PageArguments,
  where: Where,
  parent: Momentary | undefined,
  context: GraphContext,
): Promise<Connection<Row>> =>
  connection(context.rows, entity, { ...page, workspace: context.workspace, where }, momentOf(parent, context));

/** Rows of one statement of {@link readAll}. */
const PIECE_ROWS = 1_000;

/** All rows with these values, at the parent's moment: for parts of a row, of which nobody asks a page. */
export const readAll = async <Row extends object>(
  entity: Entity<Row>,
  where: Where,
  parent: Momentary | undefined,
  { rows, workspace, moment }: GraphContext,
): Promise<readonly Seen<Row>[]> => {
  const all: Seen<Row>[] = [];
  for (;;) {
    const last = all.at(-1);
    const after = last && { value: String((last as Record<string, unknown>)[entity.order.column]), key: last.key };
    const piece = await rows.page(entity, { workspace, where, limit: PIECE_ROWS, after }, parent?.moment ?? moment);
    all.push(...piece);
    if (piece.length < PIECE_ROWS) return all;
  }
};

/** Hands the moment of a row on to a part of it. */
export const within = <Part extends object>(part: Part, { moment }: Momentary): Part & Momentary => ({
  ...part,
  moment,
});

/** The resolver of `id` for an entity's rows. */
export const nodeId =
  (entity: { readonly type: string }) =>
  ({ key }: { readonly key: string }): string =>
    toNodeId(entity.type, key);
