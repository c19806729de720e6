import { parsePosition } from '@kontor/event-sourcing';
import { toEvent } from '../log/log.resolvers.js';
import {
  datasetRecordEntity,
  latestMetricEntity,
  traceSpansEntity,
  workspaceEntity,
} from '../registry/registry.entities.js';
import { shownWorkspaces, versionByName } from '../registry/registry.resolver.js';
import { subjectEntity } from '../governance/governance.entities.js';
import { MAX_PAGE_ROWS } from './connection.js';
import { type GraphContext, type Momentary, momentOf } from './context.js';
import type { Entity } from './entity.js';
import { entities } from './entities.js';
import { requestError } from './errors.js';
import type { Resolvers, ResolversInterfaceTypes, ResolversTypes } from './generated/types.js';
import { fromNodeId } from './node-id.js';
import { readOne } from './read.js';

/** What the graph has no type for, or none with an id. */
const PARTS: readonly Entity<object>[] = [latestMetricEntity, traceSpansEntity, datasetRecordEntity];

const byType: ReadonlyMap<string, Entity<object>> = new Map(
  entities.filter((entity) => !PARTS.includes(entity)).map((entity) => [entity.type, entity]),
);

type AnyNode = ResolversInterfaceTypes<ResolversTypes>['Node'];

/** An id of another workspace cannot be expressed: the workspace comes from the sign-in only. */
const readNode = async (id: string, parent: Momentary | undefined, context: GraphContext): Promise<AnyNode | null> => {
  const named = fromNodeId(id, context.workspace);
  if (named === undefined) return null;
  const moment = momentOf(parent, context);
  if (named.type === 'Event') {
    const position = parsePosition(named.key.slice(named.key.indexOf('/') + 1)) ?? 0n;
    if (position === 0n || position > moment.position) return null;
    const page = { workspace: context.workspace, after: position - 1n, upTo: position, limit: 1 };
    const [event] = await context.log.page(page);
    return event === undefined ? null : toEvent(event);
  }
  const entity = byType.get(named.type);
  if (entity === undefined) return null;
  const { rows, workspace } = context;
  const where = { ...shownWorkspaces(context), key: named.key };
  const [row] =
    entity === workspaceEntity
      ? await rows.page(entity, { workspace, where, limit: 1 }, moment)
      : [await rows.byKey(entity, named.key, moment)];
  if (row === undefined) return null;
  // The table of entities is heterogeneous; the type name says which row it is.
  return { ...row, __typename: named.type } as unknown as AnyNode;
};

/** Fields of the shared types. */
export const commonResolvers = {
  Query: {
    node: (parent, { id }, context) => readNode(id, parent, context),
    nodes: (parent, { ids }, context) => {
      if (ids.length > MAX_PAGE_ROWS) {
        throw requestError('BAD_USER_INPUT', `ids: ${ids.length} are too many; allowed are ${MAX_PAGE_ROWS}`);
      }
      return Promise.all(ids.map((id) => readNode(id, parent, context)));
    },
  },
  VersionRef: {
    modelVersion: (ref, _args, context) => versionByName(ref, ref, context),
    subject: (ref, _args, context) => readOne(subjectEntity, [ref.manifestDigest], ref, context),
  },
} satisfies Resolvers;
