import type { RouteEntry } from '@kontor/domain/deployment';
import type { RecordOutline } from './inference-log.js';
import type { Metrics } from './metrics.js';
import type { ModelHost, RevisionState } from './models/model-host.js';
import { RunnerUnavailable } from './models/runner.js';
import { newPredictionId } from './prediction-id.js';
import { parseJson } from './protocol/json.js';
import { ProtocolError } from './protocol/protocol-error.js';
import { countNonFinite, jsonValue, jsonValues, type Tensor } from './protocol/tensor.js';
import { eventTimeOf, type InferRequest, readClientId, readInferRequest } from './protocol/validate.js';
import { revisionFor, type RoutedRevision, type RouteTable } from './routing.js';

export interface InferenceCall {
  readonly endpoint: string;
  /** Pinned by the address, a revision id or a version number: bypasses the split. */
  readonly version: string | undefined;
  /** Header `x-kontor-routing-key`. */
  readonly routingKey: string | undefined;
  /** How long the client waits for the answer: header `x-kontor-timeout-ms`. */
  readonly timeoutMs?: number | undefined;
  /** Whether the client has hung up. */
  readonly isGone?: () => boolean;
  /** Reads the body; may reject with a ProtocolError. */
  readonly body: () => Promise<Uint8Array>;
}

export type InferenceAnswer = { readonly headers: Readonly<Record<string, string>> } & (
  { readonly body: unknown } | { readonly error: ProtocolError }
);

const OK = 200;

type Loaded = Extract<RevisionState, { state: 'loaded' }>;

/**
 * The columns of the inputs as telemetry wants them, as the text of a JSON object: a column per input, or per element of
 * a wider one. Written at once: an object of so many names costs more than everything else about a record.
 */
const featuresText = (inputs: readonly Tensor[], rows: number): string => {
  let text = '';
  for (const { name, datatype, shape, data } of inputs) {
    // What all rows share is no feature of a row.
    if (rows > 1 && shape[0] !== rows) continue;
    const width = data.length / rows;
    const key = JSON.stringify(name).slice(0, -1);
    for (let column = 0; column < width; column += 1) {
      text += `${text === '' ? '' : ','}${key}${width === 1 ? '' : `[${column}]`}":[`;
      for (let row = 0; row < rows; row += 1) {
        const value = jsonValue(datatype, data[row * width + column] ?? NaN);
        text += `${row === 0 ? '' : ','}${typeof value === 'string' ? JSON.stringify(value) : String(value)}`;
      }
      text += ']';
    }
  }
  return `{${text}}`;
};

/** The probability of the positive class: the second column of `probabilities`; none if the model has no such output. */
const scoresOf = (outputs: readonly Tensor[], rows: number): number[] => {
  const probabilities = outputs.find(({ name, shape }) => name === 'probabilities' && shape[1] === 2)?.data;
  if (!probabilities) return [];
  return Array.from({ length: rows }, (_, row) => Number(probabilities[2 * row + 1]));
};

const clientGone = (): ProtocolError =>
  new ProtocolError('CLIENT_GONE', 'The client hung up before its request was run.');

/** Runs, or gives up when the client has waited as long as it wanted to. @throws ProtocolError DEADLINE_EXCEEDED */
const untilTimeout = async <Result>(
  timeoutMs: number | undefined,
  startedMs: number,
  run: (isLate: () => ProtocolError | undefined) => Promise<Result>,
): Promise<Result> => {
  if (timeoutMs === undefined) return run(() => undefined);
  const late = new ProtocolError('DEADLINE_EXCEEDED', `The answer was not there within ${timeoutMs} ms.`);
  const leftMs = startedMs + timeoutMs - performance.now();
  let timer: NodeJS.Timeout | undefined;
  const timedOut = new Promise<never>((_, reject) => (timer = setTimeout(() => reject(late), leftMs)));
  try {
    return await Promise.race([run(() => (performance.now() - startedMs >= timeoutMs ? late : undefined)), timedOut]);
  } finally {
    clearTimeout(timer);
  }
};

/** Answers inference requests, and says of each one that reached a revision what became of it. */
export class Inference {
  constructor(
    private readonly routes: RouteTable,
    private readonly host: Pick<ModelHost, 'get'>,
    private readonly log: (record: RecordOutline, features: string) => void,
    private readonly metrics: Pick<Metrics, 'count'>,
  ) {}

  /** @throws ProtocolError UNKNOWN_MODEL */
  route(endpoint: string): RouteEntry {
    const route = this.routes.get(endpoint);
    if (!route)
      throw new ProtocolError('UNKNOWN_MODEL', `There is no model ${JSON.stringify(endpoint.slice(0, 100))} here.`);
    return route;
  }

  /**
   * The revision that an address names: by its id, or by its version number where one loaded revision has it. Versions of
   * two models may share a number on one endpoint.
   *
   * @throws ProtocolError UNKNOWN_VERSION or AMBIGUOUS_VERSION
   */
  pinned(route: RouteEntry, version: string): RoutedRevision {
    const exact = route.revisions.find(({ revisionId }) => revisionId === version);
    if (exact) return exact;
    const numbered = route.revisions.filter((candidate) => String(candidate.version.version) === version);
    const loaded = numbered.filter(({ revisionId }) => this.host.get(route.endpoint, revisionId)?.state === 'loaded');
    if (loaded.length > 1) {
      const names = loaded.map((one) => `${one.revisionId} (${one.version.modelName})`).join(', ');
      throw new ProtocolError(
        'AMBIGUOUS_VERSION',
        `${route.endpoint} has the version ${version} of ${loaded.length} models; name one revision instead: ${names}.`,
      );
    }
    const revision = loaded[0] ?? numbered[0];
    if (revision) return revision;
    throw new ProtocolError(
      'UNKNOWN_VERSION',
      `${route.endpoint} has no version ${JSON.stringify(version.slice(0, 100))}; it has ${this.versions(route).join(', ') || 'none'}.`,
    );
  }

