import { setTimeout } from 'node:timers/promises';
import { z } from 'zod';
import { print } from '../print.js';
import { CommandFailed } from '../usage-error.js';

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

const REQUEST_TIMEOUT_MS = 30_000;

const event = z.looseObject({
  position: z.string(),
  type: z.string(),
  stream: z.string(),
  actor: z.string(),
  recordedAt: z.string(),
});
const page = z.object({ messages: z.array(event), endPosition: z.string(), hasNextPage: z.boolean() });
const answer = z.object({
  data: z.object({ events: page.nullable() }).nullish(),
  errors: z.array(z.looseObject({ message: z.string() })).optional(),
});

export interface EventsOptions {
  /** Position to begin behind; "0" is the beginning. */
  readonly after: string;
  readonly types?: readonly string[] | undefined;
  /** Goes on when the end is reached. */
  readonly follow: boolean;
  readonly json: boolean;
}

const readPage = async (url: string, token: string, variables: Readonly<Record<string, unknown>>) => {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const body = JSON.stringify({ query: QUERY, variables });
  const signal = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
  const response = await fetch(url, { method: 'POST', headers, body, signal }).catch((cause: unknown) => {
    throw new CommandFailed(`${url} does not answer`, { cause });
  });
  const text = await response.text();
  const parsed = answer.safeParse(
    response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : undefined,
  );
  if (!parsed.success) throw new CommandFailed(`${url} answered ${response.status}: ${text.slice(0, 500)}`);
  const { data, errors } = parsed.data;
  if (!data?.events)
    throw new CommandFailed(errors?.map(({ message }) => message).join('\n') ?? `${url} answered without data`);
  return data.events;
};

/**
 * `kontor events`: prints the log behind a position, one line per event, through the gateway. Order and completeness are the
 * log's; the position at the start of the last line is where to go on.
 * @param token makes the token of one request; a tail may outlive any
 */
export const events = async (url: string, token: () => Promise<string>, options: EventsOptions): Promise<void> => {
  let { after } = options;
  while (process.stdout.writable) {
    const { messages, endPosition, hasNextPage } = await readPage(url, await token(), {
      after,
      first: PAGE_EVENTS,
      types: options.types,
    });
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
