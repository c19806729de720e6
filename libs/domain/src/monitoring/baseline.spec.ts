import { deciderSpec } from '@kontor/event-sourcing/testing';
import { describe, expect, it } from 'vitest';
import { baseline } from './baseline.js';
import { monitoring } from './context.js';
import type { FeatureBins, MonitoringEvent } from './events.js';
import { byService, command, type CommandData, dataset, digestOf, id, LOCAL, performance, version } from './fixture.js';

const baselineId = id(1);
const endpoint = 'employment-staging';
const request: CommandData<'RequestBaseline'> = {
  ...{ baselineId, endpoint, version, dataset, labelColumn: null, features: ['AGEP'] },
  categoricalFeatures: [],
};
const bins = (feature: string): FeatureBins => ({
  ...{ feature, kind: 'numeric', edges: [43], categories: [], counts: [5000, 5000, 0, 0, 0] },
  ...{ min: 18, max: 67, cells: [[1, 10_000, 430_000]] },
});
const profile: CommandData<'PinBaseline'> = {
  ...{ baselineId, version, dataset, features: [bins('AGEP')], score: bins('score') },
  ...{ binsHash: digestOf('b'), performance },
};
const failure = { baselineId, reason: 'the data set is absent' };
const requested: MonitoringEvent = { type: 'BaselineRequested', data: request };
const pinned: MonitoringEvent = { type: 'BaselinePinned', data: profile };
const failed: MonitoringEvent = { type: 'BaselineFailed', data: { ...failure, endpoint } };

const ask = (change: Partial<typeof request> = {}) => command('RequestBaseline', { ...request, ...change });
const pin = byService('PinBaseline', profile);
const fail = byService('FailBaseline', failure);

const { given } = deciderSpec(baseline);

describe('a baseline', () => {
  it('is requested once, however often that is sent', () => {
    given([]).when(ask()).then([requested]);
    for (const events of [[requested], [requested, pinned], [requested, failed]]) {
      given(events).when(ask()).thenNothing();
      given(events)
        .when(ask({ features: ['SCHL'] }))
        .thenRejected('BASELINE_EXISTS', { baselineId });
    }
  });

  it('needs rows', () => {
    given([])
      .when(ask({ dataset: { ...dataset, rows: 0 } }))
      .thenRejected('DATASET_EMPTY', { dataset: dataset.name });
  });

  it('is pinned with its reference profile, as a valid event', () => {
    given([requested]).when(pin).then([pinned]);
    expect(monitoring.events['BaselinePinned']?.parse(profile)).toEqual(profile);
  });

  it('fails with its reason and the endpoint that was asked', () => {
    given([requested]).when(fail).then([failed]);
  });

  it('ends once, is never changed then, and does not end before it was requested', () => {
    for (const end of [pin, fail]) {
      given([]).when(end).thenRejected('BASELINE_NOT_REQUESTED', { status: 'None' });
      given([requested, pinned]).when(end).thenRejected('BASELINE_NOT_REQUESTED', { status: 'Ended' });
      given([requested, failed]).when(end).thenRejected('BASELINE_NOT_REQUESTED', { status: 'Ended' });
    }
  });

  it('is ended by the platform only', () => {
    for (const actor of [undefined, LOCAL]) {
      const kind = actor?.kind ?? 'person';
      given([requested])
        .when(command('PinBaseline', profile, actor))
        .thenRejected('SERVICE_ONLY', { kind });
      given([requested])
        .when(command('FailBaseline', failure, actor))
        .thenRejected('SERVICE_ONLY', { kind });
    }
  });
});
