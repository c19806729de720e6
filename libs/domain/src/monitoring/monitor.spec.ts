import { deciderSpec } from '@kontor/event-sourcing/testing';
import { describe, expect, it } from 'vitest';
import { monitoring } from './context.js';
import type { MonitoringEvent } from './events.js';
import {
  byService,
  closing,
  type CommandData,
  command,
  day,
  id,
  monitorDefinition,
  monthsInsteadOfYears,
} from './fixture.js';
import { monitor } from './monitor.js';

describe('a monitor', () => {
  const { given } = deciderSpec(monitor);
  const defined: MonitoringEvent = { type: 'MonitorDefined', data: monitorDefinition };
  const drifted = { value: 0.3, p: 1e-9 };
  const calm = { value: 0.01, p: 0.5 };

  /** The events of several windows, one after the other. */
  const after = (...windows: readonly CommandData<'CloseWindow'>[]): MonitoringEvent[] => {
    const events: MonitoringEvent[] = [defined];
    for (const data of windows) events.push(...given(events).when(byService('CloseWindow', data)).events());
    return events;
  };
  const alerts = (events: readonly MonitoringEvent[]) =>
    events.filter(({ type }) => type === 'AlertRaised' || type === 'AlertResolved').map(({ type }) => type);

  it('is defined once, with a persistence that is possible', () => {
    given([]).when(command('DefineMonitor', monitorDefinition)).then([defined]);
    given([defined]).when(command('DefineMonitor', monitorDefinition)).thenNothing();
    given([defined])
      .when(command('DefineMonitor', { ...monitorDefinition, latenessMs: 5 }))
      .thenRejected('MONITOR_EXISTS');
    given([])
      .when(command('DefineMonitor', { ...monitorDefinition, persistence: { windows: 3, ofWindows: 2 } }))
      .thenRejected('PERSISTENCE_IMPOSSIBLE');
  });

  it('takes windows from the service only, of its own baseline, and each once', () => {
    given([defined])
      .when(command('CloseWindow', closing(1, calm)))
      .thenRejected('SERVICE_ONLY');
    given([])
      .when(byService('CloseWindow', closing(1, calm)))
      .thenRejected('MONITOR_UNKNOWN');
    const other = closing(1, calm);
    given([defined])
      .when(byService('CloseWindow', { ...other, drift: { ...other.drift, baselineId: id(2) } }))
      .thenRejected('MONITOR_BASELINE_MISMATCH');
    given(after(closing(1, calm)))
      .when(byService('CloseWindow', closing(1, calm)))
      .thenNothing();
  });

  it('alerts of drift in the second of three windows, once, and resolves below the hysteresis', () => {
    expect(alerts(after(closing(1, drifted)))).toEqual([]);
    expect(alerts(after(closing(1, drifted), closing(2, calm), closing(3, drifted)))).toEqual(['AlertRaised']);
    const raised = after(closing(1, drifted), closing(2, drifted), closing(3, drifted));
    expect(alerts(raised)).toEqual(['AlertRaised']);
    const within = closing(4, { value: 0.09, p: 1e-9 });
    expect(alerts(after(closing(1, drifted), closing(2, drifted), within))).toEqual(['AlertRaised']);
    expect(alerts(after(closing(1, drifted), closing(2, drifted), closing(4, calm)))).toEqual([
      'AlertRaised',
      'AlertResolved',
    ]);
  });

  it('alerts both owners of a changed unit within one window, and resolves when a later window is normal', () => {
    const events = after(closing(1, drifted, { changes: [monthsInsteadOfYears] }));
    const raised = events.find(({ type }) => type === 'AlertRaised');
    expect(raised?.data).toMatchObject({
      kind: 'dataSource',
      severity: 'critical',
      features: ['AGEP'],
      notify: [
        { role: 'businessOwner', actor: 'berta' },
        { role: 'dataOwner', actor: 'dora' },
      ],
      sentence:
        'AGEP is 12.0 times its reference: median 516 instead of 43 in 5000 rows. Affected endpoint: employment.',
    });
    const again = closing(2, drifted, { changes: [monthsInsteadOfYears] });
    expect(alerts(after(closing(1, drifted, { changes: [monthsInsteadOfYears] }), again, closing(3, calm)))).toEqual([
      'AlertRaised',
      'AlertResolved',
    ]);
  });

  it('tells the owners of all its sources of a column that none of them claims', () => {
    const renamed = { feature: 'AGE', change: 'schema' as const, sentence: 'AGE is new', numbers: {} };
    const events = after(closing(1, calm, { changes: [renamed] }));
    expect(events.find(({ type }) => type === 'DataSourceChanged')?.data).toMatchObject({ dataSourceId: 'unassigned' });
    expect(events.find(({ type }) => type === 'AlertRaised')?.data).toMatchObject({
      features: ['AGE'],
      notify: [
        { role: 'businessOwner', actor: 'berta' },
        { role: 'dataOwner', actor: 'dora' },
      ],
    });
    // A window of a few rows does not show that the column is gone.
    expect(
      alerts([
        ...events,
        ...given(events)
          .when(byService('CloseWindow', closing(2, { ...calm, n: 5 })))
          .events(),
      ]),
    ).toEqual(['AlertRaised']);
  });

  it('says of few rows that they are too few', () => {
    const events = after(closing(1, { value: 0.5, p: 1e-9, n: 50 }));
    const judged = events.find(({ type }) => type === 'DriftEvaluated');
    expect(judged?.data).toMatchObject({ features: [{ verdict: 'insufficient' }] });
  });

  it('revises closed windows only, and counts the revisions', () => {
    const said = { rows: 5000, labels: 10, performance: null, fairness: [] };
    const { outcomes, sources, alertIds } = closing(1, calm);
    const revision = { monitorId: 'employment', window: day(1), ...said, outcomes, sources, alertIds };
    given([defined])
      .when(byService('ReviseWindow', revision))
      .thenRejected('WINDOW_NOT_CLOSED', { start: day(1).start });
    given([]).when(byService('ReviseWindow', revision)).thenRejected('MONITOR_UNKNOWN', { monitorId: 'employment' });
    given([defined]).when(command('ReviseWindow', revision)).thenRejected('SERVICE_ONLY', { kind: 'person' });
    const closed = after(closing(1, calm));
    const revised = {
      type: 'WindowRevised' as const,
      data: { monitorId: 'employment', endpoint: 'employment', window: day(1), ...said, revision: 1 },
    };
    given(closed).when(byService('ReviseWindow', revision)).then([revised]);
    const later = { ...revision, labels: revision.labels + 1 };
    given([...closed, revised])
      .when(byService('ReviseWindow', later))
      .then([{ type: 'WindowRevised', data: { ...revised.data, labels: 11, revision: 2 } }]);
    given([...closed, revised])
      .when(byService('ReviseWindow', revision))
      .thenNothing();
  });

  it('revises a window that a worker closes again after a crash with what came since', () => {
    given(after(closing(1, calm)))
      .when(byService('CloseWindow', closing(1, calm, { rows: 5001 })))
      .then([
        {
          type: 'WindowRevised',
          data: {
            monitorId: 'employment',
            endpoint: 'employment',
            window: day(1),
            revision: 1,
            rows: 5001,
            labels: 0,
            performance: null,
            fairness: [],
          },
        },
      ]);
  });

  it('says nothing of outcomes without labels of its baseline and without protected attributes', () => {
    const outcomes = { accuracy: { hits: 1, n: 10 }, reference: null, attributes: [] };
    expect(after(closing(1, calm, { outcomes })).map(({ type }) => type)).toEqual([
      'MonitorDefined',
      'WindowClosed',
      'DriftEvaluated',
    ]);
  });

  it('is defined only while its baseline has been answered: the append holds that still', () => {
    const define = command('DefineMonitor', monitorDefinition);
    const baselineStream = `default/monitoring/baseline/${monitorDefinition.baselineId}`;
    expect(monitoring.routes['DefineMonitor']?.guards?.(define)).toEqual([{ stream: baselineStream, expected: 2n }]);
  });

  it('has its open alerts acknowledged, each once', () => {
    const acknowledge = { monitorId: 'employment', alertId: id(102), comment: 'seen' };
    const raised = after(closing(1, drifted), closing(2, drifted));
    const acknowledged: MonitoringEvent = { type: 'AlertAcknowledged', data: { ...acknowledge, by: 'ada' } };
    given(raised).when(command('AcknowledgeAlert', acknowledge)).then([acknowledged]);
    given([...raised, acknowledged])
      .when(command('AcknowledgeAlert', acknowledge))
      .thenNothing();
    given([])
      .when(command('AcknowledgeAlert', acknowledge))
      .thenRejected('MONITOR_UNKNOWN', { monitorId: 'employment' });
    given([defined])
      .when(command('AcknowledgeAlert', acknowledge))
      .thenRejected('ALERT_UNKNOWN', { alertId: id(102) });
    const resolved = after(closing(1, drifted), closing(2, drifted), closing(3, calm));
    given(resolved).when(command('AcknowledgeAlert', acknowledge)).thenRejected('ALERT_NOT_OPEN');
  });
});
