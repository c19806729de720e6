import { ConfigError, gatewayConfig } from './config.js';
import { startGateway } from './server.js';

const fail = (error: unknown): never => {
  const text = error instanceof ConfigError ? error.message : error instanceof Error ? error.stack : String(error);
  process.stderr.write(`gateway: ${text}\n`);
  process.exit(1);
};

try {
  const server = await startGateway(gatewayConfig());
  // Stale rows for ever would be worse than a restart by the supervisor.
  server.gateway.failed.catch(fail);
  let stopping: Promise<void> | undefined;
  const stop = (): void => {
    stopping ??= server.close().then(() => process.exit(0), fail);
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  process.once('disconnect', stop);
  process.send?.({ ready: true, addresses: { gateway: server.url } });
} catch (error) {
  fail(error);
}
