import type { OnnxSession } from './onnx-session.js';

/** A session that ends its thread on −1, never comes back on −2, and answers anything else with what it was given. */
export const openSession = (): Promise<OnnxSession> => {
  const x = { name: 'x', type: 'float32', shape: ['rows', 1] };
  return Promise.resolve({
    inputs: [x],
    outputs: [{ ...x, name: 'y' }],
    run: (inputs) => {
      const data = inputs[0]?.data as Float32Array;
      if (data[0] === -1) process.exit(1);
      while (data[0] === -2);
      return Promise.resolve(inputs.map((input) => ({ ...input, name: 'y' })));
    },
    release: () => Promise.resolve(),
  });
};
