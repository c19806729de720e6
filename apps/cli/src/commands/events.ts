import { setTimeout } from 'node:timers/promises';
import { z } from 'zod';
import { askGateway } from '../ask-gateway.js';
import { print } from '../print.js';

const QUERY = `query Events($after: LogPosition!, $first: Int!, $types: [String!]) {
  events(after: $after, first: $first, types: $types) {
    messages { ... on Event { position type stream version actor recordedAt commandId data } }
    endPosition
    hasNextPage
  }
}`;

/** The most that the gateway gives at once. @source apps/gateway/src/graphql/common.graphql */
const PAGE_EVENTS = 100;

/** With `--follow`: how long a person waits at most for a new event. */
const FOLLOW_POLL_MS = 500;

const event = z.looseObject({
  position: z.string(),
  type: z.string(),
  stream: z.string(),
  actor: z.string(),
  recordedAt: z.string(),
});
const page = z.object({ messages: z.array(event), endPosition: z.string(), hasNextPage: z.boolean() });
const data = z.object({ events: page });

export interface EventsOptions {
  /** Position to begin behind; "0" is the beginning. */
  readonly after: string;
  readonly types?: readonly string[] | undefined;
  /** Goes on when the end is reached. */
  readonly follow: boolean;
  readonly json: boolean;
}

/**
 * `kontor events`: prints the log behind a position, one line per event, through the gateway. Order and completeness are the
 * log's; the position at the start of the last line is where to go on.
 * @param token makes the token of one request; a tail may outlive any
 */
export const events = async (url: string, token: () => Promise<string>, options: EventsOptions): Promise<void> => {
  let { after } = options;
  while (process.stdout.writable) {
    const variables = { after, first: PAGE_EVENTS, types: options.types };
    const question = { url, token: await token(), query: QUERY, variables, data };
    const { messages, endPosition, hasNextPage } = (await askGateway(question)).events;
    for (const one of messages)
      print(
        options.json
          ? JSON.stringify(one)
          : `${one.position.padStart(8)}  ${one.recordedAt}  ${one.type.padEnd(28)} ${one.stream}  ${one.actor}`,
      );
    after = endPosition;
    if (hasNextPage) continue;
    if (!options.follow) return;
    await setTimeout(FOLLOW_POLL_MS);
  }
};
