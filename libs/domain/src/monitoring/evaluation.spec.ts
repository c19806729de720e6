import { deciderSpec } from '@kontor/event-sourcing/testing';
import { describe, expect, it } from 'vitest';
import { monitoring } from './context.js';
import { evaluation } from './evaluation.js';
import type { MonitoringEvent } from './events.js';
import { byService, command, type CommandData, dataset, id, LOCAL, performance, version } from './fixture.js';

const evaluationId = id(5);
const endpoint = 'employment-staging';
const request: CommandData<'RequestEvaluation'> = {
  ...{ evaluationId, endpoint, version, dataset, labelColumn: 'employed', features: ['AGEP'] },
  ...{ protectedAttributes: ['SEX'], slices: [], compareWith: null },
};
const result: CommandData<'CompleteEvaluation'> = {
  ...{ evaluationId, endpoint, environment: 'staging', version, dataset, performance, slices: [], fairness: [] },
  ...{ golden: { rows: 3, maxDifference: 0 }, comparedWith: null },
};
const failure = { evaluationId, reason: 'the data set is absent' };
const requested: MonitoringEvent = { type: 'EvaluationRequested', data: request };
const completed: MonitoringEvent = { type: 'EvaluationCompleted', data: result };
const failed: MonitoringEvent = { type: 'EvaluationFailed', data: { ...failure, endpoint } };

const ask = (change: Partial<typeof request> = {}) => command('RequestEvaluation', { ...request, ...change });
const complete = byService('CompleteEvaluation', result);
const fail = byService('FailEvaluation', failure);

const { given } = deciderSpec(evaluation);

describe('an evaluation', () => {
  it('is requested once, however often that is sent', () => {
    given([]).when(ask()).then([requested]);
    for (const events of [[requested], [requested, completed], [requested, failed]]) {
      given(events).when(ask()).thenNothing();
      given(events)
        .when(ask({ features: ['SCHL'] }))
        .thenRejected('EVALUATION_EXISTS', { evaluationId });
    }
  });

  it('needs rows', () => {
    given([])
      .when(ask({ dataset: { ...dataset, rows: 0 } }))
      .thenRejected('DATASET_EMPTY', { dataset: dataset.name });
  });

  it('is completed with what was measured, as a valid event', () => {
    given([requested]).when(complete).then([completed]);
    expect(monitoring.events['EvaluationCompleted']?.parse(result)).toEqual(result);
  });

  it('fails with its reason and the endpoint that was asked', () => {
    given([requested]).when(fail).then([failed]);
  });

  it('ends once, and not before it was requested', () => {
    for (const end of [complete, fail]) {
      given([]).when(end).thenRejected('EVALUATION_NOT_REQUESTED', { status: 'None' });
      given([requested, completed]).when(end).thenRejected('EVALUATION_NOT_REQUESTED', { status: 'Ended' });
      given([requested, failed]).when(end).thenRejected('EVALUATION_NOT_REQUESTED', { status: 'Ended' });
    }
  });

  it('is ended by the platform only', () => {
    for (const actor of [undefined, LOCAL]) {
      const kind = actor?.kind ?? 'person';
      given([requested])
        .when(command('CompleteEvaluation', result, actor))
        .thenRejected('SERVICE_ONLY', { kind });
      given([requested])
        .when(command('FailEvaluation', failure, actor))
        .thenRejected('SERVICE_ONLY', { kind });
    }
  });
});
