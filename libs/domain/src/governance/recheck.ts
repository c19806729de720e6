import { type CommandOf, type Decider, reject } from '@kontor/event-sourcing';
import { isOwnService } from './authority.js';
import type { governanceCommands } from './commands.js';
import type { GovernanceEvent } from './events.js';
import type { GovernanceRejection } from './rejections.js';

export interface RecheckState {
  readonly done: boolean;
}

export type RecheckCommand = CommandOf<typeof governanceCommands, 'RecheckGates'>;

/** What one change of a use case or a policy asks of decisions that rest on it. One stream per change. */
export const recheck: Decider<RecheckState, RecheckCommand, GovernanceEvent, GovernanceRejection> = {
  initialState: { done: false },
  decide: ({ data, metadata }, { done }) => {
    if (!isOwnService(metadata)) return reject('SERVICE_ONLY', { actor: metadata.actor.id });
    const { moved, subjects } = data;
    if (subjects === null) throw new Error('RecheckGates was dispatched before its subjects were read');
    return done || subjects.length === 0 ? [] : [{ type: 'GatesRechecked', data: { moved, subjects } }];
  },
  evolve: (state, event) => (event.type === 'GatesRechecked' ? { done: true } : state),
};
