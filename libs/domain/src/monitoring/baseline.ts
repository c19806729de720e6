import { type CommandOf, type Decider, reject, unreachable } from '@kontor/event-sourcing';
import type { monitoringCommands } from './commands.js';
import type { MonitoringEvent } from './events.js';
import type { MonitoringRejection } from './rejections.js';
import { sameJson } from './same-json.js';

type BaselineCommand = CommandOf<typeof monitoringCommands, 'RequestBaseline' | 'PinBaseline' | 'FailBaseline'>;
type Requested = Extract<MonitoringEvent, { type: 'BaselineRequested' }>['data'];

export type BaselineState =
  | { readonly status: 'None' }
  | { readonly status: 'Requested'; readonly request: Requested }
  | { readonly status: 'Ended'; readonly request: Requested };

/** A reference profile: asked for by a person, computed by the worker, never changed once pinned. */
export const baseline: Decider<BaselineState, BaselineCommand, MonitoringEvent, MonitoringRejection> = {
  initialState: { status: 'None' },
  decide: (command, state) => {
    switch (command.type) {
      case 'RequestBaseline': {
        const { data } = command;
        if (state.status !== 'None') {
          return sameJson(state.request, data) ? [] : reject('BASELINE_EXISTS', { baselineId: data.baselineId });
        }
        if (data.dataset.rows === 0) return reject('DATASET_EMPTY', { dataset: data.dataset.name });
        return [{ type: 'BaselineRequested', data }];
      }
      case 'PinBaseline':
      case 'FailBaseline': {
        const { kind } = command.metadata.actor;
        if (kind !== 'service') return reject('SERVICE_ONLY', { kind });
        if (state.status !== 'Requested') return reject('BASELINE_NOT_REQUESTED', { status: state.status });
        if (command.type === 'PinBaseline') return [{ type: 'BaselinePinned', data: command.data }];
        return [{ type: 'BaselineFailed', data: { ...command.data, endpoint: state.request.endpoint } }];
      }
      default:
        return unreachable(command);
    }
  },
  evolve: (state, event) => {
    switch (event.type) {
      case 'BaselineRequested':
        return { status: 'Requested', request: event.data };
      case 'BaselinePinned':
      case 'BaselineFailed':
        return state.status === 'None' ? state : { status: 'Ended', request: state.request };
      default:
        return state;
    }
  },
};
