import { describe, expect, it } from 'vitest';
import { isRejected } from '@kontor/event-sourcing';
import { deciderSpec, metadata } from '@kontor/event-sourcing/testing';
import { psi } from '@kontor/statistics';
import { baseline } from './baseline.js';
import type { MonitoringCommand } from './commands.js';
import { monitoring } from './context.js';
import { dataSource } from './data-source.js';
import { judgeDrift, minimalRows } from './drift-rule.js';
import { evaluation } from './evaluation.js';
import type { FeatureBins, MonitoringEvent } from './events.js';
import { closing, dataset, day, digestOf, id, monitorDefinition, monthsInsteadOfYears, version } from './fixture.js';
import { groundTruth } from './ground-truth.js';
import { monitor } from './monitor.js';
import { CHANGE_MIN_ROWS, sourceChanges, type WindowProfile } from './source-change.js';

const SERVICE = metadata({ actor: { id: 'service:monitoring', kind: 'service', roles: [] } });
type Data<Type extends MonitoringCommand['type']> = Extract<MonitoringCommand, { type: Type }>['data'];
const person = <Type extends MonitoringCommand['type']>(type: Type, data: Data<Type>) => ({
  type,
  data,
  metadata: metadata(),
});
const service = <Type extends MonitoringCommand['type']>(type: Type, data: Data<Type>) => ({
  type,
  data,
  metadata: SERVICE,
});

describe('evaluation', () => {
  const request = {
    evaluationId: id(5),
    endpoint: 'employment-staging',
    version,
    dataset,
    labelColumn: 'employed',
    features: ['AGEP'],
    protectedAttributes: ['SEX'],
    slices: [],
    compareWith: null,
  };
  const requested: MonitoringEvent = { type: 'EvaluationRequested', data: request };
  const failed: MonitoringEvent = {
    type: 'EvaluationFailed',
    data: { evaluationId: id(5), endpoint: 'employment-staging', reason: 'no rows' },
  };
  const fail = { evaluationId: id(5), reason: 'no rows' };
  const { given } = deciderSpec(evaluation);

  it('is requested once, whatever how often it is sent', () => {
    given([]).when(person('RequestEvaluation', request)).then([requested]);
    given([requested]).when(person('RequestEvaluation', request)).thenNothing();
    given([requested])
      .when(person('RequestEvaluation', { ...request, features: ['SCHL'] }))
      .thenRejected('EVALUATION_EXISTS');
  });

  it('needs rows', () => {
    given([])
      .when(person('RequestEvaluation', { ...request, dataset: { ...dataset, rows: 0 } }))
      .thenRejected('DATASET_EMPTY');
  });

  it('ends once, and only by the service', () => {
    given([requested]).when(service('FailEvaluation', fail)).then([failed]);
    given([requested]).when(person('FailEvaluation', fail)).thenRejected('SERVICE_ONLY');
    given([requested, failed]).when(service('FailEvaluation', fail)).thenRejected('EVALUATION_NOT_REQUESTED');
  });
});

describe('baseline', () => {
  const request = {
    baselineId: id(1),
    endpoint: 'employment-staging',
    version,
    dataset,
    labelColumn: null,
    features: ['AGEP'],
    categoricalFeatures: [],
  };
  const requested: MonitoringEvent = { type: 'BaselineRequested', data: request };
  const { given } = deciderSpec(baseline);

  it('is requested once and fails with its reason', () => {
    given([]).when(person('RequestBaseline', request)).then([requested]);
    given([requested])
      .when(person('RequestBaseline', { ...request, features: ['SCHL'] }))
      .thenRejected('BASELINE_EXISTS');
    given([requested])
      .when(service('FailBaseline', { baselineId: id(1), reason: 'absent' }))
      .then([
        { type: 'BaselineFailed', data: { baselineId: id(1), endpoint: 'employment-staging', reason: 'absent' } },
      ]);
    given([])
      .when(service('FailBaseline', { baselineId: id(1), reason: 'absent' }))
      .thenRejected('BASELINE_NOT_REQUESTED');
  });
});

describe('data source and ground truth', () => {
  it('registers a source again when its owners change', () => {
    const source = {
      dataSourceId: 'census',
      name: 'Census',
      features: ['AGEP'],
      businessOwner: 'berta',
      dataOwner: 'dora',
    };
    const registered: MonitoringEvent = { type: 'DataSourceRegistered', data: source };
    const { given } = deciderSpec(dataSource);
    given([registered]).when(person('RegisterDataSource', source)).thenNothing();
    const other = { ...source, dataOwner: 'emil' };
    given([registered])
      .when(person('RegisterDataSource', other))
      .then([{ type: 'DataSourceRegistered', data: other }]);
  });

  it('refuses another batch of labels under the same id', () => {
    const batch = {
      batchId: id(9),
      endpoint: 'employment',
      labelName: 'employed',
      labels: 3,
      digest: digestOf('c'),
      source: 'survey',
    };
    const received: MonitoringEvent = { type: 'GroundTruthReceived', data: batch };
    const { given } = deciderSpec(groundTruth);
    given([received]).when(person('ReceiveGroundTruth', batch)).thenNothing();
    given([received])
      .when(person('ReceiveGroundTruth', { ...batch, labels: 4 }))
      .thenRejected('GROUND_TRUTH_EXISTS');
  });
});

