import { defaultPolicies, type GovernanceEvent } from '@kontor/domain/governance';
import { BEGINNING, type Recorded } from '@kontor/event-sourcing';
import type { ServiceParts } from '@kontor/service';
import { DEFAULT_WORKSPACE } from '@kontor/service/process';

/**
 * Puts the default gate tables into force where no table ever was for their environment and tiers, so that a fresh
 * installation has gates. Idempotent; what people have activated stays, also a table of theirs under a default's id.
 *
 * @throws if a table cannot be activated: a service without gates must not say that it is ready.
 */
export const activateDefaultPolicies = async ({
  store,
  dispatcher,
  log,
}: Pick<ServiceParts, 'store' | 'dispatcher' | 'log'>): Promise<void> => {
  const known = new Set<string>();
  const covered = new Set<string>();
  for await (const recorded of store.readAll(BEGINNING, { types: ['PolicyActivated'] })) {
    const event = recorded as Recorded<GovernanceEvent>;
    if (event.workspace !== DEFAULT_WORKSPACE || event.type !== 'PolicyActivated') continue;
    known.add(event.data.policyId);
    for (const tier of event.data.tiers) covered.add(`${event.data.environment} ${tier}`);
  }
  for (const data of defaultPolicies) {
    const { policyId, environment, tiers } = data;
    if (known.has(policyId) || tiers.some((tier) => covered.has(`${environment} ${tier}`))) continue;
    const reply = await dispatcher.dispatch({ type: 'ActivatePolicy', data, workspace: DEFAULT_WORKSPACE });
    // Another process of this service, or a person, was faster: there is a table, and that is all that is wanted.
    const faster = reply.outcome === 'rejected' && reply.code === 'NAME_TAKEN';
    if (reply.outcome !== 'accepted' && !faster) {
      throw new Error(`the default policy ${policyId} could not be activated: ${reply.code} ${reply.message}`);
    }
    log.info('a default policy', { policyId, environment, tiers: tiers.join(' '), outcome: reply.outcome });
  }
};
