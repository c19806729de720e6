import { type EventOf, personal } from '@kontor/event-sourcing';
import { z } from 'zod';
import { actorId, digest, instant, measure, modelVersionRef, slug, text } from '../values.js';

const count = z.int().min(0);
const featureName = z.string().min(1).max(200);

/** Reference bins of one feature, `bins@1`: they come from the reference alone and are stored with it. */
export const featureBins = z.strictObject({
  feature: featureName,
  kind: z.enum(['numeric', 'categorical']),
  /** Numeric: inner cut points, right-closed; a point bin {v} stands as the pair v, v. Categorical: empty. */
  edges: z.array(z.number()),
  categories: z.array(z.string()),
  /** Reference counts, one per bin, then missing, non-finite, type error and (categorical) other and unseen. */
  counts: z.array(count),
  min: z.number().nullable(),
  max: z.number().nullable(),
  /** Numeric: cells of the logarithmic histogram `cells@1` as [cell, count, sum]; its quantiles show a changed unit. */
  cells: z.array(z.tuple([z.int(), count, z.number()])),
});
export type FeatureBins = z.output<typeof featureBins>;

/** One feature of one window beside the baseline. */
export const featureDrift = z.strictObject({
  feature: featureName,
  method: z.literal('psi@1'),
  /** The effect: psi@1. */
  value: z.number().nullable(),
  jensenShannon: z.number().nullable(),
  /** A lower bound, from binned counts. */
  kolmogorovSmirnov: z.number().nullable(),
  p: z.number().nullable(),
  /** Benjamini-Hochberg over the features of the window. */
  pAdjusted: z.number().nullable(),
  threshold: z.number(),
  n: count,
  missing: z.number(),
  unseen: z.number(),
  outOfRange: z.number(),
  verdict: z.enum(['none', 'drift', 'insufficient']),
  sentence: text,
});

export const groupDifference = z.strictObject({
  attribute: featureName,
  metric: z.enum([
    'demographicParityDifference',
    'equalOpportunityDifference',
    'equalizedOddsDifference',
    'accuracyDifference',
  ]),
  difference: measure,
  groups: z.array(z.strictObject({ group: z.string(), n: count, positives: count, value: z.number().nullable() })),
});

/** Metrics of a binary classifier. Absent ones were not asked for; undefined ones carry a reason. */
export const performance = z.strictObject({
  accuracy: measure,
  logLoss: measure,
  rocAuc: measure,
});
/** What labels say of a window: its accuracy beside the baseline's, or the differences between groups. */
export const outcome = z.strictObject({
  metric: z.enum(['accuracy', 'equalizedOddsDifference']),
  /** The protected attribute of the groups; null for accuracy. */
  attribute: featureName.nullable(),
  value: z.number().nullable(),
  /** Accuracy of the baseline; null for a difference, which should be 0. */
  reference: z.number().nullable(),
  /** How much worse than it should be; at or above the threshold it counts. */
  effect: z.number().nullable(),
  p: z.number().nullable(),
  /** Benjamini-Hochberg over the outcomes of the window. */
  pAdjusted: z.number().nullable(),
  threshold: z.number(),
  /** Labelled rows. */
  n: count,
  verdict: z.enum(['none', 'degraded', 'insufficient']),
  sentence: text,
});
export type Outcome = z.output<typeof outcome>;
export type Performance = z.output<typeof performance>;
export type FeatureDrift = z.output<typeof featureDrift>;
export type GroupDifference = z.output<typeof groupDifference>;

/** Half open: from `start` up to, not including, `end`, in event time. */
export const window = z.strictObject({ start: instant, end: instant });
export type Window = z.output<typeof window>;

/** Rows of a CSV file (gzip or plain) in the artifact store, with a header line. */
export const dataset = z.strictObject({ name: z.string().min(1).max(300), digest, rows: count });
export type Dataset = z.output<typeof dataset>;

/** A version at the endpoint through which it is asked. */
export const servedVersion = z.strictObject({ endpoint: slug, version: modelVersionRef });

/** What is asked for an evaluation; the answer is {@link monitoringEvents.EvaluationCompleted}. */
export const evaluationRequest = z.strictObject({
  evaluationId: z.uuid(),
  endpoint: slug,
  version: modelVersionRef,
  dataset,
  /** Column with 0 or 1 (also true or false). */
  labelColumn: featureName,
  /** Columns that the model takes, each as one input of its own. */
  features: z.array(featureName).min(1).max(500),
  protectedAttributes: z.array(featureName).max(20),
  /** Columns; each of their values is one slice. */
  slices: z.array(featureName).max(20),
  compareWith: servedVersion.nullable(),
});
export type EvaluationRequest = z.output<typeof evaluationRequest>;

/** What is asked for a baseline; the answer is {@link monitoringEvents.BaselinePinned}. */
export const baselineRequest = z.strictObject({
  baselineId: z.uuid(),
  endpoint: slug,
  version: modelVersionRef,
  dataset,
  labelColumn: featureName.nullable(),
  features: z.array(featureName).min(1).max(500),
  /** Those of the features whose values are names, even if they are written as numbers. */
  categoricalFeatures: z.array(featureName).max(500),
});
export type BaselineRequest = z.output<typeof baselineRequest>;

