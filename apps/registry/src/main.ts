import { upcasters } from '@kontor/domain/contexts';
import { registry } from '@kontor/domain/registry';
import { startService } from '@kontor/service';
import { createLog, runProcess } from '@kontor/service/process';
import { readRegistryConfig } from './config.js';
import { registryFacts } from './facts.js';
import { startWebhooks, testWebhook } from './webhooks/webhooks.worker.js';

await runProcess(() =>
  startService({
    context: registry,
    upcasters,
    config: readRegistryConfig(),
    log: createLog('registry'),
    facts: registryFacts,
    requests: (parts) => ({ TestWebhook: testWebhook(parts) }),
    workers: async (parts, { webhooks }) => [await startWebhooks(parts, webhooks)],
  }),
);
