import { availableParallelism } from 'node:os';
import {
  allocate,
  type Datatype,
  type Signature,
  type Tensor,
  type TensorData,
  type TensorSpec,
} from '../protocol/tensor.js';
import { OnnxWorker, type OnnxWorkerOptions } from './onnx-pool.js';
import { openSession, type OnnxSession, type WireSpec, type WireTensor } from './onnx-session.js';
import { type ModelRunner, ModelRefused } from './runner.js';

const DATATYPE_OF: Readonly<Record<string, Datatype>> = {
  bool: 'BOOL',
  uint8: 'UINT8',
  uint16: 'UINT16',
  uint32: 'UINT32',
  uint64: 'UINT64',
  int8: 'INT8',
  int16: 'INT16',
  int32: 'INT32',
  int64: 'INT64',
  float32: 'FP32',
  float64: 'FP64',
  string: 'BYTES',
};
const TYPE_OF = Object.fromEntries(Object.entries(DATATYPE_OF).map(([type, datatype]) => [datatype, type]));

/** Below this, a run on the front thread blocks it less than the way to a worker and back costs. */
const INLINE_P99_MS = 1;
const INLINE_ROWS = 32;

/** Enough for a p99 that one pause of the garbage collector does not decide. */
const MEASURED_RUNS = 200;
/** Other processes only ever make a run longer, so the least of several p99s says most about the model. */
const MEASURED_TIMES = 3;

const spec = ({ name, type, shape }: WireSpec): TensorSpec => {
  const datatype = DATATYPE_OF[type];
  if (!datatype) throw new ModelRefused(`${name} is of type ${type}, which JSON cannot carry`);
  return { name, datatype, shape: shape.map((size) => (typeof size === 'number' && size >= 0 ? size : -1)) };
};

const toWire = ({ name, datatype, shape, data }: Tensor): WireTensor => ({
  name,
  type: TYPE_OF[datatype] ?? '',
  shape,
  data,
});

const fromWire =
  (signature: Signature) =>
  (outputs: readonly WireTensor[]): Tensor[] =>
    signature.outputs.map(({ name, datatype }) => {
      const output = outputs.find((candidate) => candidate.name === name);
      if (!output) throw new Error(`the model answered without its output ${name}`);
      return { name, datatype, shape: output.shape, data: output.data as TensorData };
    });

/** `rows` rows of zeros, to measure with. */
const sample = (signature: Signature, rows: number): Tensor[] =>
  signature.inputs.map(({ name, datatype, shape }) => {
    const sizes = shape.map((size, axis) => (size >= 0 ? size : axis === 0 ? rows : 1));
    const count = sizes.reduce((product, size) => product * size, 1);
    const data = datatype === 'BYTES' ? Array.from({ length: count }, () => '') : allocate(datatype, count);
    return { name, datatype, shape: sizes, data };
  });

const measureP99 = async (worker: OnnxWorker, signature: Signature, enoughMs: number): Promise<number> => {
  const inputs = sample(signature, INLINE_ROWS).map(toWire);
  let best = Infinity;
  for (let time = 0; time < MEASURED_TIMES && best >= enoughMs; time += 1) {
    const runs: number[] = [];
    for (let run = 0; run < MEASURED_RUNS; run += 1) runs.push((await worker.run(inputs)).runMs);
    runs.sort((a, b) => a - b);
    best = Math.min(best, runs[Math.floor(0.99 * (runs.length - 1))] ?? Infinity);
  }
  return best;
};

const inline = (session: OnnxSession, signature: Signature): ModelRunner => {
  const decode = fromWire(signature);
  return {
    signature,
    threads: 1,
    waitingRows: 0,
    restarts: 0,
    run: async (inputs) => decode(await session.run(inputs.map(toWire))),
    close: () => session.release(),
  };
};

const pooled = (workers: readonly OnnxWorker[], signature: Signature): ModelRunner => {
  const decode = fromWire(signature);
  return {
    signature,
    threads: workers.length,
    waitingRows: 0,
    get restarts() {
      return workers.reduce((sum, worker) => sum + worker.restarts, 0);
    },
    run: async (inputs) => {
      const [first, ...others] = workers;
      if (!first) throw new Error('a pool has at least one worker');
      const idlest = others.reduce((best, worker) => (worker.load < best.load ? worker : best), first);
      return decode((await idlest.run(inputs.map(toWire))).outputs);
    },
    close: async () => {
      await Promise.all(workers.map((worker) => worker.close()));
    },
  };
};

export interface OnnxRunner extends ModelRunner {
  /** Whether it runs on the front thread. */
  readonly isInline: boolean;
  /** p99 of 200 runs of 32 rows inside a worker. */
  readonly p99Ms: number;
}

/**
 * Loads a model into a worker, measures it there, and keeps it there unless it is fast enough for the front thread.
 *
 * @throws ModelRefused if onnxruntime cannot load it, or an input or output has a type that JSON cannot carry
 */
export const openOnnxRunner = async (
  model: Uint8Array,
  {
    workers = Math.max(1, availableParallelism() - 1),
    inlineP99Ms = INLINE_P99_MS,
    ...options
  }: { workers?: number; inlineP99Ms?: number } & Partial<OnnxWorkerOptions> = {},
): Promise<OnnxRunner> => {
  const { worker, inputs, outputs } = await OnnxWorker.open(model, options);
  try {
    const signature = { platform: 'onnx_onnxv1', inputs: inputs.map(spec), outputs: outputs.map(spec) };
    const p99Ms = await measureP99(worker, signature, inlineP99Ms);
    if (p99Ms < inlineP99Ms) {
      const session = await openSession(model);
      await worker.close();
      return { ...inline(session, signature), isInline: true, p99Ms };
    }
    const others = await Promise.all(
      Array.from({ length: workers - 1 }, async () => (await OnnxWorker.open(model, options)).worker),
    );
    return Object.assign(pooled([worker, ...others], signature), { isInline: false, p99Ms });
  } catch (error) {
    await worker.close();
    throw error;
  }
};
