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
