import { contexts } from '@kontor/domain/contexts';
import type { RegistryEvent } from '@kontor/domain/registry';
import { latest, parsePosition, type Position, type RecordedEvent } from '@kontor/event-sourcing';
import { type GraphContext, type Momentary, momentOf } from '../graphql/context.js';
import { pageRows } from '../graphql/connection.js';
import { refuseDeleted } from '../graphql/deleted-workspace.js';
import { requestError } from '../graphql/errors.js';
import { toNodeId } from '../graphql/node-id.js';
import { rowKey } from '../graphql/row-key.js';
import type { Resolvers } from '../graphql/generated/types.js';
import type { LogMessage } from '../subscriptions/live-log.js';

type Deletion = Extract<RegistryEvent, { type: 'WorkspaceDeleted' }>['data'];

/** An event as the graph shows it. */
export const toEvent = (event: RecordedEvent) => ({
  __typename: 'Event' as const,
  id: toNodeId('Event', rowKey(event.workspace, String(event.position))),
  position: String(event.position),
  eventId: event.eventId,
  stream: event.streamId,
  version: String(event.version),
  type: event.type,
  schemaVersion: event.schemaVersion,
  actor: event.actor,
  recordedAt: event.recordedAt,
  occurredAt: event.meta.occurredAt ?? null,
  commandId: event.commandId,
  correlationId: event.meta.correlationId,
  causationId: event.meta.causationId ?? null,
  data: event.data,
});

const toMessage = (message: LogMessage) => {
  switch (message.kind) {
    case 'event':
      return toEvent(message.event);
    case 'heartbeat':
      return { __typename: 'Heartbeat' as const, position: String(message.position), time: new Date().toISOString() };
    case 'lagged': {
      const { position, missed } = message;
      return { __typename: 'Lagged' as const, position: String(position), missed, resumeAfter: String(position) };
    }
  }
};

const choose = async (
  { position, time }: { position?: string | null | undefined; time?: string | null | undefined },
  context: GraphContext,
): Promise<Momentary> => {
  const isTime = time !== null && time !== undefined;
  if (isTime === (position !== null && position !== undefined)) {
    throw requestError('BAD_USER_INPUT', 'at: give exactly one of position and time', { path: ['at'] });
  }
  const named = isTime ? { time } : { position: toPosition(position) };
  return { moment: { position: await context.log.moment(named, 'at', context.moment.position) } };
};

/** The scalar has let nothing else in. */
const toPosition = (text: string | null | undefined): Position => parsePosition(text ?? '') ?? 0n;

/** What is about the present alone would break the promise that a past answer stays the same. */
export const refusePast = (field: string, parent: Momentary | undefined): void => {
  if (parent) throw requestError('BAD_USER_INPUT', `${field}: is about now; ask for it outside of \`at\``);
};

const isDeletionOf = (workspace: string, { type, data }: Pick<RecordedEvent, 'type' | 'data'>): boolean =>
  type === 'WorkspaceDeleted' && (data as Deletion).name === workspace;

const EVENT_TYPES: ReadonlySet<string> = new Set(contexts.flatMap(({ events }) => Object.keys(events)));

/** A misspelt type would read the whole log to answer that nothing is there. @throws BAD_USER_INPUT with `allowed` */
const knownTypes = (types: readonly string[] | null | undefined): readonly string[] | undefined => {
  const unknown = types?.find((type) => !EVENT_TYPES.has(type));
  if (unknown !== undefined) {
    const allowed = [...EVENT_TYPES].sort();
    const message = `types: ${JSON.stringify(unknown.slice(0, 100))} is no type of event; extensions.allowed lists them`;
    throw requestError('BAD_USER_INPUT', message, { path: ['types'], allowed });
  }
  return types ?? undefined;
};

/** Root fields about the log itself: moments, events, freshness. */
export const logResolvers: Pick<Resolvers, 'Query' | 'Subscription' | 'EventMessage'> = {
  Query: {
    at: (_parent, args, context) => choose(args, context),
    position: (parent, _args, context) => String(momentOf(parent, context).position),
    log: async (parent, _args, context) => {
      const { position } = momentOf(parent, context);
      return {
        position: String(parent ? position : await context.log.head()),
        readPosition: String(position),
        origin: context.log.identity.origin,
        epoch: String(context.log.identity.epoch),
      };
    },
    freshness: async (parent, _args, context) => {
      refusePast('freshness', parent);
      return [...(await context.log.freshness())];
    },
    events: async (parent, { after, first, types: asked }, context) => {
      const types = knownTypes(asked);
      const upTo = momentOf(parent, context).position;
      const start = toPosition(after);
      // Between the rows and the head there is nothing to show yet; above the head there is nothing to wait for.
      if (start > upTo) await context.log.reach(start, 'after');
      const limit = pageRows(first);
      const { workspace } = context;
      const found = await context.log.page({
        workspace,
        after: start,
        upTo,
        limit: limit + 1,
        types,
      });
      const hasNextPage = found.length > limit;
      const events = found.slice(0, limit);
      return {
        messages: events.map(toEvent),
        endPosition: String(hasNextPage ? (events.at(-1)?.position ?? start) : latest(start, upTo)),
        hasNextPage,
      };
    },
  },
  Subscription: {
    events: {
      subscribe: async (_parent, { after, types }, context) => {
        const { live } = context.log;
        const known = knownTypes(types);
        const wanted = known && new Set(known);
        const { position: signedIn } = context.moment;
        const start = after === null || after === undefined ? signedIn : toPosition(after);
        if (start > live.position) await context.log.reach(start, 'after');
        const messages = live.follow({
          // Not behind the position for which the workspace was looked up: what became of it since then counts.
          after: start < signedIn ? start : signedIn,
          accept: (event) => {
            const { type, workspace, position } = event;
            if (position > signedIn && isDeletionOf(context.workspace, event)) refuseDeleted(context.principal);
            return position > start && workspace === context.workspace && (wanted?.has(type) ?? true);
          },
          onUnread: () => context.socket?.endSoon(),
        });
        return asPayloads(messages, () => context.socket?.closeLagged());
      },
    },
  },
  EventMessage: { __resolveType: ({ __typename }) => __typename },
};

const asPayloads = (messages: AsyncIterableIterator<LogMessage>, onLagged: () => void) => {
  let lagged = false;
  const iterator = {
    [Symbol.asyncIterator]: () => iterator,
    next: async () => {
      const result = await messages.next();
      if (result.done) {
        // Asked again, so the last message has left.
        if (lagged) onLagged();
        return { done: true as const, value: undefined };
      }
      lagged = result.value.kind === 'lagged';
      return { done: false as const, value: { events: toMessage(result.value) } };
    },
    return: async () => {
      await messages.return?.();
      return { done: true as const, value: undefined };
    },
  };
  return iterator;
};
