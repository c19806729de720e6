import { deciderSpec } from '@kontor/event-sourcing/testing';
import { it } from 'vitest';
import type { MonitoringEvent } from './events.js';
import { command, digestOf, id } from './fixture.js';
import { groundTruth } from './ground-truth.js';

const batch = {
  ...{ batchId: id(9), endpoint: 'employment', labelName: 'employed', labels: 3 },
  ...{ digest: digestOf('c'), source: 'survey' },
};
const received: MonitoringEvent = { type: 'GroundTruthReceived', data: batch };
const receive = (change: Partial<typeof batch> = {}) => command('ReceiveGroundTruth', { ...batch, ...change });
const { given } = deciderSpec(groundTruth);

it('receives a batch of labels once, and refuses another one under its id', () => {
  given([]).when(receive()).then([received]);
  given([received]).when(receive()).thenNothing();
  for (const change of [{ labels: 4 }, { digest: digestOf('d') }, { endpoint: 'income' }]) {
    given([received])
      .when(receive(change))
      .thenRejected('GROUND_TRUTH_EXISTS', { batchId: id(9) });
  }
});
