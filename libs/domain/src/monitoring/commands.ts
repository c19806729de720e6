import { type CommandOf, personal } from '@kontor/event-sourcing';
import { z } from 'zod';
import { digest, slug, text } from '../values.js';
import { baselineRequest, evaluationRequest, featureDrift, monitoringEvents } from './events.js';

const { BaselinePinned, EvaluationCompleted, MonitorDefined, DataSourceRegistered, DataSourceChanged } =
  monitoringEvents;
const { WindowClosed, WindowRevised, GroundTruthReceived } = monitoringEvents;

/** What was measured of one feature. Whether that is drift, and whether it alerts, is decided here. */
export const measuredDrift = featureDrift
  .omit({ pAdjusted: true, threshold: true, verdict: true, sentence: true, method: true })
  .extend({
    /** Bins that are not empty on both sides. */
    bins: z.int().min(0),
    /** Rows of the reference. */
    referenceRows: z.int().min(0),
  });
export type MeasuredDrift = z.output<typeof measuredDrift>;

/** What the detector found, with the owners of the source as they are now. */
export const measuredChange = DataSourceChanged.pick({ feature: true, change: true, sentence: true, numbers: true });
export type MeasuredChange = z.output<typeof measuredChange>;

/** A year: longer windows would say of a fault when it is history. */
const LONGEST_MS = 366 * 86_400_000;

const counted = z.int().min(0);
const rightAnswers = z.strictObject({ hits: counted, n: counted });

/** What labels say of one window, as counts. What follows from them is decided here. */
export const measuredOutcomes = z.strictObject({
  accuracy: rightAnswers,
  /** Of the baseline; null if it has no labels. */
  reference: rightAnswers.nullable(),
  attributes: z.array(
    z.strictObject({
      attribute: z.string().min(1).max(200),
      groups: z.array(
        z.strictObject({
          group: z.string(),
          truePositives: counted,
          falsePositives: counted,
          trueNegatives: counted,
          falseNegatives: counted,
        }),
      ),
    }),
  ),
});
export type MeasuredOutcomes = z.output<typeof measuredOutcomes>;

/** What every answer about a window carries beside its numbers, so that it can raise and resolve alerts. */
const alerting = z.strictObject({
  /** Null for a window without labels. */
  outcomes: measuredOutcomes.nullable(),
  /** The sources that the monitor names, as registered now. */
  sources: z.array(DataSourceRegistered.omit({ name: true })).max(100),
  /** Ids for the alerts that this answer may raise, derived by the sender from what it measured. */
  alertIds: z.strictObject({ drift: z.uuid(), dataSource: z.uuid(), performance: z.uuid(), fairness: z.uuid() }),
});

/** Commands for people: Request…, DefineMonitor, RegisterDataSource, AcknowledgeAlert, ReceiveGroundTruth. */
export const monitoringCommands = {
  RequestBaseline: baselineRequest,
  /** From the worker of this service: the reference profile that it computed. */
  PinBaseline: BaselinePinned,
  FailBaseline: z.strictObject({ baselineId: z.uuid(), reason: text.min(1) }),
  RequestEvaluation: evaluationRequest,
  /** From the worker of this service. */
  CompleteEvaluation: EvaluationCompleted,
  FailEvaluation: z.strictObject({ evaluationId: z.uuid(), reason: text.min(1) }),
  DefineMonitor: MonitorDefined.extend({
    windowMs: MonitorDefined.shape.windowMs.max(LONGEST_MS),
    latenessMs: MonitorDefined.shape.latenessMs.max(LONGEST_MS),
    protectedAttributes: MonitorDefined.shape.protectedAttributes.max(20),
    dataSourceIds: MonitorDefined.shape.dataSourceIds.max(100),
  }),
  RegisterDataSource: DataSourceRegistered,
  /** From the window worker: one window of one monitor, measured. Sent again with other numbers, it is a revision. */
  CloseWindow: WindowClosed.omit({ endpoint: true }).extend({
    drift: z.strictObject({
      baselineId: z.uuid(),
      binsHash: digest,
      /** Of the baseline, and the score. */
      features: z.array(measuredDrift).max(501),
    }),
    changes: z.array(measuredChange).max(1000),
    ...alerting.shape,
  }),
  /** From the window worker: late rows or labels of a closed window. Sending it again changes nothing. */
  ReviseWindow: WindowRevised.omit({ endpoint: true, revision: true }).extend(alerting.shape),
  AcknowledgeAlert: z.strictObject({ monitorId: slug, alertId: z.uuid(), comment: personal(text) }),
  ReceiveGroundTruth: GroundTruthReceived,
} as const;

export type MonitoringCommand = CommandOf<typeof monitoringCommands>;
