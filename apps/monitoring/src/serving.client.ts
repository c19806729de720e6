import { setTimeout as delay } from 'node:timers/promises';
import type { FeatureValue } from '@kontor/statistics';
import { z } from 'zod';
import { UnusableInput } from './dataset.js';
import type { Columns } from './profiles.js';

/** Small enough for any body limit, large enough that HTTP costs nothing beside the inference. */
const BATCH_ROWS = 500;

/** A version that was just staged is loaded within seconds; a minute covers a busy machine. */
const LOAD_PATIENCE_MS = 60_000;
const RETRY_MS = 500;
const REQUEST_TIMEOUT_MS = 30_000;

export const tensor = z.object({
  name: z.string(),
  shape: z.array(z.int()),
  datatype: z.string(),
  data: z.array(z.union([z.number(), z.string(), z.boolean(), z.null()])),
});
export type Tensor = z.output<typeof tensor>;
const inferAnswer = z.object({ outputs: z.array(tensor) });

interface Served {
  readonly endpoint: string;
  readonly version: { readonly version: number };
}

const outputsOf = (address: string, text: string): Tensor[] => {
  try {
    return inferAnswer.parse(JSON.parse(text)).outputs;
  } catch (cause) {
    throw new UnusableInput(`the answer of ${address} is not one of the protocol: ${text.slice(0, 500)}`, { cause });
  }
};

/** One version through the Open Inference Protocol v2. */
export class ServingClient {
  /** @param token a token of the workspace, asked for with each request. */
  constructor(
    private readonly url: string,
    private readonly token: () => Promise<string>,
    private readonly signal: AbortSignal,
  ) {}

  /**
   * Asks once, and again while the version is not there yet (404, 503, no connection), for up to a minute.
   *
   * @throws UnusableInput with the status and the message for every other answer.
   */
  async infer({ endpoint, version }: Served, inputs: readonly Tensor[]): Promise<Tensor[]> {
    const address = `${this.url}/v2/models/${encodeURIComponent(endpoint)}/versions/${version.version}/infer`;
    const body = JSON.stringify({ inputs });
    const deadline = performance.now() + LOAD_PATIENCE_MS;
    for (;;) {
      const { status, text } = await this.#post(address, body);
      if (status === 200) return outputsOf(address, text);
      const mayCome = status === 0 || status === 404 || status === 503;
      if (!mayCome || performance.now() > deadline) {
        throw new UnusableInput(`serving answered ${status || 'nothing'} to ${address}: ${text.slice(0, 500)}`);
      }
      await delay(RETRY_MS, undefined, { signal: this.signal });
    }
  }

  /** Score of the positive class per row: the last column of `probabilities`. */
  async scores(served: Served, columns: Columns, features: readonly string[], rows: number): Promise<number[]> {
    const scores: number[] = [];
    const numeric = new Set(features.filter((name) => columns[name]?.every((value) => typeof value !== 'string')));
    for (let from = 0; from < rows; from += BATCH_ROWS) {
      const size = Math.min(BATCH_ROWS, rows - from);
      const inputs = features.map((name): Tensor => {
        const values: readonly FeatureValue[] = columns[name]?.slice(from, from + size) ?? [];
        if (numeric.has(name)) return { name, shape: [size, 1], datatype: 'FP32', data: [...values] };
        return { name, shape: [size, 1], datatype: 'BYTES', data: values.map((value) => String(value ?? '')) };
      });
      const outputs = await this.infer(served, inputs);
      const probabilities = outputs.find(({ name }) => name === 'probabilities');
      const width = probabilities?.shape[1] ?? 0;
      if (!probabilities || probabilities.data.length !== size * width || width === 0) {
        const found = outputs.map(({ name, shape }) => `${name} [${shape.join(', ')}]`).join(', ');
        throw new UnusableInput(`the outputs are ${found}; needed: probabilities [${size}, 2]`);
      }
      for (let row = 0; row < size; row += 1) scores.push(Number(probabilities.data[row * width + width - 1]));
    }
    return scores;
  }

  async #post(address: string, body: string): Promise<{ status: number; text: string }> {
    const signal = AbortSignal.any([this.signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]);
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${await this.token()}` };
    try {
      const response = await fetch(address, { method: 'POST', headers, body, signal });
      return { status: response.status, text: await response.text() };
    } catch (error) {
      if (this.signal.aborted) throw error;
      return { status: 0, text: error instanceof Error ? error.message : String(error) };
    }
  }
}
