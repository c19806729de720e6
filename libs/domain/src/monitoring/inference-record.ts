import { z } from 'zod';

/**
 * What the data plane says of one request. Telemetry, never a domain event: stream INFER, subject
 * `kontor.infer.<workspace>.<endpoint>`; one message carries an array of records.
 */
export const inferenceRecord = z.strictObject({
  predictionId: z.uuid(),
  workspace: z.string(),
  endpoint: z.string(),
  revisionId: z.string(),
  modelName: z.string(),
  version: z.int(),
  /** Event time, milliseconds since 1970: when the request came in, or what a replay said in `event_time`. */
  eventTimeMs: z.number(),
  rows: z.int(),
  /** 0 for a success, else the HTTP status that was answered. */
  errorStatus: z.int(),
  latencyMs: z.number(),
  nonFiniteOutputs: z.int(),
  /** Column name to one value per row: numbers, texts, booleans, or null for a missing one. */
  features: z.record(z.string(), z.array(z.union([z.number(), z.string(), z.boolean(), z.null()]))),
  /** Probability of the positive class per row, range [0, 1]; empty for a failed request. */
  scores: z.array(z.number()),
});
export type InferenceRecord = z.output<typeof inferenceRecord>;

/** A label that became known later. Stream INFER, subject `kontor.label.<workspace>.<endpoint>`; an array per message. */
export const labelRecord = z.strictObject({
  predictionId: z.uuid(),
  workspace: z.string(),
  endpoint: z.string(),
  labelName: z.string(),
  /** The row of the request that it belongs to, from 0. */
  row: z.int().min(0),
  value: z.union([z.number(), z.boolean()]),
  /** Raised by a correction; the higher one wins. */
  revision: z.int().min(0),
  observedAtMs: z.number(),
});
export type LabelRecord = z.output<typeof labelRecord>;
