import type { CommandOf } from '@kontor/event-sourcing';
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
  DefineMonitor: MonitorDefined,
  RegisterDataSource: DataSourceRegistered,
  /** From the window worker: one window of one monitor, measured. Sending it again changes nothing. */
  CloseWindow: WindowClosed.omit({ endpoint: true }).extend({
    drift: z.strictObject({
      baselineId: z.uuid(),
      binsHash: digest,
      features: z.array(measuredDrift).max(500),
    }),
    changes: z.array(measuredChange).max(500),
    /** The sources that the monitor names, as registered now. */
    sources: z.array(DataSourceRegistered.omit({ name: true })).max(100),
    /** Ids for the alerts that this window may raise, derived by the sender from monitor and window. */
    alertIds: z.strictObject({ drift: z.uuid(), dataSource: z.uuid() }),
  }),
  /** From the window worker: late rows or labels of a closed window. Sending it again changes nothing. */
  ReviseWindow: WindowRevised.omit({ endpoint: true, revision: true }),
  AcknowledgeAlert: z.strictObject({ monitorId: slug, alertId: z.uuid(), comment: text }),
  ReceiveGroundTruth: GroundTruthReceived,
} as const;

export type MonitoringCommand = CommandOf<typeof monitoringCommands>;
