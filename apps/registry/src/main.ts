import { upcasters } from '@kontor/domain/contexts';
import { registry } from '@kontor/domain/registry';
import { readServiceConfig, startService } from '@kontor/service';
import { createLog, runProcess } from '@kontor/service/process';

await runProcess(() =>
  startService({ context: registry, upcasters, config: readServiceConfig(), log: createLog('registry') }),
);
