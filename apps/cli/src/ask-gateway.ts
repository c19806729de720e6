import { z } from 'zod';
import { CommandFailed } from './usage-error.js';

const REQUEST_TIMEOUT_MS = 30_000;

const answer = z.object({ data: z.unknown(), errors: z.array(z.looseObject({ message: z.string() })).optional() });

export interface Question<Data> {
  /** Of the gateway's GraphQL. */
  readonly url: string;
  readonly token: string;
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>>;
  /** The shape of what is asked for. */
  readonly data: z.ZodType<Data>;
}

/**
 * Asks the gateway's GraphQL one question, for at most 30 s.
 *
 * @throws CommandFailed if nothing answers there, with the messages of the errors, or with the answer if it has another shape
 */
export const askGateway = async <Data>({ url, token, query, variables, data }: Question<Data>): Promise<Data> => {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const body = JSON.stringify({ query, variables });
  const signal = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
  const response = await fetch(url, { method: 'POST', headers, body, signal }).catch((cause: unknown) => {
    throw new CommandFailed(`${url} does not answer`, { cause });
  });
  const text = await response.text();
  const parsed = answer.safeParse(
    response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : undefined,
  );
  const errors = parsed.data?.errors ?? [];
  if (errors.length > 0) throw new CommandFailed(errors.map(({ message }) => message).join('\n'));
  const found = data.safeParse(parsed.data?.data);
  if (!found.success) throw new CommandFailed(`${url} answered ${response.status}: ${text.slice(0, 500)}`);
  return found.data;
};
