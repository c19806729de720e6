import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';

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

const readJson = async <T>(door: string, response: Response): Promise<T> => {
  const body = await response.text();
  if (!response.ok) throw new DoorError(door, response.status, body);
  return JSON.parse(body) as T;
};

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

  /** A GraphQL operation. @throws DoorError if the answer holds errors. */
  async graphql<T>(query: string, variables: Readonly<Record<string, unknown>> = {}): Promise<T> {
    const response = await fetch(`${this.doors.gatewayUrl}/graphql`, {
      method: 'POST',
      headers: this.#headers,
      body: JSON.stringify({ query, variables }),
    });
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
    const response = await fetch(`${this.doors.gatewayUrl}/v1/ground-truth`, {
      method: 'POST',
      headers: this.#headers,
      body: JSON.stringify(batch),
    });
    if (!response.ok) throw new DoorError('ground truth', response.status, await response.text());
  }
}

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

/**
 * One inference request through the front door.
 *
 * @returns undefined if the endpoint answered 503, as it does while a process is coming back.
 */
export const infer = async (
  { servingUrl }: Doors,
  endpoint: string,
  inputs: readonly Tensor[],
  eventTime: string,
): Promise<Prediction | undefined> => {
  const response = await fetch(`${servingUrl}/v2/models/${endpoint}/infer`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ parameters: { event_time: eventTime }, inputs }),
  });
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
};
