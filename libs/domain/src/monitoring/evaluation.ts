import { type CommandOf, type Decider, reject, unreachable } from '@kontor/event-sourcing';
import type { monitoringCommands } from './commands.js';
import type { MonitoringEvent } from './events.js';
import type { MonitoringRejection } from './rejections.js';
import { sameJson } from './same-json.js';

type EvaluationCommand = CommandOf<
  typeof monitoringCommands,
  'RequestEvaluation' | 'CompleteEvaluation' | 'FailEvaluation'
>;
type Requested = Extract<MonitoringEvent, { type: 'EvaluationRequested' }>['data'];

export type EvaluationState =
  | { readonly status: 'None' }
  | { readonly status: 'Requested'; readonly request: Requested }
  | { readonly status: 'Ended'; readonly request: Requested };

/** A measurement of one version through its endpoint: asked for by a person, done by the worker, ended once. */
export const evaluation: Decider<EvaluationState, EvaluationCommand, MonitoringEvent, MonitoringRejection> = {
  initialState: { status: 'None' },
  decide: (command, state) => {
    switch (command.type) {
      case 'RequestEvaluation': {
        const { data } = command;
        if (state.status !== 'None') {
          return sameJson(state.request, data) ? [] : reject('EVALUATION_EXISTS', { evaluationId: data.evaluationId });
        }
        if (data.dataset.rows === 0) return reject('DATASET_EMPTY', { dataset: data.dataset.name });
        return [{ type: 'EvaluationRequested', data }];
      }
      case 'CompleteEvaluation':
      case 'FailEvaluation': {
        const { kind } = command.metadata.actor;
        if (kind !== 'service') return reject('SERVICE_ONLY', { kind });
        if (state.status !== 'Requested') return reject('EVALUATION_NOT_REQUESTED', { status: state.status });
        if (command.type === 'CompleteEvaluation') return [{ type: 'EvaluationCompleted', data: command.data }];
        return [{ type: 'EvaluationFailed', data: { ...command.data, endpoint: state.request.endpoint } }];
      }
      default:
        return unreachable(command);
    }
  },
  evolve: (state, event) => {
    switch (event.type) {
      case 'EvaluationRequested':
        return { status: 'Requested', request: event.data };
      case 'EvaluationCompleted':
      case 'EvaluationFailed':
        return state.status === 'None' ? state : { status: 'Ended', request: state.request };
      default:
        return state;
    }
  },
};
