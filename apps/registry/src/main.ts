import { registry } from '@kontor/domain/registry';
import { readServiceConfig, startService } from '@kontor/service';
import { createLog, runProcess } from '@kontor/service/process';

await runProcess(() => startService({ context: registry, config: readServiceConfig(), log: createLog('registry') }));
