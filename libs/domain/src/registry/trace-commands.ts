import { personal } from '@kontor/event-sourcing';
import { z } from 'zod';
import { digest } from '../values.js';
import { assessment, assessmentId, spanIndex, traceId, traceState } from './trace-events.js';
import { experimentId, key, runId, tagValue, upTo } from './values.js';

// Limits of keys and tags are those of MLflow 3.17, mlflow/utils/validation.py, of previews, names and ids the widths of its
// columns; all others our own.
const tag = z.strictObject({ key, value: tagValue(upTo(8000)) });
/** Bounds the event; MLflow has no limit. */
const tags = z.array(tag).max(1000);
const preview = personal(upTo(1000)).nullable();
/** JSON of a value, and why. */
const judged = upTo(24_000);

const given = assessment.extend({
  name: upTo(250).min(1),
  value: judged,
  error: z
    .strictObject({
      errorCode: upTo(250),
      errorMessage: upTo(8000).nullable(),
      stackTrace: upTo(8000).nullable(),
    })
    .nullable(),
  sourceId: personal(upTo(250)).nullable(),
  rationale: personal(judged).nullable(),
  metadata: z.array(z.strictObject({ key, value: upTo(8000) })).max(100),
  spanId: upTo(50).nullable(),
});

const place = { traceId, experimentId, artifactUri: upTo(2200) };

/** Ids and times are drawn at the edge, which also reads what spans say about their trace. */
export const traceCommands = {
  /** What is said of a trace that spans have begun counts for more than what they say. */
  LogTrace: z.strictObject({
    ...place,
    isComplete: z.boolean(),
    requestTimeMs: z.int(),
    executionDurationMs: z.int().nullable(),
    state: traceState,
    clientRequestId: upTo(250).nullable(),
    requestPreview: preview,
    responsePreview: preview,
    metadata: tags,
    tags,
    assessments: z.array(given).max(100),
  }),
  EndTrace: z.strictObject({ traceId, endTimeMs: z.int(), state: traceState, metadata: tags, tags }),
  /** One request's spans of one trace, which are in the content store. */
  LogSpans: z.strictObject({
    ...place,
    content: z.strictObject({ digest, sizeBytes: z.int().min(0) }),
    spans: z
      .array(spanIndex.extend({ name: upTo(250), type: upTo(250) }))
      .min(1)
      .max(1000),
    requestTimeMs: z.int(),
    endTimeMs: z.int().nullable(),
    state: traceState.nullable(),
    requestPreview: preview,
    responsePreview: preview,
    metadata: tags,
    tags,
  }),
  SetTraceTag: z.strictObject({ traceId, ...tag.shape }),
  RemoveTraceTag: z.strictObject({ traceId, key }),
  LinkTraceToRun: z.strictObject({ traceId, runId }),
  LinkTraceToPrompts: z.strictObject({
    traceId,
    prompts: z.array(z.strictObject({ name: upTo(256).min(1), version: upTo(20).min(1) })).max(100),
  }),
  DeleteTrace: z.strictObject({ traceId }),
  CreateAssessment: z.strictObject({ traceId, assessment: given }),
  /** Absent changes nothing; metadata is added to what is there. `kind`: what the new value is of. */
  UpdateAssessment: z.strictObject({
    traceId,
    assessmentId,
    kind: assessment.shape.kind.optional(),
    changed: given.pick({ name: true, value: true, error: true, rationale: true, metadata: true }).partial(),
  }),
  DeleteAssessment: z.strictObject({ traceId, assessmentId }),
} as const;
