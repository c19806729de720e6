import { runProcess } from '@kontor/service/process';
import { gatewayConfig } from './config.js';
import { startGateway } from './server.js';

await runProcess(async () => {
  const server = await startGateway(gatewayConfig());
  // Stale rows for ever would be worse than a restart by the supervisor.
  return { addresses: { gateway: server.url }, stop: () => server.close(), failed: server.gateway.failed };
});
