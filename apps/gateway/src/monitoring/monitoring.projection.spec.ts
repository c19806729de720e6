import type { MonitoringEvent } from '@kontor/domain/monitoring';
import { projectionSpec, recorded } from '@kontor/event-sourcing/testing';
import { describe, it } from 'vitest';
import { alerts } from './alerts.projection.js';
import { baselines } from './baselines.projection.js';
import { dataSources, KEPT_CHANGES } from './data-sources.projection.js';
import { drift } from './drift.projection.js';
import { evaluations } from './evaluations.projection.js';
import { monitors } from './monitors.projection.js';
import { windows } from './windows.projection.js';

const id = (number: number) => `01975b00-0000-7000-8000-${String(number).padStart(12, '0')}`;
const digest = (hex: string) => `sha256:${hex.repeat(64)}`;
const time = (second: number) => `2026-06-01T12:00:${String(second).padStart(2, '0')}.000000Z`;
const endpoint = 'credit-staging';
const version = { modelName: 'credit', version: 3, manifestDigest: digest('a') };
const dataset = { name: 'reference.csv', digest: digest('b'), rows: 1000 };
const measure = (value: number) => ({ value, n: 1000, low: value - 0.01, high: value + 0.01, reason: null });
const performance = { accuracy: measure(0.8), logLoss: measure(0.4), rocAuc: measure(0.85) };
const bins = (feature: string) => ({
  feature,
  kind: 'numeric' as const,
  edges: [30, 50],
  categories: [],
  counts: [300, 400, 300, 0, 0, 0],
  min: 18,
  max: 90,
  cells: [],
});
const window = { start: '2026-06-01T00:00:00Z', end: '2026-06-02T00:00:00Z' };
const fairness = {
  attribute: 'SEX',
  metric: 'demographicParityDifference' as const,
  difference: measure(0.1),
  groups: [{ group: '1', n: 500, positives: 100, value: 0.2 }],
};

describe('baselines', () => {
  const stream = `default/monitoring/baseline/${id(1)}`;
  const requested = {
    baselineId: id(1),
    endpoint,
    version,
    dataset,
    labelColumn: 'PINCP',
    features: ['AGEP'],
    categoricalFeatures: [],
  };
  const pinned = {
    baselineId: id(1),
    version,
    dataset,
    features: [bins('AGEP')],
    score: bins('score'),
    binsHash: digest('c'),
    performance,
  };
  const row = {
    baselineId: id(1),
    version,
    dataset,
    modelName: 'credit',
    requestedAt: time(0),
    requestedBy: 'ada',
    failure: null,
  };
  const asked = { labelColumn: 'PINCP', features: [], score: null, binsHash: null, performance: null, pinnedAt: null };

  it('hold the bins from the moment they are pinned', () => {
    const events = recorded<MonitoringEvent>([
      { stream, type: 'BaselineRequested', data: requested },
      { stream, type: 'BaselinePinned', data: pinned, actor: 'service:monitoring' },
    ]);
    projectionSpec(baselines)
      .given(events.slice(0, 1))
      .thenRows({ [`default/${id(1)}`]: { ...row, ...asked, state: 'REQUESTED' } });
    projectionSpec(baselines)
      .given(events)
      .thenRows({
        [`default/${id(1)}`]: { ...pinned, ...row, labelColumn: 'PINCP', state: 'COMPLETED', pinnedAt: time(1) },
      });
  });

  it('say why one could not be made, and begin with the pin where nobody asked', () => {
    const reason = 'no column AGEP';
    projectionSpec(baselines)
      .given(
        recorded<MonitoringEvent>([
          { stream, type: 'BaselineRequested', data: requested },
          { stream, type: 'BaselineFailed', data: { baselineId: id(1), endpoint, reason } },
        ]),
      )
      .thenRows({ [`default/${id(1)}`]: { ...row, ...asked, state: 'FAILED', failure: reason } });
    projectionSpec(baselines)
      .given(recorded<MonitoringEvent>([{ stream, type: 'BaselinePinned', data: pinned }]))
      .thenRows({
        [`default/${id(1)}`]: { ...pinned, ...row, labelColumn: null, state: 'COMPLETED', pinnedAt: time(0) },
      });
  });
});

describe('monitors', () => {
  it('are as they were defined last', () => {
    const stream = 'default/monitoring/monitor/daily';
    const defined = (psiThreshold: number) => ({
      monitorId: 'daily',
      endpoint,
      baselineId: id(1),
      windowMs: 86_400_000,
      latenessMs: 60_000,
      psiThreshold,
      persistence: { windows: 2, ofWindows: 3 },
      protectedAttributes: ['SEX'],
      dataSourceIds: ['census'],
    });
    projectionSpec(monitors)
      .given(
        recorded<MonitoringEvent>([
          { stream, type: 'MonitorDefined', data: defined(0.2) },
          { stream, type: 'MonitorDefined', data: defined(0.1), actor: 'grace' },
        ]),
      )
      .thenRows({ 'default/daily': { ...defined(0.1), definedAt: time(1), definedBy: 'grace' } });
  });
});

