import { joinRows, sliceRows, type Tensor } from '../protocol/tensor.js';
import { type ModelRunner, type RunOptions, RunnerUnavailable } from './runner.js';

/** Rows of one run, requests together: bounds how long a request runs for the sake of others. */
const MAX_BATCH_ROWS = 32;

/** A longer request is run in parts, so that it does not hold up the event loop, or a thread beyond its time-out. */
const MAX_RUN_ROWS = 1_024;

/**
 * The queue is full when it holds more than this takes at the pace of the last runs: a client that waits longer has given
 * up. Four runs may always wait, however slow the model is.
 */
const MAX_WAIT_MS = 1_000;
const ALWAYS_WAITING_ROWS = 4 * MAX_BATCH_ROWS;

/** Weight of the newest run in the pace: a pause of the garbage collector is forgotten after a few. */
const PACE_WEIGHT = 0.2;

interface Waiting extends RunOptions {
  readonly inputs: readonly Tensor[];
  readonly rows: number;
  /** Requests of one key may share a run. */
  readonly key: string;
  readonly resolve: (outputs: readonly Tensor[]) => void;
  readonly reject: (error: unknown) => void;
}

const rowsOf = ([first]: readonly Tensor[]): number => first?.shape[0] ?? 0;

/**
 * Joins requests that wait for the same model into one run: `batch@1`. A run begins when the event-loop turn ends and a
 * thread is idle, so nobody waits for company. Each caller gets the rows that it gave, in its order.
 *
 * The queue is bounded, and who is gone leaves it. Requests of different trailing shapes are never mixed, and every
 * output is computed whatever was asked for. If a joint run fails, each of its requests runs alone once: a poisonous row fails only its own request.
 */
export class Batcher implements ModelRunner {
  readonly #waiting: Waiting[] = [];
  #waitingRows = 0;
  #running = 0;
  #msPerRow = 0;
  #isScheduled = false;
  readonly #hasOpenShapes: boolean;

  /** @param isRowwise - whether the model answers each row for itself (see `WarmUp`); else every request runs alone */
  constructor(
    private readonly runner: ModelRunner,
    private readonly isRowwise: boolean,
    private readonly nowMs = () => performance.now(),
  ) {
    this.#hasOpenShapes = runner.signature.inputs.some(({ shape }) => shape.indexOf(-1, 1) > 0);
  }

  get signature(): ModelRunner['signature'] {
    return this.runner.signature;
  }

  get threads(): number {
    return this.runner.threads;
  }

  get waitingRows(): number {
    return this.#waitingRows;
  }

  get restarts(): number {
    return this.runner.restarts;
  }

  close(): Promise<void> {
    return this.runner.close();
  }

  run(inputs: readonly Tensor[], options: RunOptions = {}): Promise<readonly Tensor[]> {
    if (this.#isFull)
      return Promise.reject(new RunnerUnavailable(`${this.#waitingRows} rows are waiting for this model.`));
    const rows = rowsOf(inputs);
    const key = this.#hasOpenShapes ? inputs.map(({ shape }) => shape.slice(1).join()).join(';') : '';
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...options, inputs, rows, key, resolve, reject });
      this.#waitingRows += rows;
      if (this.#isScheduled || this.#running >= this.threads) return;
      this.#isScheduled = true;
      setImmediate(() => {
        this.#isScheduled = false;
        this.#start();
      });
    });
  }

  get #isFull(): boolean {
    const rows = this.#waitingRows / this.threads;
    return rows >= ALWAYS_WAITING_ROWS && rows * this.#msPerRow > MAX_WAIT_MS;
  }

  /** Begins runs while a thread is idle and somebody waits. */
  #start(): void {
    while (this.#running < this.threads && this.#waiting.length > 0) {
      const batch = this.#take();
      if (batch.length === 0) continue;
      this.#running += 1;
      const startedMs = this.nowMs();
      void this.#answer(batch).finally(() => {
        const msPerRow = (this.nowMs() - startedMs) / batch.reduce((sum, { rows }) => sum + rows, 0);
        this.#msPerRow += PACE_WEIGHT * (msPerRow - this.#msPerRow);
        this.#running -= 1;
        this.#start();
      });
    }
  }

  /** The oldest requests that may share a run. Those that nobody waits for any more are left out. */
  #take(): Waiting[] {
    const batch: Waiting[] = [];
    let rows = 0;
    for (let index = 0; index < this.#waiting.length && rows < MAX_BATCH_ROWS;) {
      const next = this.#waiting[index];
      if (!next) break;
      const refusal = next.refusal?.();
      const fits =
        batch.length === 0 || (this.isRowwise && next.key === batch[0]?.key && rows + next.rows <= MAX_BATCH_ROWS);
      if (refusal === undefined && !fits) {
        index += 1;
        continue;
      }
      this.#waiting.splice(index, 1);
      this.#waitingRows -= next.rows;
      if (refusal !== undefined) next.reject(refusal);
      else {
        batch.push(next);
        rows += next.rows;
      }
    }
    return batch;
  }

  /** Never rejects: every request of the batch is answered or failed. */
  async #answer(batch: readonly Waiting[]): Promise<void> {
    const [first] = batch;
    if (batch.length === 1 && first) return this.#answerAlone(first);
    try {
      const total = batch.reduce((sum, { rows }) => sum + rows, 0);
      const inputs = this.signature.inputs.map((_, index) =>
        joinRows(batch.map((waiting) => waiting.inputs[index] as Tensor)),
      );
      const outputs = await this.runner.run(inputs);
      const odd = outputs.find(({ shape }) => shape[0] !== total);
      if (odd) throw new Error(`${odd.name} has ${String(odd.shape[0])} rows for ${total}`);
      let from = 0;
      for (const { rows, resolve } of batch) {
        const begin = from;
        resolve(outputs.map((output) => sliceRows(output, begin, rows)));
        from += rows;
      }
    } catch (error) {
      if (error instanceof RunnerUnavailable) for (const { reject } of batch) reject(error);
      else for (const waiting of batch) await this.#answerAlone(waiting);
    }
  }

  async #answerAlone({ inputs, rows, resolve, reject }: Waiting): Promise<void> {
    try {
      if (rows <= MAX_RUN_ROWS || !this.isRowwise) return resolve(await this.runner.run(inputs));
      const parts: (readonly Tensor[])[] = [];
      for (let from = 0; from < rows; from += MAX_RUN_ROWS) {
        const count = Math.min(MAX_RUN_ROWS, rows - from);
        parts.push(await this.runner.run(inputs.map((input) => sliceRows(input, from, count))));
      }
      resolve(this.signature.outputs.map((_, index) => joinRows(parts.map((part) => part[index] as Tensor))));
    } catch (error) {
      reject(error);
    }
  }
}
