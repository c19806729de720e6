import { upcasters } from '@kontor/domain/contexts';
import { deployment } from '@kontor/domain/deployment';
import { readServiceConfig, startService } from '@kontor/service';
import { createLog, runProcess } from '@kontor/service/process';
import { deploymentFacts } from './facts.js';
import { trafficWorker } from './traffic.js';

await runProcess(() =>
  startService({
    context: deployment,
    upcasters,
    config: readServiceConfig(),
    log: createLog('deployment'),
    facts: deploymentFacts,
    workers: async (parts) => [trafficWorker(parts)],
  }),
);
