import { personal } from '@kontor/event-sourcing';
import { z } from 'zod';
import { digest } from '../values.js';
import { experimentId, keyValue, runId, tagValue } from './values.js';

/** MLflow's clients draw it: `tr-` and the id of OpenTelemetry's trace in hex. */
export const traceId = z.string().regex(/^[\p{L}\p{N}_.:-]{1,50}$/u, 'must be 1 to 50 letters, digits, _, ., : and -');
export const assessmentId = z
  .string()
  .regex(/^[\p{L}\p{N}_.:-]{1,50}$/u, 'must be 1 to 50 letters, digits, _, ., : and -');

/** @source MLflow 3.17, `mlflow/entities/trace_state.py` */
export const traceState = z.enum(['STATE_UNSPECIFIED', 'OK', 'ERROR', 'IN_PROGRESS']);

/** Also of a trace's metadata, which holds `mlflow.user` too. */
const tag = z.strictObject({ key: z.string(), value: tagValue(z.string()) });

/** The beginning of what a trace was asked, or answered: what people wrote. */
const preview = personal(z.string()).nullable();

/** What a search asks about a span. All of it is in the content store. */
export const spanIndex = z.strictObject({
  /** 16 hex digits. */
  spanId: z.string(),
  /** Null: the root of its trace. */
  parentSpanId: z.string().nullable(),
  name: z.string(),
  type: z.string(),
  status: z.enum(['UNSET', 'OK', 'ERROR']),
  /** Nanoseconds since 1970, in decimal. */
  startTimeUnixNano: z.string(),
});
export type SpanIndex = z.output<typeof spanIndex>;

/** What somebody, a program or a model says about a trace. */
export const assessment = z.strictObject({
  assessmentId,
  name: z.string(),
  kind: z.enum(['feedback', 'expectation', 'issue']),
  /** JSON, as Python writes it. */
  value: z.string(),
  /** Why there is no value. */
  error: z
    .strictObject({ errorCode: z.string(), errorMessage: z.string().nullable(), stackTrace: z.string().nullable() })
    .nullable(),
  sourceType: z.enum(['SOURCE_TYPE_UNSPECIFIED', 'HUMAN', 'LLM_JUDGE', 'CODE']),
  /** A person's address, where a person judged. */
  sourceId: personal(z.string()).nullable(),
  rationale: personal(z.string()).nullable(),
  metadata: z.array(keyValue),
  spanId: z.string().nullable(),
  /** The assessment that is not valid any more because of this one. */
  overrides: z.string().nullable(),
  createTimeMs: z.int(),
  lastUpdateTimeMs: z.int(),
});
export type Assessment = z.output<typeof assessment>;

const place = { traceId, experimentId, artifactUri: z.string() };

/** What the registry records of traces. */
export const traceEvents = {
  /** A client says what a trace is: at its end (`isComplete`), or, as clients before MLflow 3 do, at its beginning. */
  TraceLogged: z.strictObject({
    ...place,
    isComplete: z.boolean(),
    requestTimeMs: z.int(),
    executionDurationMs: z.int().nullable(),
    state: traceState,
    clientRequestId: z.string().nullable(),
    requestPreview: preview,
    responsePreview: preview,
    metadata: z.array(tag),
    tags: z.array(tag),
  }),
  /** The end of a trace whose beginning was logged. Metadata and tags are added to those that it has. */
  TraceEnded: z.strictObject({
    traceId,
    executionDurationMs: z.int(),
    state: traceState,
    metadata: z.array(tag),
    tags: z.array(tag),
  }),
  /** Spans of a trace, and what they say about it; the first ones begin it if nothing else did. */
  SpansLogged: z.strictObject({
    ...place,
    /** The spans as JSON, in the content store. */
    content: z.strictObject({ digest, sizeBytes: z.int().min(0) }),
    spans: z.array(spanIndex),
    requestTimeMs: z.int(),
    /** Null while all of them run. */
    endTimeMs: z.int().nullable(),
    /** Of the root; null if it is not among them. */
    state: traceState.nullable(),
    requestPreview: preview,
    responsePreview: preview,
    metadata: z.array(tag),
    tags: z.array(tag),
  }),
  TraceTagSet: tag.extend({
    traceId,
    /** Null also where it is personal. */
    previousValue: z.string().nullable(),
  }),
  /** `previousValue` is empty where it is personal. */
  TraceTagRemoved: z.strictObject({ traceId, key: z.string(), previousValue: z.string() }),
  TraceLinkedToRun: z.strictObject({ traceId, runId }),
  TraceLinkedToPrompts: z.strictObject({
    traceId,
    prompts: z.array(z.strictObject({ name: z.string(), version: z.string() })),
  }),
  /** With its spans and assessments, and for ever: its id names nothing else later. */
  TraceDeleted: z.strictObject({ traceId }),

  AssessmentCreated: z.strictObject({ traceId, assessment }),
  /** Only what changed. */
  AssessmentUpdated: z.strictObject({
    traceId,
    assessmentId,
    changed: assessment.pick({ name: true, value: true, error: true, rationale: true, metadata: true }).partial(),
    lastUpdateTimeMs: z.int(),
  }),
  /** What it overrode is valid again. */
  AssessmentDeleted: z.strictObject({ traceId, assessmentId }),
} as const;
