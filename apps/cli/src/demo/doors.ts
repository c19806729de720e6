import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { v7 as uuidv7 } from 'uuid';

/** Where the platform answers, and as whom the story speaks. */
export interface Doors {
  readonly gatewayUrl: string;
  readonly servingUrl: string;
}

/** A door answered with an error that the story did not expect. */
export class DoorError extends Error {
  constructor(
    readonly door: string,
    readonly status: number,
    readonly body: string,
  ) {
    super(`${door} answered ${status}: ${body.slice(0, 500)}`);
    this.name = 'DoorError';
  }
}

/** A killed process is back within seconds; a door that stays shut this long is broken. */
const PATIENCE_MS = 60_000;
const PAUSE_MS = 250;

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, PAUSE_MS));

/** `fetch` throws a TypeError when the connection is refused or breaks. */
const isAway = (error: unknown): boolean => error instanceof TypeError;

/**
 * Asks again while nobody answers, or while the answer is 5xx. For requests that may be repeated only.
 *
 * @throws what `fetch` throws, once the patience is over.
 */
const askPatiently = async (ask: () => Promise<Response>): Promise<Response> => {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      const response = await ask();
      if (response.status < 500 || performance.now() > deadline) return response;
      await response.body?.cancel();
    } catch (error) {
      if (!isAway(error) || performance.now() > deadline) throw error;
    }
    await pause();
  }
};

const readJson = async <T>(door: string, response: Response): Promise<T> => {
  const body = await response.text();
  if (!response.ok) throw new DoorError(door, response.status, body);
  return JSON.parse(body) as T;
};

/** A tensor of the Open Inference Protocol. */
export interface Tensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

export interface Prediction {
  readonly predictionId: string;
  /** Which revision of the endpoint answered. */
  readonly revisionId: string;
  readonly scores: readonly number[];
}

/** One person at the platform's doors: a signed token is all that tells people apart. */
export class Visitor {
  constructor(
    private readonly doors: Doors,
    readonly name: string,
    private readonly token: string,
  ) {}

  get #headers(): Record<string, string> {
    return { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' };
  }

  /** A GraphQL operation; a mutation's input names its command id, so that it may be repeated. @throws DoorError if the answer holds errors. */
  async graphql<T>(query: string, variables: Readonly<Record<string, unknown>> = {}): Promise<T> {
    const body = JSON.stringify({ query, variables });
    const response = await askPatiently(() =>
      fetch(`${this.doors.gatewayUrl}/graphql`, { method: 'POST', headers: this.#headers, body }),
    );
    const answer = await readJson<{ data?: T; errors?: unknown }>('GraphQL', response);
    if (answer.errors !== undefined || answer.data === undefined) {
      throw new DoorError('GraphQL', response.status, JSON.stringify(answer.errors));
    }
    return answer.data;
  }

  /** A call of MLflow's REST API, as its clients make it. `path` stands behind `/api/2.0/mlflow/`. */
  async mlflow<T>(
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
    path: string,
    body: Readonly<Record<string, unknown>>,
  ): Promise<T> {
    const url = new URL(`${this.doors.gatewayUrl}/api/2.0/mlflow/${path}`);
    const isGet = method === 'GET';
    if (isGet) for (const [name, value] of Object.entries(body)) url.searchParams.set(name, String(value));
    const response = await fetch(url, {
      method,
      headers: this.#headers,
      ...(!isGet && { body: JSON.stringify(body) }),
    });
    return readJson<T>(`MLflow ${path}`, response);
  }

  /** Stores a file through the artifact proxy. `path` is relative to its root. */
  async upload(path: string, file: string): Promise<void> {
    const { size } = await stat(file);
    await this.#put(path, size, Readable.toWeb(createReadStream(file)) as ReadableStream);
  }

  /** Stores a text through the artifact proxy. */
  async uploadText(path: string, text: string): Promise<void> {
    await this.#put(path, Buffer.byteLength(text), text);
  }

  async #put(path: string, sizeBytes: number, body: ReadableStream | string): Promise<void> {
    const response = await fetch(`${this.doors.gatewayUrl}/api/2.0/mlflow-artifacts/artifacts/${path}`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${this.token}`, 'content-length': String(sizeBytes) },
      body,
      duplex: 'half',
    });
    if (!response.ok) throw new DoorError(`artifact ${path}`, response.status, await response.text());
  }

  /** Labels of earlier predictions. */
  async groundTruth(batch: Readonly<Record<string, unknown>>): Promise<void> {
    const headers = { ...this.#headers, 'idempotency-key': uuidv7() };
    const body = JSON.stringify(batch);
    const response = await askPatiently(() =>
      fetch(`${this.doors.gatewayUrl}/v1/ground-truth`, { method: 'POST', headers, body }),
    );
    if (!response.ok) throw new DoorError('ground truth', response.status, await response.text());
  }

  /**
   * One inference request.
   *
   * @returns undefined while the process is away or coming back: no connection, or 503.
   */
  async infer(endpoint: string, inputs: readonly Tensor[], eventTime: string): Promise<Prediction | undefined> {
    const body = JSON.stringify({ parameters: { event_time: eventTime }, inputs });
    const url = `${this.doors.servingUrl}/v2/models/${endpoint}/infer`;
    let response: Response;
    try {
      response = await fetch(url, { method: 'POST', headers: this.#headers, body });
    } catch (error) {
      if (isAway(error)) return undefined;
      throw error;
    }
    if (response.status === 503) {
      await response.body?.cancel();
      return undefined;
    }
    const answer = await readJson<{
      parameters: { prediction_id: string };
      outputs: readonly Tensor[];
    }>(`inference ${endpoint}`, response);
    const probabilities = answer.outputs.find(({ name }) => name === 'probabilities')?.data ?? [];
    return {
      predictionId: answer.parameters.prediction_id,
      revisionId: response.headers.get('x-kontor-revision') ?? '',
      scores: probabilities.filter((_, index) => index % 2 === 1),
    };
  }
}
