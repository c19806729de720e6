import { z } from 'zod';
import { CommandFailed } from './usage-error.js';

const REQUEST_TIMEOUT_MS = 30_000;

const refusal = z.object({ message: z.string() });

export interface MlflowRequest<Data> {
  /** Of the gateway. */
  readonly url: string;
  readonly token: string;
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Behind `/api/`. */
  readonly path: string;
  readonly body?: object;
  /** The shape of the answer. */
  readonly data: z.ZodType<Data>;
}

/**
 * Sends the gateway's MLflow API one request, for at most 30 s. An empty answer is `{}`.
 *
 * @throws CommandFailed if nothing answers there, with the message of a refusal, or with the answer if it has another shape
 */
export const askMlflow = async <Data>({ url, token, method, path, body, data }: MlflowRequest<Data>): Promise<Data> => {
  const response = await fetch(`${url}/api/${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  }).catch((cause: unknown) => {
    throw new CommandFailed(`${url} does not answer`, { cause });
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json');
  const answer: unknown = isJson ? JSON.parse(text) : {};
  const found = data.safeParse(answer);
  if (response.ok && found.success) return found.data;
  const refused = response.ok ? undefined : refusal.safeParse(answer).data;
  throw new CommandFailed(refused?.message ?? `${url} answered ${response.status}: ${text.slice(0, 500)}`);
};
