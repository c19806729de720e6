import { type CommandOf, type Decider, reject } from '@kontor/event-sourcing';
import type { monitoringCommands } from './commands.js';
import type { MonitoringEvent } from './events.js';
import type { MonitoringRejection } from './rejections.js';
import { sameJson } from './same-json.js';

type ReceiveGroundTruth = CommandOf<typeof monitoringCommands, 'ReceiveGroundTruth'>;

export type GroundTruthState = ReceiveGroundTruth['data'] | null;

/** One batch of labels as a fact: how many, and the digest that binds the telemetry to the log. */
export const groundTruth: Decider<GroundTruthState, ReceiveGroundTruth, MonitoringEvent, MonitoringRejection> = {
  initialState: null,
  decide: ({ data }, state) => {
    if (state === null) return [{ type: 'GroundTruthReceived', data }];
    return sameJson(state, data) ? [] : reject('GROUND_TRUTH_EXISTS', { batchId: data.batchId });
  },
  evolve: (state, event) => (event.type === 'GroundTruthReceived' ? event.data : state),
};
