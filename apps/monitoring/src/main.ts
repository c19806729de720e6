import { monitoring } from '@kontor/domain/monitoring';
import { startService } from '@kontor/service';
import { createLog, runProcess } from '@kontor/service/process';
import { readMonitoringConfig } from './config.js';
import { startPipeline } from './pipeline.js';

await runProcess(() =>
  startService({
    context: monitoring,
    config: readMonitoringConfig(),
    log: createLog('monitoring'),
    workers: async ({ pool, connection, dispatcher, log }, { artifactsDir, servingUrl }) => [
      await startPipeline({
        pool,
        nats: connection,
        artifactsDir,
        servingUrl,
        dispatch: async (workspace, type, data) => {
          const reply = await dispatcher.dispatch({ workspace, type, data });
          if (reply.outcome === 'failed') throw new Error(`${type} failed: ${reply.code} ${reply.message}`);
          return reply;
        },
        onFailure: (part, error) => log.error(`${part} begin again`, error),
      }),
    ],
  }),
);
