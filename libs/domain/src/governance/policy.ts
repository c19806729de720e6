import { type CommandOf, type Decider, reject } from '@kontor/event-sourcing';
import { isOwnService, mayGovern, rolesRequired } from './authority.js';
import type { governanceCommands } from './commands.js';
import type { GovernanceEvent } from './events.js';
import type { GovernanceRejection } from './rejections.js';
import { ruleProblems } from './rule-check.js';
import { digestOf } from '../digest.js';

/** The version in force; null before the first activation. */
export type PolicyState = Extract<GovernanceEvent, { type: 'PolicyActivated' }>['data'] | null;

export type PolicyCommand = CommandOf<typeof governanceCommands, 'ActivatePolicy'>;

/** The rules of one policy: which gate tables may come into force. The newest version is the active one. */
export const policy: Decider<PolicyState, PolicyCommand, GovernanceEvent, GovernanceRejection> = {
  initialState: null,
  decide: ({ data, metadata }, state) => {
    const { actor } = metadata;
    // The service itself puts the default tables of a fresh workspace into force; what is there stays.
    if (isOwnService(metadata)) {
      if (state !== null) return [];
    } else if (!mayGovern(actor)) return reject('ROLE_REQUIRED', rolesRequired(actor));
    const { policyId, environment, rules } = data;
    const tiers = [...new Set(data.tiers)];
    const ids = rules.map(({ id }) => id);
    const repeated = [...new Set(ids.filter((id, i) => ids.indexOf(id) !== i))];
    const problems = [
      ...repeated.map((id) => `Rule ${id} stands in the table more than once.`),
      ...rules.flatMap((rule) => ruleProblems(rule)),
    ];
    if (problems.length > 0) return reject('POLICY_INVALID', { policyId, problems });
    const digest = digestOf({ environment, tiers, rules });
    if (digest === state?.digest) return [];
    const version = (state?.version ?? 0) + 1;
    const by = actor.id;
    return [{ type: 'PolicyActivated', data: { policyId, version, environment, tiers, rules, digest, by } }];
  },
  evolve: (state, event) => (event.type === 'PolicyActivated' ? event.data : state),
};
