import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { z } from 'zod';
import { isPublicAddress } from './public-address.js';

/** Which addresses may be called beside `https` and public ones. */
export interface OutgoingRules {
  readonly allowHttp: boolean;
  readonly allowPrivate: boolean;
}

const SWITCH = 'must be "on" or "off"';
const switchVariable = z
  .enum(['on', 'off', 'true', 'false', '1', '0'], { error: SWITCH })
  .default('off')
  .transform((value) => ['on', 'true', '1'].includes(value));

/** Variables of a process that calls or checks webhooks. */
export const outgoingVariables = {
  /** Whether webhooks may have the scheme http: for tests, and inside a network that nobody else reads. */
  KONTOR_WEBHOOK_ALLOW_HTTP: switchVariable,
  /** Whether webhooks may have private and local addresses: for tests, and for receivers in one's own network. */
  KONTOR_WEBHOOK_ALLOW_PRIVATE: switchVariable,
} as const;

/** What is allowed, out of {@link outgoingVariables}. */
export const toOutgoingRules = (set: z.output<z.ZodObject<typeof outgoingVariables>>): OutgoingRules => ({
  allowHttp: set.KONTOR_WEBHOOK_ALLOW_HTTP,
  allowPrivate: set.KONTOR_WEBHOOK_ALLOW_PRIVATE,
});

type Problem =
  | { readonly kind: 'scheme'; readonly scheme: string; readonly allowed: readonly string[] }
  | { readonly kind: 'syntax' | 'host' | 'credentials' }
  | { readonly kind: 'unresolved'; readonly host: string; readonly reason: string }
  | { readonly kind: 'address'; readonly host: string; readonly address: string };

const sentence = (problem: Problem): string => {
  switch (problem.kind) {
    case 'scheme':
      return `the scheme '${problem.scheme}' is not among the allowed: ${problem.allowed.join(', ')}`;
    case 'syntax':
      return 'the URL has no valid host or port; a host may be followed by a port up to 65535';
    case 'host':
      return 'the URL names no host';
    case 'credentials':
      return 'the URL holds a user name or a password';
    case 'unresolved':
      return `the host '${problem.host}' has no address: ${problem.reason}`;
    case 'address':
      return `'${problem.host}' leads to ${problem.address}, which is no public address`;
  }
};

/** A URL that is not called, because of what it is or where it leads. */
export class OutgoingRefused extends Error {
  constructor(readonly problem: Problem) {
    super(sentence(problem));
    this.name = 'OutgoingRefused';
  }
}

/** @throws OutgoingRefused unless the URL has an allowed scheme, a host, and no credentials, which would stand in the log. */
const parse = (text: string, { allowHttp }: OutgoingRules): URL => {
  // Before the scheme is judged, as in MLflow.
  if (/^https?:\/\/[^/?#:]/i.test(text) && !URL.canParse(text)) throw new OutgoingRefused({ kind: 'syntax' });
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]?.toLowerCase() ?? '';
  const allowed = allowHttp ? ['https', 'http'] : ['https'];
  if (!allowed.includes(scheme)) throw new OutgoingRefused({ kind: 'scheme', scheme, allowed });
  // A URL of these schemes that can be parsed has a host; one without slashes would have the path as its host.
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) throw new OutgoingRefused({ kind: 'host' });
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') throw new OutgoingRefused({ kind: 'credentials' });
  return url;
};

/** @throws OutgoingRefused for an address that is not public, unless those are allowed. */
const refusePrivate = (host: string, address: string, { allowPrivate }: OutgoingRules): void => {
  if (!allowPrivate && !isPublicAddress(address)) throw new OutgoingRefused({ kind: 'address', host, address });
};

/** Asks for the addresses of a name; the system's resolver, unless a test changes its mind between two questions. */
export type Resolve = (host: string) => Promise<readonly LookupAddress[]>;

const bySystem: Resolve = (host) => lookup(host, { all: true });

/** @throws OutgoingRefused unless the name has addresses and all of them may be called. */
const addressesOf = async (host: string, rules: OutgoingRules, resolve: Resolve): Promise<readonly LookupAddress[]> => {
  const found = await resolve(host).catch((error: unknown) => {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new OutgoingRefused({ kind: 'unresolved', host, reason });
  });
  for (const { address } of found) refusePrivate(host, address, rules);
  return found;
};

/** The host, if it is an address and none has to be asked for. */
const literalAddress = ({ hostname }: URL): string | undefined => {
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  return isIP(host) === 0 ? undefined : host;
};

/** @throws OutgoingRefused for a URL that may not be called. What a name leads to is asked when it is connected. */
const checkUrl = (text: string, rules: OutgoingRules): URL => {
  const url = parse(text, rules);
  const address = literalAddress(url);
  if (address !== undefined) refusePrivate(address, address, rules);
  return url;
};

/**
 * Checks a URL before it is stored: its scheme, and every address that its host has now.
 *
 * @throws OutgoingRefused
 */
export const checkOutgoing = async (text: string, rules: OutgoingRules, resolve = bySystem): Promise<void> => {
  const url = checkUrl(text, rules);
  if (literalAddress(url) === undefined) await addressesOf(url.hostname, rules, resolve);
};

/** Resolves for the connection itself, so that what is connected is what was checked, whatever DNS said before. */
const checkedLookup =
  (rules: OutgoingRules, resolve: Resolve): LookupFunction =>
  (host, { all }, callback) => {
    addressesOf(host, rules, resolve).then(
      (addresses) => {
        const [first] = addresses;
        if (all === true) callback(null, [...addresses]);
        else callback(null, first?.address ?? '', first?.family ?? 4);
      },
      (error: unknown) => callback(error as Error, ''),
    );
  };

export interface Post {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly rules: OutgoingRules;
  /** For the whole call, from the question for the address to the last byte of the answer. */
  readonly timeoutMs: number;
  /** More of the answer's body is not read. */
  readonly maxAnswerBytes: number;
  /** Ends the call. */
  readonly signal: AbortSignal;
  readonly resolve?: Resolve;
}

export interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly body: string;
}

/**
 * Sends one request and reads its answer. A redirect is an answer as any other, because nobody has checked where it leads.
 * Once there is a status, a body that ends too early or too late is a shorter body.
 *
 * @throws OutgoingRefused; Error if there is no answer, in time or at all.
 */
export const postOutgoing = async (post: Post): Promise<Answer> => {
  const { rules, headers, body, timeoutMs, maxAnswerBytes, resolve = bySystem } = post;
  const url = checkUrl(post.url, rules);
  const { request } = url.protocol === 'https:' ? https : http;
  const late = AbortSignal.timeout(timeoutMs);
  const sent = request(url, {
    method: 'POST',
    headers: { ...headers, 'Content-Length': body.length },
    signal: AbortSignal.any([late, post.signal]),
    agent: false,
    lookup: checkedLookup(rules, resolve),
  });
  // The first failure rejects below. One after the response is a failure of its body, and the reader sees it.
  sent.on('error', () => undefined);
  sent.end(body);
  try {
    const [response] = (await once(sent, 'response')) as [http.IncomingMessage];
    const text = await readUpTo(maxAnswerBytes, response);
    return { status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'], body: text };
  } catch (error) {
    throw late.aborted ? new Error(`no answer within ${timeoutMs / 1000} s`, { cause: error }) : error;
  }
};

const readUpTo = async (bytes: number, response: http.IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      length += chunk.length;
      if (length >= bytes) break;
    }
  } catch {
    // The status has come and decides; what was said before the connection ended is the body.
  }
  return Buffer.concat(chunks).subarray(0, bytes).toString();
};
