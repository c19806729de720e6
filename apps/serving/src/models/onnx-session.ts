import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';

// Runs inside a worker thread and on the front thread. Without imports of values from this package, so that the worker
// can be started from source (Node strips the types) as well as from dist.

/** A tensor as it crosses the thread border; `type` is onnxruntime's name. */
export interface WireTensor {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly number[];
  readonly data: unknown;
}

export interface WireSpec {
  readonly name: string;
  readonly type: string;
  /** A text is a symbolic dimension, which a request chooses. */
  readonly shape: readonly (number | string)[];
}

export interface OnnxSession {
  readonly inputs: readonly WireSpec[];
  readonly outputs: readonly WireSpec[];
  run(inputs: readonly WireTensor[]): Promise<WireTensor[]>;
  release(): Promise<void>;
}

const specs = (metadata: readonly InferenceSession.ValueMetadata[]): WireSpec[] =>
  metadata.map((value) =>
    value.isTensor
      ? { name: value.name, type: value.type, shape: value.shape }
      : { name: value.name, type: 'no tensor', shape: [] },
  );

/** One thread per session: the pool scales by workers, and more threads than cores cost throughput (onnxruntime#4093). */
export const openSession = async (model: Uint8Array): Promise<OnnxSession> => {
  const session = await InferenceSession.create(model, {
    executionProviders: ['cpu'],
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 4,
  });
  return {
    inputs: specs(session.inputMetadata),
    outputs: specs(session.outputMetadata),
    run: async (inputs) => {
      const feeds = Object.fromEntries(
        inputs.map(({ name, type, data, shape }) => [
          name,
          new OrtTensor(type as 'float32', data as Float32Array, shape),
        ]),
      );
      const results = await session.run(feeds);
      return Object.entries(results).map(([name, { type, dims, data }]) => ({ name, type, shape: dims, data }));
    },
    release: () => session.release(),
  };
};