export const monitoringEvents = {
  BaselineRequested: baselineRequest,
  BaselineFailed: z.strictObject({ baselineId: z.uuid(), endpoint: slug, reason: text.min(1) }),
  /** The reference that later windows are compared with. `binsHash` refuses a merge of profiles with other bins. */
  BaselinePinned: z.strictObject({
    baselineId: z.uuid(),
    version: modelVersionRef,
    dataset: z.strictObject({ name: z.string(), digest, rows: count }),
    features: z.array(featureBins).max(500),
    score: featureBins,
    binsHash: digest,
    performance: performance.nullable(),
  }),
  MonitorDefined: z.strictObject({
    monitorId: slug,
    endpoint: slug,
    baselineId: z.uuid(),
    windowMs: z.int().min(1000),
    /** How long after a window's end an event of it still counts, in event time. */
    latenessMs: count,
    psiThreshold: z.number().positive(),
    /** Windows in which effect and evidence must agree, of the last `ofWindows`. */
    persistence: z.strictObject({ windows: z.int().min(1), ofWindows: z.int().min(1) }),
    protectedAttributes: z.array(featureName),
    dataSourceIds: z.array(slug),
  }),
  EvaluationRequested: evaluationRequest,
  EvaluationFailed: z.strictObject({ evaluationId: z.uuid(), endpoint: slug, reason: text.min(1) }),
  EvaluationCompleted: z.strictObject({
    evaluationId: z.uuid(),
    endpoint: slug,
    environment: z.enum(['staging', 'production']),
    version: modelVersionRef,
    dataset: z.strictObject({ name: z.string(), digest, rows: count }),
    performance,
    slices: z.array(z.strictObject({ slice: z.string(), n: count, performance })),
    fairness: z.array(groupDifference),
    /** `maxDifference` is the largest `goldenDifference` of an output; null without golden rows. */
    golden: z.strictObject({ rows: count, maxDifference: z.number().nullable() }),
    /** The same rows through another version, if one was named. */
    comparedWith: z.strictObject({ version: modelVersionRef, performance }).nullable(),
  }),
  /** Features are complete; labels may still mature. Counters see all of the traffic. */
  WindowClosed: z.strictObject({
    monitorId: slug,
    endpoint: slug,
    window,
    rows: count,
    revisions: z.array(z.strictObject({ revisionId: z.string(), rows: count })),
    profileDigest: digest,
    labels: count,
    performance: performance.nullable(),
    fairness: z.array(groupDifference),
  }),
  /** Late rows or labels changed a closed window: a further answer, never a silent one. */
  WindowRevised: z.strictObject({
    monitorId: slug,
    endpoint: slug,
    window,
    revision: z.int().min(1),
    rows: count,
    labels: count,
    performance: performance.nullable(),
    fairness: z.array(groupDifference),
  }),
  DriftEvaluated: z.strictObject({
    monitorId: slug,
    endpoint: slug,
    window,
    baselineId: z.uuid(),
    binsHash: digest,
    features: z.array(featureDrift),
  }),
  /** Of a window with labels, at its close and at every revision; the newest one counts. */
  OutcomesEvaluated: z.strictObject({
    monitorId: slug,
    endpoint: slug,
    window,
    baselineId: z.uuid(),
    outcomes: z.array(outcome).min(1),
  }),
  DataSourceRegistered: z.strictObject({
    dataSourceId: slug,
    name: text,
    features: z.array(featureName),
    businessOwner: actorId,
    dataOwner: actorId,
  }),
  /** A sudden change upstream: what, in which feature, and the numbers that show it. */
  DataSourceChanged: z.strictObject({
    dataSourceId: slug,
    monitorId: slug,
    endpoint: slug,
    window,
    feature: featureName,
    change: z.enum(['unit', 'defaultFlood', 'schema', 'missing', 'unseen', 'outOfRange']),
    /** For example: "age is 12.0 times its reference median: 516 instead of 43". */
    sentence: text,
    numbers: z.record(z.string(), z.number()),
  }),
  AlertRaised: z.strictObject({
    alertId: z.uuid(),
    monitorId: slug,
    endpoint: slug,
    kind: z.enum(['drift', 'dataSource', 'performance', 'fairness']),
    severity: z.enum(['warning', 'critical']),
    features: z.array(featureName),
    window,
    notify: z.array(z.strictObject({ role: z.enum(['businessOwner', 'dataOwner', 'modelOwner']), actor: actorId })),
    sentence: text,
  }),
  AlertAcknowledged: z.strictObject({
    alertId: z.uuid(),
    monitorId: slug,
    by: actorId,
    comment: personal(text, { subject: '/by' }),
  }),
  AlertResolved: z.strictObject({
    alertId: z.uuid(),
    monitorId: slug,
    endpoint: slug,
    window: window.nullable(),
    reason: text,
  }),
  /** One per batch. The labels themselves are telemetry; their digest binds them to the log. */
  GroundTruthReceived: z.strictObject({
    batchId: z.uuid(),
    endpoint: slug,
    labelName: featureName,
    labels: count,
    digest,
    source: text,
  }),
} as const;

export type MonitoringEvent = EventOf<typeof monitoringEvents>;
