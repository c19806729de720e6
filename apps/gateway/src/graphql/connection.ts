import { createHash } from 'node:crypto';
import { parsePosition } from '@kontor/event-sourcing';
import type { Entity, Moment, Seen } from './entity.js';
import { requestError } from './errors.js';
import type { Rows, Where } from './rows.js';

/** Large enough for a screen, small enough that a forgotten `first` costs little. */
export const DEFAULT_PAGE_ROWS = 20;
/** A larger page is refused, never cut silently. */
export const MAX_PAGE_ROWS = 100;
/** Counting further would read the whole list; `totalCountExact` says when it stopped. */
export const MAX_COUNTED_ROWS = 10_000;

export interface PageArguments {
  readonly first?: number | null | undefined;
  readonly after?: string | null | undefined;
}

/** A page of a Relay connection. `totalCount` is asked only if it is selected. */
export interface Connection<Row extends object> {
  readonly edges: readonly { readonly cursor: string; readonly node: Seen<Row> }[];
  readonly nodes: readonly Seen<Row>[];
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
  readonly position: string;
  readonly totalCount: () => Promise<number>;
  readonly totalCountExact: () => Promise<boolean>;
}

interface Cursor {
  readonly position: bigint;
  readonly value: string;
  readonly key: string;
}

/** Binds a cursor to one list: another entity or another filter has another name. */
const listName = (entity: Entity<object>, where: Where): string => {
  const filter = Object.entries(where).filter(([, value]) => value !== undefined && value !== null);
  return createHash('sha256')
    .update(JSON.stringify([entity.projection.name, filter.sort(([a], [b]) => (a < b ? -1 : 1))]))
    .digest('base64url')
    .slice(0, 12);
};

/** @returns an opaque cursor: the list, its position and the last row's place in the order. */
export const encodeCursor = (list: string, { position, value, key }: Cursor): string =>
  Buffer.from(JSON.stringify([list, String(position), value, key])).toString('base64url');

/** @throws CURSOR_INVALID if it is no cursor, or one of another list. */
export const decodeCursor = (list: string, text: string): Cursor => {
  const invalid = () =>
    requestError('CURSOR_INVALID', 'after: not a cursor of this list with this filter; start again without it');
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(text, 'base64url').toString());
  } catch {
    throw invalid();
  }
  if (!Array.isArray(parts) || parts.length !== 4 || !parts.every((part) => typeof part === 'string')) throw invalid();
  const [name, at, value, key] = parts as [string, string, string, string];
  const position = parsePosition(at);
  if (name !== list || position === undefined) throw invalid();
  return { position, value, key };
};

/** @throws BAD_USER_INPUT unless it lies between 1 and 100. */
export const pageRows = (first: number | null | undefined): number => {
  const rows = first ?? DEFAULT_PAGE_ROWS;
  if (rows < 1 || rows > MAX_PAGE_ROWS) {
    throw requestError('BAD_USER_INPUT', `first: ${rows} is not between 1 and ${MAX_PAGE_ROWS}`, { path: ['first'] });
  }
  return rows;
};

/**
 * One page of an entity's list. A further page reads the position of the first one, so that a listing has neither
 * repeats nor gaps while the log moves on.
 *
 * @throws BAD_USER_INPUT, CURSOR_INVALID, POSITION_IN_FUTURE (a cursor above the operation's moment).
 */
export const connection = async <Row extends object>(
  rows: Rows,
  entity: Entity<Row>,
  args: PageArguments & { readonly workspace: string; readonly where: Where },
  moment: Moment,
): Promise<Connection<Row>> => {
  const limit = pageRows(args.first);
  const { workspace, where } = args;
  const list = listName(entity, where);
  const after = args.after === null || args.after === undefined ? undefined : decodeCursor(list, args.after);
  if (after && after.position > moment.position) {
    throw requestError('POSITION_IN_FUTURE', `after: the cursor is of position ${after.position}, above this read's`);
  }
  const at: Moment = after ? { position: after.position } : moment;
  const found = await rows.page<Row>(entity, { workspace, where, limit: limit + 1, after }, at);
  const nodes = found.slice(0, limit);
  const orderOf = (node: Seen<Row>): string => String((node as Record<string, unknown>)[entity.order.column]);
  const edges = nodes.map((node) => ({
    node,
    cursor: encodeCursor(list, { position: at.position, value: orderOf(node), key: node.key }),
  }));
  let counted: Promise<number> | undefined;
  const count = () => (counted ??= rows.count(entity, { workspace, where, cap: MAX_COUNTED_ROWS + 1 }, at));
  return {
    edges,
    nodes,
    pageInfo: { hasNextPage: found.length > limit, endCursor: edges.at(-1)?.cursor ?? null },
    position: String(at.position),
    totalCount: async () => Math.min(await count(), MAX_COUNTED_ROWS),
    totalCountExact: async () => (await count()) <= MAX_COUNTED_ROWS,
  };
};
