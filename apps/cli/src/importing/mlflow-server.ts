import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { CommandFailed } from '../usage-error.js';

/** A request of one page over a busy server; MLflow's own client waits as long. */
const REQUEST_TIMEOUT_MS = 120_000;
/** Pauses before the further tries: a server that restarts is back within some seconds. */
const RETRY_AFTER_MS: readonly number[] = [500, 1_000, 2_000, 4_000];
/** Requests under way at once, to one server: on two cores it answers no faster with more. */
const REQUESTS_AT_ONCE = 8;
/** What says that it may work later. */
const LATER: readonly number[] = [408, 429, 500, 502, 503, 504];

const refusal = z.object({ error_code: z.string(), message: z.string() });

/** An answer other than the one that was asked for, which another try would not change. */
export class Refused extends CommandFailed {
  constructor(
    readonly status: number,
    readonly code: string | undefined,
    message: string,
  ) {
    super(message);
  }
}

/** It has stopped answering. */
export class ServerGone extends CommandFailed {}

interface ServerOptions {
  /** What stands in front of `/api`. */
  readonly uri: string;
  readonly authorization: () => Promise<string | undefined>;
}

type Query = Readonly<Record<string, string | number | readonly string[] | undefined>>;

interface Request {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  readonly query?: Query;
  readonly json?: object;
  /** Made anew for each try. */
  readonly bytes?: () => Promise<ReadableStream<Uint8Array>>;
}

/** A server that speaks MLflow's REST API: the source of an import, or Kontor. Connections are kept alive. */
export class MlflowServer {
  #free = REQUESTS_AT_ONCE;
  readonly #waiting: (() => void)[] = [];

  constructor(private readonly options: ServerOptions) {}

  get uri(): string {
    return this.options.uri;
  }

  /** An answer of the given shape. @throws Refused, ServerGone */
  async get<Data>(path: string, query: Query, data: z.ZodType<Data>): Promise<Data> {
    return this.#json({ method: 'GET', path, query }, data);
  }

  /** As {@link get}, with a body. What is sent may arrive twice. */
  async post<Data>(path: string, json: object, data: z.ZodType<Data>): Promise<Data> {
    return this.#json({ method: 'POST', path, json }, data);
  }

  /** The bytes of a file, as they arrive. @throws Refused, ServerGone */
  async download(path: string, query: Query = {}): Promise<ReadableStream<Uint8Array>> {
    const response = await this.#send({ method: 'GET', path, query });
    return response.body ?? new Blob([]).stream();
  }

  /** Stores the bytes of a file. @throws Refused, ServerGone */
  async upload(path: string, bytes: () => Promise<ReadableStream<Uint8Array>>): Promise<void> {
    await (await this.#send({ method: 'PUT', path, bytes })).arrayBuffer();
  }

  /** A plain answer. @throws Refused, ServerGone */
  async text(path: string): Promise<string> {
    return (await this.#send({ method: 'GET', path })).text();
  }

  async #json<Data>(request: Request, data: z.ZodType<Data>): Promise<Data> {
    const response = await this.#send(request);
    const text = await response.text();
    const found = data.safeParse(parsed(text));
    if (found.success) return found.data;
    const [issue] = found.error.issues;
    const problem = `${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`.trim();
    throw new Refused(
      200,
      undefined,
      `${this.uri}${request.path} is not answered as by MLflow (${problem}): ${start(text)}`,
    );
  }

  /** @returns a response of 200 to 299, its body unread. */
  async #send(request: Request): Promise<Response> {
    let last: unknown;
    for (const pauseMs of [...RETRY_AFTER_MS, undefined]) {
      try {
        const response = await this.#inTurn(() => this.#try(request));
        if (response.ok) return response;
        const text = await response.text();
        if (!LATER.includes(response.status)) throw this.#refused(response.status, request.path, text);
        last = this.#refused(response.status, request.path, text);
      } catch (error) {
        if (error instanceof CommandFailed) throw error;
        last = error;
      }
      if (pauseMs !== undefined) await delay(pauseMs);
    }
    if (last instanceof Refused) throw last;
    throw new ServerGone(`${this.uri} does not answer`, { cause: last });
  }

  /** Until the head of the answer is there. */
  async #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#free -= 1;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free += 1;
    }
  }

  async #try({ method, path, query = {}, json, bytes }: Request): Promise<Response> {
    const given = Object.entries(query).flatMap(([name, value]) =>
      value === undefined ? [] : [value].flat().map((one) => [name, String(one)] as [string, string]),
    );
    const search = given.length > 0 ? `?${new URLSearchParams(given).toString()}` : '';
    const authorization = await this.options.authorization();
    return fetch(`${this.uri}${path}${search}`, {
      method,
      headers: {
        ...(authorization !== undefined && { authorization }),
        ...(json && { 'content-type': 'application/json' }),
      },
      ...(json && { body: JSON.stringify(json) }),
      ...(bytes && { body: await bytes(), duplex: 'half' }),
      // A file takes as long as it takes; whoever stops sending is noticed by the connection.
      ...(!bytes && { signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) }),
    });
  }

  #refused(status: number, path: string, text: string): Refused {
    const { error_code, message } = refusal.safeParse(parsed(text)).data ?? {};
    const said = message ?? start(text);
    if (status === 401 || status === 403)
      return new Refused(status, error_code, `${this.uri} refuses ${path} with ${status}: ${said}`);
    return new Refused(status, error_code, `${this.uri}${path} answered ${status}: ${said}`);
  }
}

/** Numbers that Python writes and JSON does not know, and strings, in which such a word is text. */
const PYTHON_NUMBERS = /"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g;

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
};

/** The value of a JSON text, NaN and infinities being texts of that name; undefined for what is no JSON even so. */
const parsed = (text: string): unknown => {
  if (isJson(text)) return JSON.parse(text);
  const quoted = text.replace(PYTHON_NUMBERS, (word) => (word.startsWith('"') ? word : `"${word}"`));
  return isJson(quoted) ? JSON.parse(quoted) : undefined;
};

const start = (text: string): string => text.trim().slice(0, 200).replace(/\s+/g, ' ');
