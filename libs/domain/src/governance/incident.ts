import { type CommandOf, type Decider } from '@kontor/event-sourcing';
import type { governanceCommands } from './commands.js';
import type { GovernanceEvent } from './events.js';
import type { GovernanceRejection } from './rejections.js';

export interface IncidentState {
  readonly status: 'None' | 'Open';
}

export type IncidentCommand = CommandOf<typeof governanceCommands, 'OpenIncident'>;

/** The rules of one incident. Everyone may open one; opening it again changes nothing. */
export const incident: Decider<IncidentState, IncidentCommand, GovernanceEvent, GovernanceRejection> = {
  initialState: { status: 'None' },
  decide: ({ data }, state) => (state.status === 'Open' ? [] : [{ type: 'IncidentOpened', data }]),
  evolve: (state, event) => (event.type === 'IncidentOpened' ? { status: 'Open' } : state),
};
