import type { Upcasters } from '@kontor/event-sourcing';
import { deployment } from '@kontor/domain/deployment';
import { governance } from '@kontor/domain/governance';
import { monitoring } from '@kontor/domain/monitoring';
import { registry } from '@kontor/domain/registry';

/** Of all contexts: the gateway reads every event. */
export const UPCASTERS: Upcasters = {
  ...registry.upcasters,
  ...deployment.upcasters,
  ...monitoring.upcasters,
  ...governance.upcasters,
};
