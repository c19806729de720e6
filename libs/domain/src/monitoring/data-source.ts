import type { CommandOf, Decider } from '@kontor/event-sourcing';
import type { monitoringCommands } from './commands.js';
import type { MonitoringEvent } from './events.js';
import { sameJson } from './same-json.js';

type RegisterDataSource = CommandOf<typeof monitoringCommands, 'RegisterDataSource'>;

export type DataSourceState = RegisterDataSource['data'] | null;

/** Where features come from and who answers for them. Registering again replaces owners and features. */
export const dataSource: Decider<DataSourceState, RegisterDataSource, MonitoringEvent, never> = {
  initialState: null,
  decide: ({ data }, state) => (sameJson(state, data) ? [] : [{ type: 'DataSourceRegistered', data }]),
  evolve: (state, event) => (event.type === 'DataSourceRegistered' ? event.data : state),
};
