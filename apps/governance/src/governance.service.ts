import { upcasters } from '@kontor/domain/contexts';
import { governance } from '@kontor/domain/governance';
import { type ServiceOptions, startService } from '@kontor/service';
import type { Running } from '@kontor/service/process';
import { activateDefaultPolicies } from './default-policies.js';
import { destroyKeys } from './erasure.js';
import { withGateContext } from './facts.js';

/** The governance context as a server: decides with facts from the log, and never without gate tables. */
export const startGovernance = ({ config, log }: Pick<ServiceOptions, 'config' | 'log'>): Promise<Running> =>
  startService({
    context: governance,
    upcasters,
    config,
    log,
    enrich: ({ store }) => withGateContext(store),
    beforeAppend: destroyKeys,
    workers: async (parts) => {
      await activateDefaultPolicies(parts);
      return [];
    },
  });