describe('monitor', () => {
  const { given } = deciderSpec(monitor);
  const defined: MonitoringEvent = { type: 'MonitorDefined', data: monitorDefinition };
  const drifted = { value: 0.3, p: 1e-9 };
  const calm = { value: 0.01, p: 0.5 };

  /** The events of several windows, one after the other. */
  const after = (...windows: readonly Data<'CloseWindow'>[]): MonitoringEvent[] => {
    const events: MonitoringEvent[] = [defined];
    for (const data of windows) events.push(...given(events).when(service('CloseWindow', data)).events());
    return events;
  };
  const alerts = (events: readonly MonitoringEvent[]) =>
    events.filter(({ type }) => type === 'AlertRaised' || type === 'AlertResolved').map(({ type }) => type);

  it('is defined once, with a persistence that is possible', () => {
    given([]).when(person('DefineMonitor', monitorDefinition)).then([defined]);
    given([defined])
      .when(person('DefineMonitor', { ...monitorDefinition, latenessMs: 5 }))
      .thenRejected('MONITOR_EXISTS');
    given([])
      .when(person('DefineMonitor', { ...monitorDefinition, persistence: { windows: 3, ofWindows: 2 } }))
      .thenRejected('PERSISTENCE_IMPOSSIBLE');
  });

  it('takes windows from the service only, of its own baseline, and each once', () => {
    given([defined])
      .when(person('CloseWindow', closing(1, calm)))
      .thenRejected('SERVICE_ONLY');
    given([])
      .when(service('CloseWindow', closing(1, calm)))
      .thenRejected('MONITOR_UNKNOWN');
    const other = closing(1, calm);
    given([defined])
      .when(service('CloseWindow', { ...other, drift: { ...other.drift, baselineId: id(2) } }))
      .thenRejected('MONITOR_BASELINE_MISMATCH');
    given(after(closing(1, calm)))
      .when(service('CloseWindow', closing(1, calm)))
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

  it('says of few rows that they are too few', () => {
    const events = after(closing(1, { value: 0.5, p: 1e-9, n: 50 }));
    const judged = events.find(({ type }) => type === 'DriftEvaluated');
    expect(judged?.data).toMatchObject({ features: [{ verdict: 'insufficient' }] });
  });

  it('revises closed windows only, and counts the revisions', () => {
    const revision = {
      monitorId: 'employment',
      window: day(1),
      rows: 5000,
      labels: 10,
      performance: null,
      fairness: [],
    };
    given([defined]).when(service('ReviseWindow', revision)).thenRejected('WINDOW_NOT_CLOSED');
    const closed = after(closing(1, calm));
    const revised: MonitoringEvent = {
      type: 'WindowRevised',
      data: { ...revision, endpoint: 'employment', revision: 1 },
    };
    given(closed).when(service('ReviseWindow', revision)).then([revised]);
    const later = { ...revision, labels: revision.labels + 1 };
    given([...closed, revised])
      .when(service('ReviseWindow', later))
      .then([{ type: 'WindowRevised', data: { ...later, endpoint: 'employment', revision: 2 } }]);
    given([...closed, revised])
      .when(service('ReviseWindow', revision))
      .thenNothing();
  });

  it('is defined only while its baseline has been answered: the append holds that still', () => {
    const command = person('DefineMonitor', monitorDefinition);
    const baselineStream = `default/monitoring/baseline/${monitorDefinition.baselineId}`;
    expect(monitoring.routes['DefineMonitor']?.guards?.(command)).toEqual([{ stream: baselineStream, expected: 2n }]);
  });

  it('acknowledges open alerts', () => {
    const acknowledge = { monitorId: 'employment', alertId: id(102), comment: 'seen' };
    const raised = after(closing(1, drifted), closing(2, drifted));
    given(raised)
      .when(person('AcknowledgeAlert', acknowledge))
      .then([{ type: 'AlertAcknowledged', data: { ...acknowledge, by: 'ada' } }]);
    given([defined]).when(person('AcknowledgeAlert', acknowledge)).thenRejected('ALERT_UNKNOWN');
    const resolved = after(closing(1, drifted), closing(2, drifted), closing(3, calm));
    given(resolved).when(person('AcknowledgeAlert', acknowledge)).thenRejected('ALERT_NOT_OPEN');
  });
});

/** Seeded: the same draws in every run. */
const draws = (seed: number) => {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
};

describe('the alert rule is honest', () => {
  const sample = (next: () => number, n: number, tilt = 0): number[] => {
    const counts = new Array<number>(10).fill(0);
    for (let i = 0; i < n; i += 1) {
      const bin = Math.min(9, Math.floor((next() * (1 - tilt) + tilt * Math.sqrt(next())) * 10));
      counts[bin] = (counts[bin] ?? 0) + 1;
    }
    return counts;
  };
  const measured = (feature: string, reference: number[], n: number, current: number[]) => {
    const result = psi(reference, current);
    const base = closing(1, { value: result?.value ?? 0, p: result?.p ?? 1, n }).drift.features;
    return base.map((own) => ({ ...own, feature, bins: result?.bins ?? 0 }));
  };

  it('raises no alert in 100 windows of 50 features without drift (seed 4711)', () => {
    const next = draws(4711);
    const references = Array.from({ length: 50 }, () => sample(next, 10_000));
    let events: MonitoringEvent[] = [{ type: 'MonitorDefined', data: monitorDefinition }];
    let raised = 0;
    for (let window = 0; window < 100; window += 1) {
      const features = references.flatMap((reference, i) => measured(`f${i}`, reference, 500, sample(next, 500)));
      const start = new Date(Date.UTC(2016, 0, 1 + window)).toISOString();
      const base = closing(1, { value: 0, p: 1 });
      const data = { ...base, window: { start, end: start }, drift: { ...base.drift, features } };
      const state = events.reduce(monitor.evolve, monitor.initialState);
      const decision = monitor.decide(service('CloseWindow', data), state);
      if (isRejected(decision)) throw new Error(decision.rejection.code);
      raised += decision.filter(({ type }) => type === 'AlertRaised').length;
      events = [...events, ...decision];
    }
    expect(raised).toBe(0);
  });

  it('stays silent about a tiny shift however many rows show it', () => {
    const next = draws(7);
    const [own] = judgeDrift(measured('AGEP', sample(next, 70_000), 70_000, sample(next, 70_000, 0.06)), 0.1);
    expect(own?.pAdjusted).toBeLessThan(0.01);
    expect(own?.verdict).toBe('none');
  });

  it('knows the fewest rows of the reference tables', () => {
    // The smallest n = m at which 5 % of windows without drift stay below 0.1.
    expect(minimalRows(10, 338, 0.1)).toBeGreaterThan(338);
    expect(minimalRows(10, 339, 0.1)).toBeLessThanOrEqual(339);
    expect(minimalRows(30, 851, 0.1)).toBeGreaterThan(851);
    expect(minimalRows(30, 852, 0.1)).toBeLessThanOrEqual(852);
    expect(minimalRows(10, 100, 0.1)).toBe(Infinity);
  });
});

describe('changes of a source', () => {
  const cells = (values: readonly (readonly [number, number])[]) =>
    values.map(([value, count], i) => [i + 1, count, value * count] as [number, number, number]);
  const ages = Array.from({ length: 50 }, (_, i) => [18 + i, 20] as const);
  const bins: FeatureBins = {
    feature: 'AGEP',
    kind: 'numeric',
    edges: [43],
    categories: [],
    counts: [500, 500, 0, 0, 0],
    min: 18,
    max: 67,
    cells: cells(ages),
  };
  const profile = (overrides: Partial<WindowProfile> = {}): WindowProfile => ({
    rows: 1000,
    missing: 0,
    nonFinite: 0,
    typeError: 0,
    unseen: 0,
    outOfRange: 0,
    cells: bins.cells,
    ...overrides,
  });
  const found = (own: WindowProfile | undefined, unknown: readonly [string, number][] = [], rows = 1000, of = bins) =>
    sourceChanges([of], new Map(own ? [[of.feature, own]] : []), new Map(unknown), rows).map(({ change }) => change);

  it('are none in a normal window', () => expect(found(profile())).toEqual([]));

  it.each([12, 1000, 1 / 12, 0.0254, 7])('name a unit that is %s times the reference', (factor) => {
    const scaled = cells(ages.map(([value, count]) => [value * factor, count]));
    expect(found(profile({ cells: scaled, outOfRange: 900 }))).toEqual(['unit']);
  });

  it('name a default value that floods the feature', () => {
    const flooded = [[-9999, 400, -9999 * 400] as const, ...cells(ages.map(([value]) => [value, 12]))];
    const [change] = sourceChanges([bins], new Map([['AGEP', profile({ cells: flooded })]]), new Map(), 1000);
    expect(change?.sentence).toBe('AGEP is -9999 in 40.0 % of 1000 rows instead of 0.0 %');
  });

  it('name another type, a lost column and a new column', () => {
    expect(found(profile({ typeError: 500 }))).toEqual(['schema']);
    expect(found(undefined)).toEqual(['schema']);
    expect(found(profile(), [['AGE', 1000]])).toEqual(['schema']);
  });

  it('name missing values, unseen categories and values out of range', () => {
    expect(found(profile({ missing: 300 }))).toEqual(['missing']);
    const categorical: FeatureBins = { ...bins, kind: 'categorical', categories: ['1'], counts: [1000, 0, 0, 0, 0, 0] };
    expect(found(profile({ unseen: 200 }), [], 1000, categorical)).toEqual(['unseen']);
    expect(found(profile({ outOfRange: 300 }))).toEqual(['outOfRange']);
  });

  it('are not looked for in few rows', () => {
    expect(found(undefined, [], CHANGE_MIN_ROWS - 1)).toEqual([]);
  });
});