describe('evaluations', () => {
  const stream = `default/monitoring/evaluation/${id(2)}`;
  const requested = {
    evaluationId: id(2),
    endpoint,
    version,
    dataset,
    labelColumn: 'PINCP',
    features: ['AGEP'],
    protectedAttributes: ['SEX'],
    slices: ['MAR'],
    compareWith: null,
  };
  const completed = {
    evaluationId: id(2),
    endpoint,
    environment: 'staging' as const,
    version,
    dataset,
    performance,
    slices: [{ slice: 'MAR=1', n: 400, performance }],
    fairness: [fairness],
    golden: { rows: 8, maxDifference: 0 },
    comparedWith: { version: { ...version, version: 2 }, performance },
  };
  const row = {
    evaluationId: id(2),
    endpoint,
    version,
    dataset,
    modelName: 'credit',
    versionNumber: 3,
    requestedAt: time(0),
    requestedBy: 'ada',
    failure: null,
  };
  const asked = {
    environment: null,
    performance: null,
    slices: [],
    fairness: [],
    golden: null,
    comparedWith: null,
    completedAt: null,
  };

  it('go from the request to the numbers', () => {
    const events = recorded<MonitoringEvent>([
      { stream, type: 'EvaluationRequested', data: requested },
      { stream, type: 'EvaluationCompleted', data: completed, actor: 'service:monitoring' },
    ]);
    projectionSpec(evaluations)
      .given(events.slice(0, 1))
      .thenRows({ [`default/${id(2)}`]: { ...row, ...asked, state: 'REQUESTED' } });
    projectionSpec(evaluations)
      .given(events)
      .thenRows({ [`default/${id(2)}`]: { ...completed, ...row, state: 'COMPLETED', completedAt: time(1) } });
  });

  it('say why one failed', () => {
    const reason = 'the endpoint does not answer';
    projectionSpec(evaluations)
      .given(
        recorded<MonitoringEvent>([
          { stream, type: 'EvaluationRequested', data: requested },
          { stream, type: 'EvaluationFailed', data: { evaluationId: id(2), endpoint, reason } },
        ]),
      )
      .thenRows({
        [`default/${id(2)}`]: { ...row, ...asked, state: 'FAILED', completedAt: time(1), failure: reason },
      });
  });
});

describe('windows and drift', () => {
  const stream = 'default/monitoring/monitor/daily';
  const closed = {
    monitorId: 'daily',
    endpoint,
    window,
    rows: 500,
    revisions: [{ revisionId: 'r1', rows: 500 }],
    profileDigest: digest('d'),
    labels: 0,
    performance: null,
    fairness: [],
  };
  const feature = (value: number) => ({
    feature: 'AGEP',
    method: 'psi@1' as const,
    value,
    jensenShannon: 0.1,
    kolmogorovSmirnov: 0.2,
    p: 0.001,
    pAdjusted: 0.001,
    threshold: 0.2,
    n: 500,
    missing: 0,
    unseen: 0,
    outOfRange: 0,
    verdict: 'drift' as const,
    sentence: 'People are older.',
  });
  const evaluated = (value: number) => ({
    monitorId: 'daily',
    endpoint,
    window,
    baselineId: id(1),
    binsHash: digest('c'),
    features: [feature(value)],
  });
  const outcomes = [
    {
      metric: 'accuracy' as const,
      attribute: null,
      value: 0.7,
      reference: 0.8,
      effect: 0.1,
      p: 0.001,
      pAdjusted: 0.001,
      threshold: 0.02,
      n: 300,
      verdict: 'degraded' as const,
      sentence: 'Accuracy is lower.',
    },
  ];
  const key = `default/daily/${encodeURIComponent(window.start)}`;
  const revised = {
    monitorId: 'daily',
    endpoint,
    window,
    revision: 1,
    rows: 510,
    labels: 300,
    performance,
    fairness: [fairness],
  };
  const next = { start: '2026-06-02T00:00:00Z', end: '2026-06-03T00:00:00Z' };
  const events = recorded<MonitoringEvent>([
    { stream, type: 'WindowClosed', data: closed },
    { stream, type: 'DriftEvaluated', data: evaluated(0.5) },
    { stream, type: 'WindowRevised', data: revised },
    { stream, type: 'DriftEvaluated', data: evaluated(0.6) },
    { stream, type: 'OutcomesEvaluated', data: { monitorId: 'daily', endpoint, window, baselineId: id(1), outcomes } },
    { stream, type: 'WindowRevised', data: { ...revised, window: next } },
    {
      stream,
      type: 'OutcomesEvaluated',
      data: { monitorId: 'daily', endpoint, window: next, baselineId: id(1), outcomes },
    },
  ]);

  it('show the numbers of a closed window as late rows and labels revised them', () => {
    projectionSpec(windows)
      .given(events.slice(0, 2))
      .thenRows({
        [key]: { ...closed, start: window.start, revision: 0, outcomes: [], closedAt: time(0), revisedAt: null },
      });
    projectionSpec(windows)
      .given(events)
      .thenRows({
        [key]: {
          ...closed,
          start: window.start,
          revision: 1,
          outcomes,
          rows: 510,
          labels: 300,
          performance,
          fairness: [fairness],
          closedAt: time(0),
          revisedAt: time(2),
        },
      });
  });

  it('show the drift of the window that was evaluated last', () => {
    projectionSpec(drift)
      .given(events)
      .thenRows({ [key]: { ...evaluated(0.6), start: window.start, evaluatedAt: time(3) } });
  });
});

