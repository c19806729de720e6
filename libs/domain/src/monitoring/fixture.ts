import type { Actor } from '@kontor/event-sourcing';
import { metadata } from '@kontor/event-sourcing/testing';
import type { MonitoringCommand } from './commands.js';
import type { MonitoringEvent } from './events.js';

type EventData<Type extends MonitoringEvent['type']> = Extract<MonitoringEvent, { type: Type }>['data'];
export type CommandData<Type extends MonitoringCommand['type']> = Extract<MonitoringCommand, { type: Type }>['data'];

export const LOCAL: Actor = { id: 'local:x', kind: 'local', roles: [] };

/** A command of the person `ada`, unless said otherwise. */
export const command = <Type extends MonitoringCommand['type']>(
  type: Type,
  data: CommandData<Type>,
  actor?: Actor,
) => ({
  type,
  data,
  metadata: metadata(actor && { actor }),
});

/** A command of the platform itself. */
export const byService = <Type extends MonitoringCommand['type']>(type: Type, data: CommandData<Type>) =>
  command(type, data, { id: 'service:monitoring', kind: 'service', roles: [] });

export const id = (n: number): string => `01975b00-0000-7000-8000-${n.toString(16).padStart(12, '0')}`;
export const digestOf = (char: string): string => `sha256:${char.repeat(64)}`;

export const version = { modelName: 'employment', version: 1, manifestDigest: digestOf('a') };
export const dataset = { name: 'acs 2015', digest: digestOf('d'), rows: 10_000 };

export const monitorDefinition: EventData<'MonitorDefined'> = {
  monitorId: 'employment',
  endpoint: 'employment',
  baselineId: id(1),
  windowMs: 86_400_000,
  latenessMs: 0,
  psiThreshold: 0.1,
  persistence: { windows: 2, ofWindows: 3 },
  protectedAttributes: ['SEX'],
  dataSourceIds: ['census'],
};

/** A day of January 2016 as a window. */
export const day = (n: number): { start: string; end: string } => ({
  start: `2016-01-${String(n).padStart(2, '0')}T00:00:00.000Z`,
  end: `2016-01-${String(n + 1).padStart(2, '0')}T00:00:00.000Z`,
});

/** The command that closes a day, with one feature whose PSI and p are given. */
export const closing = (
  n: number,
  psi: { readonly value: number; readonly p: number; readonly n?: number },
  overrides: Partial<CommandData<'CloseWindow'>> = {},
): CommandData<'CloseWindow'> => ({
  monitorId: 'employment',
  window: day(n),
  rows: 5000,
  revisions: [{ revisionId: 'r1', rows: 5000 }],
  profileDigest: digestOf('f'),
  labels: 0,
  performance: null,
  fairness: [],
  drift: {
    baselineId: id(1),
    binsHash: digestOf('b'),
    features: [
      {
        feature: 'AGEP',
        jensenShannon: 0.1,
        kolmogorovSmirnov: 0.1,
        missing: 0,
        unseen: 0,
        outOfRange: 0,
        bins: 10,
        referenceRows: 10_000,
        n: 5000,
        ...psi,
      },
    ],
  },
  changes: [],
  sources: [{ dataSourceId: 'census', features: ['AGEP'], businessOwner: 'berta', dataOwner: 'dora' }],
  outcomes: null,
  alertIds: { drift: id(100 + n), dataSource: id(200 + n), performance: id(300 + n), fairness: id(400 + n) },
  ...overrides,
});

/** The source sends the age in months. */
export const monthsInsteadOfYears: CommandData<'CloseWindow'>['changes'][number] = {
  feature: 'AGEP',
  change: 'unit',
  sentence: 'AGEP is 12.0 times its reference: median 516 instead of 43 in 5000 rows',
  numbers: { factor: 12, median: 516, referenceMedian: 43, rows: 5000 },
};

const measured = (value: number) => ({ value, n: 10_000, low: null, high: null, reason: null });
export const performance: EventData<'EvaluationCompleted'>['performance'] = {
  accuracy: measured(0.83),
  logLoss: measured(0.4),
  rocAuc: measured(0.9),
};
