import { parsePosition, type Position, type RecordedEvent } from '@kontor/event-sourcing';
import { type GraphContext, type Momentary, momentOf } from '../graphql/context.js';
import { pageRows } from '../graphql/connection.js';
import { requestError } from '../graphql/errors.js';
import { toNodeId } from '../graphql/node-id.js';
import { rowKey } from '../graphql/row-key.js';
import type { Resolvers } from '../graphql/generated/types.js';
import type { LogMessage } from '../subscriptions/live-log.js';

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

const startOf = (after: string | null | undefined, newest: Position, otherwise: Position): Position => {
  if (after === null || after === undefined) return otherwise;
  const position = parsePosition(after) ?? 0n;
  if (position > newest) {
    throw requestError('POSITION_IN_FUTURE', `after: ${after} is above the newest position ${newest}`);
  }
  return position;
};

const choose = async (
  { position, time }: { position?: string | null | undefined; time?: string | null | undefined },
  context: GraphContext,
): Promise<Momentary> => {
  const isTime = time !== null && time !== undefined;
  if (isTime === (position !== null && position !== undefined)) {
    throw requestError('BAD_USER_INPUT', 'at: give exactly one of position and time', { path: ['at'] });
  }
  const newest = context.moment.position;
  if (isTime) {
    const found = await context.log.positionAt(time);
    // Rows may still be on their way to the newest events; the answer must be the same when they have arrived.
    return { moment: { position: found > newest ? await waited(context, found) : found } };
  }
  const wanted = parsePosition(position ?? '') ?? 0n;
  if (wanted === 0n) throw requestError('POSITION_BEFORE_FIRST', 'at: the first position is 1');
  if (wanted > newest) {
    throw requestError('POSITION_IN_FUTURE', `at: ${wanted} is above the newest position ${newest}`, {
      newest: String(newest),
    });
  }
  return { moment: { position: wanted } };
};

const waited = async (context: GraphContext, position: Position): Promise<Position> => {
  await context.log.wait(position);
  return position;
};

/** Root fields about the log itself: moments, events, freshness. */
export const logResolvers: Pick<Resolvers, 'Query' | 'Subscription' | 'EventMessage'> = {
  Query: {
    at: (_parent, args, context) => choose(args, context),
    position: (parent, _args, context) => String(momentOf(parent, context).position),
    log: async (parent, _args, context) => ({
      position: String(await context.log.head()),
      readPosition: String(momentOf(parent, context).position),
      origin: context.log.identity.origin,
      epoch: String(context.log.identity.epoch),
    }),
    freshness: async (_parent, _args, context) => [...(await context.log.freshness())],
    events: async (parent, { after, first, types }, context) => {
      const upTo = momentOf(parent, context).position;
      const start = startOf(after, upTo, 0n);
      const limit = pageRows(first);
      const { workspace } = context;
      const found = await context.log.page({
        workspace,
        after: start,
        upTo,
        limit: limit + 1,
        types: types ?? undefined,
      });
      const hasNextPage = found.length > limit;
      const events = found.slice(0, limit);
      return {
        messages: events.map(toEvent),
        endPosition: String(hasNextPage ? (events.at(-1)?.position ?? start) : upTo),
        hasNextPage,
      };
    },
  },
  Subscription: {
    events: {
      subscribe: (_parent, { after, types }, context) => {
        const { live } = context.log;
        const wanted = types && new Set(types);
        const messages = live.follow({
          after: startOf(after, live.position, live.position),
          accept: ({ type, workspace }) => workspace === context.workspace && (wanted?.has(type) ?? true),
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