describe('data sources', () => {
  const stream = 'default/monitoring/data-source/census';
  const source = {
    dataSourceId: 'census',
    name: 'Census',
    features: ['AGEP'],
    businessOwner: 'ada',
    dataOwner: 'dan',
  };
  const change = (number: number) => ({
    monitorId: 'daily',
    endpoint,
    window,
    feature: 'AGEP',
    change: 'unit' as const,
    sentence: `change ${number}`,
    numbers: { factor: number },
  });

  it('list what changed upstream, newest first, and keep it when they are registered again', () => {
    projectionSpec(dataSources)
      .given(
        recorded<MonitoringEvent>([
          { stream, type: 'DataSourceRegistered', data: source },
          { stream, type: 'DataSourceChanged', data: { dataSourceId: 'census', ...change(1) } },
          { stream, type: 'DataSourceChanged', data: { dataSourceId: 'census', ...change(2) } },
          { stream, type: 'DataSourceRegistered', data: { ...source, dataOwner: 'eve' } },
        ]),
      )
      .thenRows({
        'default/census': {
          ...source,
          dataOwner: 'eve',
          registeredAt: time(3),
          changes: [
            { ...change(2), at: time(2) },
            { ...change(1), at: time(1) },
          ],
        },
      });
  });

  it('keep a bounded number of changes', () => {
    const many = Array.from({ length: KEPT_CHANGES + 5 }, (_, number) => ({
      stream,
      type: 'DataSourceChanged' as const,
      data: { dataSourceId: 'census', ...change(number) },
    }));
    projectionSpec(dataSources)
      .given(recorded<MonitoringEvent>([{ stream, type: 'DataSourceRegistered', data: source }, ...many]))
      .thenRows({
        'default/census': {
          ...source,
          registeredAt: time(0),
          changes: Array.from({ length: KEPT_CHANGES }, (_, age) => {
            const number = KEPT_CHANGES + 4 - age;
            return { ...change(number), at: time(number + 1) };
          }),
        },
      });
  });
});

describe('alerts', () => {
  const stream = 'default/monitoring/monitor/daily';
  const raised = {
    alertId: id(3),
    monitorId: 'daily',
    endpoint,
    kind: 'dataSource' as const,
    severity: 'critical' as const,
    features: ['AGEP'],
    window,
    notify: [{ role: 'dataOwner' as const, actor: 'dan' }],
    sentence: 'age is 12.0 times its reference median.',
  };
  const acknowledged = { alertId: id(3), monitorId: 'daily', by: 'dan', comment: 'Months, not years.' };
  const resolved = { alertId: id(3), monitorId: 'daily', endpoint, window: null, reason: 'It is gone.' };
  const { by, comment } = acknowledged;
  const row = { ...raised, raisedAt: time(0) };

  it('go from raised over acknowledged to resolved', () => {
    const events = recorded<MonitoringEvent>([
      { stream, type: 'AlertRaised', data: raised },
      { stream, type: 'AlertAcknowledged', data: acknowledged },
      { stream, type: 'AlertResolved', data: resolved },
    ]);
    const acknowledgement = { by, comment, at: time(1) };
    projectionSpec(alerts)
      .given(events.slice(0, 1))
      .thenRows({ [`default/${id(3)}`]: { ...row, state: 'RAISED', acknowledgement: null, resolution: null } });
    projectionSpec(alerts)
      .given(events.slice(0, 2))
      .thenRows({ [`default/${id(3)}`]: { ...row, state: 'ACKNOWLEDGED', acknowledgement, resolution: null } });
    projectionSpec(alerts)
      .given(events)
      .thenRows({
        [`default/${id(3)}`]: {
          ...row,
          state: 'RESOLVED',
          acknowledgement,
          resolution: { reason: 'It is gone.', at: time(2) },
        },
      });
  });

  it('stay resolved when somebody acknowledges one afterwards', () => {
    projectionSpec(alerts)
      .given(
        recorded<MonitoringEvent>([
          { stream, type: 'AlertRaised', data: raised },
          { stream, type: 'AlertResolved', data: resolved },
          { stream, type: 'AlertAcknowledged', data: acknowledged },
        ]),
      )
      .thenRows({
        [`default/${id(3)}`]: {
          ...row,
          state: 'RESOLVED',
          acknowledgement: { by, comment, at: time(2) },
          resolution: { reason: 'It is gone.', at: time(1) },
        },
      });
  });
});