  /** What may stand in an address for each revision: its version number, or its id where two share the number. */
  versions({ revisions }: RouteEntry): string[] {
    return revisions.map(({ revisionId, version: { version } }) =>
      revisions.some((other) => other.revisionId !== revisionId && other.version.version === version)
        ? revisionId
        : String(version),
    );
  }

  /** @throws ProtocolError MODEL_NOT_READY */
  loaded(route: RouteEntry, { revisionId, version }: RoutedRevision): Loaded {
    const state = this.host.get(route.endpoint, revisionId);
    if (state?.state === 'loaded') return state;
    const why = state?.state === 'failed' ? `was refused: ${state.reason}` : 'is being loaded';
    throw new ProtocolError('MODEL_NOT_READY', `Version ${version.version} of ${route.endpoint} ${why}.`);
  }

  async answer(call: InferenceCall): Promise<InferenceAnswer> {
    const receivedAtMs = Date.now();
    const started = performance.now();
    const predictionId = newPredictionId();
    const headers: Record<string, string> = { 'x-kontor-prediction-id': predictionId };
    let endpoint = '';
    let reached: { route: RouteEntry; revision: RoutedRevision } | undefined;
    let request: InferRequest | undefined;
    let outputs: readonly Tensor[] = [];
    let nonFiniteOutputs = 0;
    let body: unknown;
    const choose = (route: RouteEntry, clientId: string | undefined): RoutedRevision => {
      const key = call.routingKey ?? clientId ?? predictionId;
      const revision = call.version === undefined ? revisionFor(route, key) : this.pinned(route, call.version);
      if (!revision) throw new ProtocolError('MODEL_NOT_READY', `No version of ${route.endpoint} has traffic yet.`);
      reached = { route, revision };
      headers['x-kontor-revision'] = revision.revisionId;
      return revision;
    };
    const record = (errorStatus: number, refused?: ProtocolError): void => {
      const latencyMs = performance.now() - started;
      this.metrics.count(endpoint, reached?.revision.revisionId ?? '', errorStatus || OK, latencyMs);
      if (!reached) return;
      const { route, revision } = reached;
      const outline = {
        predictionId,
        workspace: route.workspace,
        endpoint: route.endpoint,
        revisionId: revision.revisionId,
        modelName: revision.version.modelName,
        version: revision.version.version,
        eventTimeMs: request ? (request.eventTimeMs ?? receivedAtMs) : (eventTimeOf(body) ?? receivedAtMs),
        rows: request?.rows ?? 0,
        errorStatus,
        latencyMs,
        nonFiniteOutputs,
        // A name is at least one character; one that is longer than a feature's is told by its beginning.
        ...(refused?.input && { refusal: { code: refused.code, input: refused.input.slice(0, 200) } }),
        scores: errorStatus === 0 && request ? scoresOf(outputs, request.rows) : [],
      };
      this.log(outline, request ? featuresText(request.inputs, request.rows) : '{}');
    };
    try {
      const route = this.route(call.endpoint);
      endpoint = route.endpoint;
      headers['x-kontor-route-version'] = String(route.streamVersion);
      if (route.suspended)
        throw new ProtocolError(
          'ENDPOINT_SUSPENDED',
          `${route.endpoint} is suspended; it answers nothing until it is resumed.`,
        );
      // Without a readable body its id is unknown, and the failed request still counts for one revision.
      try {
        body = parseJson(await call.body());
      } catch (error) {
        choose(route, undefined);
        throw error;
      }
      const revision = choose(route, readClientId(body));
      const { runner } = this.loaded(route, revision);
      request = readInferRequest(body, runner.signature);
      const { inputs } = request;
      outputs = await untilTimeout(call.timeoutMs, started, (isLate) =>
        runner.run(inputs, { refusal: () => (call.isGone?.() ? clientGone() : isLate()) }),
      );
      nonFiniteOutputs = outputs.reduce((sum, output) => sum + countNonFinite(output), 0);
      if (nonFiniteOutputs > 0) {
        throw new ProtocolError(
          'NON_FINITE_OUTPUT',
          `The model answered with ${nonFiniteOutputs} values that are no finite numbers.`,
        );
      }
      record(0);
      return { headers, body: this.#body(call, revision, request, outputs, predictionId) };
    } catch (error) {
      const answered = asProtocolError(error);
      record(answered.status, answered);
      return { headers, error: answered };
    }
  }

  #body(
    { endpoint }: InferenceCall,
    { version }: RoutedRevision,
    { id, outputs: requested }: InferRequest,
    outputs: readonly Tensor[],
    predictionId: string,
  ): unknown {
    const asked = requested ? requested.flatMap((name) => outputs.filter((output) => output.name === name)) : outputs;
    return {
      model_name: endpoint,
      model_version: String(version.version),
      ...(id !== undefined && { id }),
      parameters: { prediction_id: predictionId },
      outputs: asked.map((output) => ({
        name: output.name,
        shape: output.shape,
        datatype: output.datatype,
        data: jsonValues(output),
      })),
    };
  }
}

const asProtocolError = (error: unknown): ProtocolError => {
  if (error instanceof ProtocolError) return error;
  if (error instanceof RunnerUnavailable) return new ProtocolError('OVERLOADED', error.message, { cause: error });
  return new ProtocolError('RUNTIME_FAILURE', `The model failed: ${(error as Error).message}`, { cause: error });
};
