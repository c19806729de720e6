import { parentPort, workerData } from 'node:worker_threads';
import type { WireTensor } from './onnx-session.js';

// The thread in which onnxruntime may block. Says `opened` or `refused` once, then answers each `run`.

export interface WorkerRequest {
  readonly id: number;
  readonly inputs: readonly WireTensor[];
}
export type WorkerAnswer =
  | { readonly kind: 'opened'; readonly inputs: readonly unknown[]; readonly outputs: readonly unknown[] }
  | { readonly kind: 'refused'; readonly message: string }
  | { readonly kind: 'result'; readonly id: number; readonly outputs: readonly WireTensor[]; readonly runMs: number }
  | { readonly kind: 'error'; readonly id: number; readonly message: string };

const { model, sessionModule } = workerData as { model: Uint8Array; sessionModule: string };
const port = parentPort;
if (!port) throw new Error('onnx-worker runs as a worker thread only');
const answer = (message: WorkerAnswer): void => port.postMessage(message);

const { openSession } = (await import(sessionModule)) as typeof import('./onnx-session.js');
try {
  const session = await openSession(model);
  port.on('message', ({ id, inputs }: WorkerRequest) => {
    const started = performance.now();
    session.run(inputs).then(
      (outputs) => answer({ kind: 'result', id, outputs, runMs: performance.now() - started }),
      (error: unknown) => answer({ kind: 'error', id, message: (error as Error).message }),
    );
  });
  answer({ kind: 'opened', inputs: session.inputs, outputs: session.outputs });
} catch (error) {
  answer({ kind: 'refused', message: (error as Error).message });
}
