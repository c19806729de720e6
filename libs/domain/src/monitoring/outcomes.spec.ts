import { describe, expect, it } from 'vitest';
import { deciderSpec, metadata } from '@kontor/event-sourcing/testing';
import type { MeasuredOutcomes, MonitoringCommand } from './commands.js';
import type { MonitoringEvent } from './events.js';
import { closing, id, monitorDefinition } from './fixture.js';
import { monitor } from './monitor.js';
import { judgeOutcomes } from './outcome-rule.js';

/** Seeded: the same draws in every run. */
const prng = (seed: number) => {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
};

type Data<Type extends MonitoringCommand['type']> = Extract<MonitoringCommand, { type: Type }>['data'];
type Windows = readonly (readonly [day: number, outcomes: MeasuredOutcomes])[];

const reference = { hits: 8300, n: 10_000 };
const accurate = (share: number, n = 5000): MeasuredOutcomes => ({
  accuracy: { hits: Math.round(share * n), n },
  reference,
  attributes: [],
});

/** Groups of 2,000 whose true positive rates are given; everything else is the same in each. */
const sexes = (first: number, second: number, size = 2000): MeasuredOutcomes => {
  const group = (name: string, rate: number) => ({
    group: name,
    truePositives: Math.round((rate * size) / 2),
    falseNegatives: Math.round(((1 - rate) * size) / 2),
    falsePositives: Math.round(0.1 * size),
    trueNegatives: Math.round(0.4 * size),
  });
  return {
    accuracy: reference,
    reference,
    attributes: [{ attribute: 'SEX', groups: [group('1', first), group('2', second)] }],
  };
};

const { given } = deciderSpec(monitor);
const SERVICE = metadata({ actor: { id: 'service:monitoring', kind: 'service', roles: [] } });

/** Windows are closed without labels; then the labels of each come, in the order given. */
const labelled = (windows: Windows): MonitoringEvent[] => {
  const events: MonitoringEvent[] = [{ type: 'MonitorDefined', data: monitorDefinition }];
  const send = (type: 'CloseWindow' | 'ReviseWindow', data: Data<'CloseWindow'> | Data<'ReviseWindow'>) =>
    events.push(
      ...given(events)
        .when({ type, data, metadata: SERVICE } as Extract<MonitoringCommand, { type: 'CloseWindow' | 'ReviseWindow' }>)
        .events(),
    );
  const days = [...new Set(windows.map(([day]) => day))].sort((a, b) => a - b);
  for (const day of days) send('CloseWindow', closing(day, { value: 0.01, p: 0.5 }));
  windows.forEach(([day, outcomes], nth) => {
    const { monitorId, window, performance, fairness, sources, alertIds } = closing(day, { value: 0, p: 1 });
    const said = { monitorId, window, rows: 5000, labels: 1000 + nth, performance, fairness };
    const ids = { ...alertIds, performance: id(300 + nth), fairness: id(400 + nth) };
    send('ReviseWindow', { ...said, outcomes, sources, alertIds: ids });
  });
  return events;
};

const alertsOf = (windows: Windows) =>
  labelled(windows).flatMap(({ type, data }) =>
    type === 'AlertRaised' ? [`${data.kind} ${data.severity}`] : type === 'AlertResolved' ? ['resolved'] : [],
  );

