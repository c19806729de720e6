import { readConfig } from './config.js';
import { startDataPlane } from './data-plane.js';

const report = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

const plane = await startDataPlane(readConfig(), report);
report(`serving listens on ${plane.url}`);
process.send?.({ ready: true, addresses: { serving: plane.url } });

let isStopping = false;
const stop = (): void => {
  if (isStopping) return;
  isStopping = true;
  void plane.close().then(() => process.exit(0));
};
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
// Its parent is gone: no child outlives it.
process.once('disconnect', stop);
