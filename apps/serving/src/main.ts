import { createLog, runProcess } from '@kontor/service/process';
import { readConfig } from './config.js';
import { startDataPlane } from './data-plane.js';

await runProcess(async () => {
  const log = createLog('serving');
  const plane = await startDataPlane(readConfig(), log);
  log.info('serving listens', { url: plane.url });
  return { addresses: { serving: plane.url }, stop: () => plane.close() };
});