describe('an alert on performance', () => {
  it('is raised in the second of three windows below the baseline, tells all owners, and says by how much', () => {
    expect(alertsOf([[1, accurate(0.75)]])).toEqual([]);
    const events = labelled([
      [1, accurate(0.76)],
      [2, accurate(0.83)],
      [3, accurate(0.79)],
    ]);
    const [raised, ...others] = events.filter(({ type }) => type === 'AlertRaised');
    expect(others).toEqual([]);
    expect(raised?.data).toMatchObject({
      kind: 'performance',
      severity: 'warning',
      features: [],
      notify: [
        { role: 'businessOwner', actor: 'berta' },
        { role: 'dataOwner', actor: 'dora' },
      ],
      sentence: expect.stringContaining(
        'Accuracy is 79.0 % of 5000 labelled rows instead of 83.0 % in the baseline',
      ) as string,
    });
  });

  it('is critical from two and a half times the threshold', () => {
    expect(
      alertsOf([
        [1, accurate(0.77)],
        [2, accurate(0.77)],
      ]),
    ).toEqual(['performance critical']);
  });

  it('is raised once, and ends only clearly above the threshold', () => {
    const bad: Windows = [
      [1, accurate(0.75)],
      [2, accurate(0.75)],
      [3, accurate(0.75)],
    ];
    expect(alertsOf(bad)).toEqual(['performance critical']);
    expect(alertsOf([...bad, [4, accurate(0.8125)]])).toEqual(['performance critical']);
    expect(alertsOf([...bad, [4, accurate(0.82)]])).toEqual(['performance critical', 'resolved']);
  });

  it('ends when corrected labels show that nothing was wrong', () => {
    const windows: Windows = [
      [1, accurate(0.75)],
      [2, accurate(0.75)],
      [2, accurate(0.83)],
    ];
    expect(alertsOf(windows)).toEqual(['performance critical', 'resolved']);
  });

  it('does not depend on the order in which labels of windows come', () => {
    expect(
      alertsOf([
        [3, accurate(0.75)],
        [1, accurate(0.75)],
      ]),
    ).toEqual(['performance critical']);
    // The newest window is good again before the old ones are known to have been bad.
    expect(
      alertsOf([
        [3, accurate(0.83)],
        [2, accurate(0.75)],
        [1, accurate(0.75)],
      ]),
    ).toEqual([]);
  });

  it('is not raised by few labels, nor by a drop that is small however evident', () => {
    expect(
      alertsOf([
        [1, accurate(0.5, 1000)],
        [2, accurate(0.5, 1000)],
      ]),
    ).toEqual([]);
    expect(judgeOutcomes(accurate(0.5, 1000))).toMatchObject([
      { verdict: 'insufficient', sentence: expect.stringContaining('1000 labelled rows; at least ') as string },
    ]);
    const [own] = judgeOutcomes({ ...accurate(0.815, 1_000_000), reference: { hits: 830_000, n: 1_000_000 } });
    expect(own?.pAdjusted).toBeLessThan(1e-9);
    expect(own?.verdict).toBe('none');
  });

  it('is not looked for without labels in the baseline', () => {
    expect(judgeOutcomes({ ...accurate(0.5), reference: null })).toEqual([]);
    const tiny = judgeOutcomes({ ...accurate(0.5), reference: { hits: 8, n: 10 } });
    expect(tiny).toMatchObject([
      { verdict: 'insufficient', sentence: 'Accuracy: 5000 labelled rows; a larger labelled baseline is needed.' },
    ]);
  });
});

describe('an alert on fairness', () => {
  it('names the attribute, the groups and the rate, and ends when they agree again', () => {
    const events = labelled([
      [1, sexes(0.9, 0.7)],
      [2, sexes(0.9, 0.7)],
      [3, sexes(0.85, 0.82)],
    ]);
    const alert = events.find(({ type }) => type === 'AlertRaised');
    expect(alert?.data).toMatchObject({ kind: 'fairness', severity: 'warning', features: ['SEX'] });
    expect(alert?.data).toHaveProperty(
      'sentence',
      expect.stringContaining(
        'The true positive rate of SEX 1 is 20.0 points above that of SEX 2 in 4000 labelled rows',
      ),
    );
    expect(events.filter(({ type }) => type === 'AlertResolved')).toHaveLength(1);
  });

  it('is not raised by a difference that chance could have made: that is insufficient', () => {
    expect(judgeOutcomes(sexes(0.9, 0.7, 60)).at(-1)).toMatchObject({ verdict: 'insufficient' });
    expect(judgeOutcomes(sexes(0.9, 0.7, 20)).at(-1)).toMatchObject({
      verdict: 'insufficient',
      sentence: 'SEX: fewer than two groups have labels enough to be compared.',
    });
  });

  it('is not raised in 200 windows of nine equal groups, most of them small (seed 4711)', () => {
    const next = prng(4711);
    const sizes = [2000, 400, 400, 60, 60, 40, 40, 30, 30];
    const window = (): MeasuredOutcomes => ({
      ...accurate(0.83),
      attributes: [
        {
          attribute: 'RAC1P',
          groups: sizes.map((size, i) => {
            const counts = { truePositives: 0, falseNegatives: 0, falsePositives: 0, trueNegatives: 0 };
            for (let row = 0; row < size; row += 1) {
              const positive = next() < 0.5;
              const chosen = next() < (positive ? 0.85 : 0.2);
              if (positive) counts[chosen ? 'truePositives' : 'falseNegatives'] += 1;
              else counts[chosen ? 'falsePositives' : 'trueNegatives'] += 1;
            }
            return { group: String(i + 1), ...counts };
          }),
        },
      ],
    });
    const judged = Array.from({ length: 200 }, () => judgeOutcomes(window()).at(-1));
    // The greatest difference is above the threshold nearly always, and by chance.
    expect(judged.filter((own) => (own?.effect ?? 0) >= 0.1).length).toBeGreaterThan(150);
    expect(judged.filter((own) => own?.verdict === 'degraded').length).toBeLessThanOrEqual(2);
  });

  it('leaves drift of the same feature to be seen', () => {
    const unfair: Windows = [
      [1, sexes(0.9, 0.7)],
      [2, sexes(0.9, 0.7)],
    ];
    const events = labelled(unfair);
    for (const day of [3, 4]) {
      const base = closing(day, { value: 0.3, p: 1e-9 });
      const features = base.drift.features.map((own) => ({ ...own, feature: 'SEX' }));
      const data = { ...base, drift: { ...base.drift, features } };
      events.push(...given(events).when({ type: 'CloseWindow', data, metadata: SERVICE }).events());
    }
    expect(events.filter(({ type }) => type === 'AlertRaised')).toHaveLength(2);
  });
});
