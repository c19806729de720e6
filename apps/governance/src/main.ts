import { readServiceConfig } from '@kontor/service';
import { createLog, runProcess } from '@kontor/service/process';
import { startGovernance } from './governance.service.js';

await runProcess(() => startGovernance({ config: readServiceConfig(), log: createLog('governance') }));
