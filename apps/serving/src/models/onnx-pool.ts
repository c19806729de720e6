import { Worker } from 'node:worker_threads';
import type { WireSpec, WireTensor } from './onnx-session.js';
import type { WorkerAnswer } from './onnx-worker.js';
import { ModelRefused, RunnerUnavailable } from './runner.js';

/** A run that takes longer hangs: models for threads take milliseconds. The worker is ended and started again. */
const RUN_TIMEOUT_MS = 10_000;

/** A worker that dies again and again is started after a pause, so that it does not take the machine with it. */
const RESTART_PAUSE_MS = 1_000;

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const workerFile = new URL(`./onnx-worker.${extension}`, import.meta.url);
const sessionModule = new URL(`./onnx-session.${extension}`, import.meta.url).href;

export interface WorkerRun {
  readonly outputs: readonly WireTensor[];
  /** Inside the worker, without the way to it. */
  readonly runMs: number;
}

interface Waiting {
  readonly resolve: (run: WorkerRun) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

export interface OnnxWorkerOptions {
  readonly runTimeoutMs: number;
  /** Address of the module whose `openSession` the thread uses. */
  readonly session: string;
}

/** One worker thread with one session, replaced when it dies or hangs. */
export class OnnxWorker {
  #worker: Worker | undefined;
  #closed = false;
  #nextId = 0;
  readonly #waiting = new Map<number, Waiting>();
  restarts = 0;

  private constructor(
    private readonly model: Uint8Array,
    private readonly options: OnnxWorkerOptions,
  ) {}

  /** @throws ModelRefused if onnxruntime cannot load the model */
  static async open(
    model: Uint8Array,
    { runTimeoutMs = RUN_TIMEOUT_MS, session = sessionModule }: Partial<OnnxWorkerOptions> = {},
  ): Promise<{ worker: OnnxWorker; inputs: WireSpec[]; outputs: WireSpec[] }> {
    const worker = new OnnxWorker(model, { runTimeoutMs, session });
    return { worker, ...(await worker.#start()) };
  }

  /** Runs in work; Infinity while the thread is being started, so that any other one is preferred. */
  get load(): number {
    return this.#worker ? this.#waiting.size : Infinity;
  }

  #start(): Promise<{ inputs: WireSpec[]; outputs: WireSpec[] }> {
    const worker = new Worker(workerFile, { workerData: { model: this.model, sessionModule: this.options.session } });
    return new Promise((resolve, reject) => {
      worker.on('message', (message: WorkerAnswer) => {
        if (message.kind === 'opened') {
          this.#worker = worker;
          if (this.#closed) void worker.terminate();
          resolve({ inputs: message.inputs as WireSpec[], outputs: message.outputs as WireSpec[] });
        } else if (message.kind === 'refused') {
          reject(new ModelRefused(`onnxruntime cannot load the model: ${message.message}`));
          void worker.terminate();
        } else {
          const waiting = this.#waiting.get(message.id);
          this.#waiting.delete(message.id);
          clearTimeout(waiting?.timer);
          if (message.kind === 'result') waiting?.resolve(message);
          else waiting?.reject(new Error(message.message));
        }
      });
      worker.on('error', (error) => reject(new ModelRefused('the worker failed', { cause: error })));
      worker.once('exit', () => {
        reject(new ModelRefused('the worker ended while it loaded the model'));
        if (this.#worker === worker) this.#replace();
      });
    });
  }

  #replace(): void {
    this.#worker = undefined;
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(new RunnerUnavailable('The worker of this model ended; it is started again.'));
    }
    this.#waiting.clear();
    if (this.#closed) return;
    this.restarts += 1;
    setTimeout(() => {
      if (!this.#closed) this.#start().catch(() => this.#replace());
    }, RESTART_PAUSE_MS);
  }

  run(inputs: readonly WireTensor[]): Promise<WorkerRun> {
    const worker = this.#worker;
    if (!worker) return Promise.reject(new RunnerUnavailable('The worker of this model is being started.'));
    const id = (this.#nextId += 1);
    return new Promise((resolve, reject) => {
      // Replaced before it has ended: a thread inside native code ends only when that returns, and nobody waits for it.
      const timer = setTimeout(() => {
        if (this.#worker === worker) this.#replace();
        void worker.terminate();
      }, this.options.runTimeoutMs);
      this.#waiting.set(id, { resolve, reject, timer });
      worker.postMessage({ id, inputs });
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#worker?.terminate();
  }
}
