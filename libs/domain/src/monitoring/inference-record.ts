import { z } from 'zod';

/**
 * From the year 1000 up to 9000: windows around such a moment have bounds that an RFC 3339 text can say. One record
 * beyond would stop whoever computes with it.
 */
const eventTimeMs = z.number().min(Date.UTC(1000, 0)).max(Date.UTC(9000, 0));

/** Rows and revisions are stored as 32-bit integers. */
const count32 = z
  .int()
  .min(0)
  .max(2 ** 31 - 1);

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
  eventTimeMs,
  rows: count32,
  /** 0 for a success, else the HTTP status that was answered. */
  errorStatus: z.int(),
  latencyMs: z.number(),
  nonFiniteOutputs: z.int(),
  /** Why an input of the request was refused, for a request that was. `input` is as the request named it. */
  refusal: z.strictObject({ code: z.string(), input: z.string().min(1).max(200) }).optional(),
  /**
   * Column name to one value per row: numbers, texts, booleans, or null for a missing one. No columns at all: the record
   * lost them on its way (serving drops them before it drops rows), which says nothing about the request.
   */
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
  row: count32,
  value: z.union([z.literal([0, 1]), z.boolean()]),
  /** Raised by a correction; the higher one wins. */
  revision: count32,
  observedAtMs: z.number(),
});
export type LabelRecord = z.output<typeof labelRecord>;
