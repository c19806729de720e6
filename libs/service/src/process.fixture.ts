import { createServer } from 'node:http';
import { runProcess } from './lifecycle.js';
import { readServiceConfig } from './service-config.js';

// A process for specs: reads the settings of a service and holds something open.
await runProcess(async () => {
  const { healthPort } = readServiceConfig();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(healthPort, '127.0.0.1', resolve));
  return {
    addresses: { spec: 'http://127.0.0.1' },
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  };
});
