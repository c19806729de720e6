import { type CommandOf, type Decider, reject, unreachable } from '@kontor/event-sourcing';
import { mayGovern, rolesRequired } from './authority.js';
import type { governanceCommands } from './commands.js';
import type { GovernanceEvent } from './events.js';
import type { GovernanceRejection } from './rejections.js';

export interface LegalHoldState {
  readonly status: 'None' | 'Placed' | 'Released';
}

export type LegalHoldCommand = CommandOf<typeof governanceCommands, 'PlaceLegalHold' | 'ReleaseLegalHold'>;

/** The rules of one legal hold of a workspace. While it is placed it holds a claim, which is what is asked before anything goes. */
export const legalHold: Decider<LegalHoldState, LegalHoldCommand, GovernanceEvent, GovernanceRejection> = {
  initialState: { status: 'None' },
  decide: ({ type, data, metadata: { actor } }, { status }) => {
    if (!mayGovern(actor)) return reject('ROLE_REQUIRED', rolesRequired(actor));
    const said = { ...data, by: actor.id };
    switch (type) {
      case 'PlaceLegalHold':
        return status === 'None' ? [{ type: 'LegalHoldPlaced', data: said }] : [];
      case 'ReleaseLegalHold':
        if (status === 'None') return reject('LEGAL_HOLD_UNKNOWN', { holdId: data.holdId });
        return status === 'Placed' ? [{ type: 'LegalHoldReleased', data: said }] : [];
      default:
        return unreachable(type);
    }
  },
  evolve: (state, { type }) => {
    if (type === 'LegalHoldPlaced') return { status: 'Placed' };
    return type === 'LegalHoldReleased' ? { status: 'Released' } : state;
  },
};
