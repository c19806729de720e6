import type { TraceRow } from '../registry/traces.projection.js';
import { parsePythonJson } from './json.js';

type Assessment = TraceRow['assessments'][number];

/** Tags that say where the parts of a trace are. They follow from the trace, so no client sets them. */
export const LOCATION_TAGS = {
  artifacts: 'mlflow.artifactLocation',
  spans: 'mlflow.trace.spansLocation',
  archive: 'mlflow.trace.archiveLocation',
} as const;

/** Marks what a client has said in full. @source MLflow 3.17, `TraceMetadataKey.TRACE_INFO_FINALIZED` */
const COMPLETE = { key: 'mlflow.trace.infoFinalized', value: 'true' };

const withoutNulls = (members: Readonly<Record<string, unknown>>): object =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== null && value !== undefined));

/** A time as protobuf writes it: with as many digits after the second as it needs, by threes. */
const timestamp = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z');

const duration = (ms: number): string => (ms % 1000 === 0 ? `${ms / 1000}s` : `${(ms / 1000).toFixed(3)}s`);

const tagsOf = ({ tags, artifactUri, hasSpans }: TraceRow) => [
  ...tags,
  { key: LOCATION_TAGS.artifacts, value: artifactUri },
  ...(hasSpans ? [{ key: LOCATION_TAGS.spans, value: 'TRACKING_STORE' }] : []),
];

const metadataOf = ({ metadata, isComplete }: TraceRow) => (isComplete ? [...metadata, COMPLETE] : metadata);

const byKey = (pairs: readonly { readonly key: string; readonly value: string }[]): object =>
  Object.fromEntries(pairs.map(({ key, value }) => [key, value]));

/** What an assessment says. An expectation that is no single value travels as text. */
const judgement = ({ kind, value: text, error }: Assessment): object => {
  const value = parsePythonJson(text);
  switch (kind) {
    case 'feedback': {
      if (error === null) return { feedback: { value } };
      const { errorCode, errorMessage, stackTrace } = error;
      const shown = { error_code: errorCode, error_message: errorMessage, stack_trace: stackTrace };
      return { feedback: { value, error: withoutNulls(shown) } };
    }
    case 'expectation':
      return typeof value === 'object'
        ? { expectation: { serialized_value: { serialization_format: 'JSON_FORMAT', value: text } } }
        : { expectation: { value } };
    case 'issue':
      return { issue: value };
  }
};

export const assessmentJson = (traceId: string, assessment: Assessment): object => ({
  ...withoutNulls({
    assessment_id: assessment.assessmentId,
    assessment_name: assessment.name,
    trace_id: traceId,
    span_id: assessment.spanId,
    source: withoutNulls({ source_type: assessment.sourceType, source_id: assessment.sourceId }),
    create_time: timestamp(assessment.createTimeMs),
    last_update_time: timestamp(assessment.lastUpdateTimeMs),
    rationale: assessment.rationale,
    overrides: assessment.overrides,
    valid: assessment.valid,
  }),
  ...judgement(assessment),
  ...(assessment.metadata.length > 0 && { metadata: byKey(assessment.metadata) }),
});

/** `TraceInfoV3` */
export const traceInfoJson = (row: TraceRow): object => ({
  ...withoutNulls({
    trace_id: row.traceId,
    client_request_id: row.clientRequestId,
    trace_location: { type: 'MLFLOW_EXPERIMENT', mlflow_experiment: { experiment_id: row.experimentId } },
    request_preview: row.requestPreview,
    response_preview: row.responsePreview,
    request_time: timestamp(row.requestTimeMs),
    execution_duration: row.executionDurationMs === null ? null : duration(row.executionDurationMs),
    state: row.state,
    tags: byKey(tagsOf(row)),
  }),
  ...(metadataOf(row).length > 0 && { trace_metadata: byKey(metadataOf(row)) }),
  ...(row.assessments.length > 0 && {
    assessments: row.assessments.map((assessment) => assessmentJson(row.traceId, assessment)),
  }),
});

/** `TraceInfo`, as clients before MLflow 3 read it. */
export const oldTraceInfoJson = (row: TraceRow): object => ({
  request_id: row.traceId,
  experiment_id: row.experimentId,
  timestamp_ms: row.requestTimeMs,
  execution_time_ms: row.executionDurationMs ?? 0,
  status: row.state === 'STATE_UNSPECIFIED' ? 'TRACE_STATUS_UNSPECIFIED' : row.state,
  ...(metadataOf(row).length > 0 && { request_metadata: metadataOf(row) }),
  tags: tagsOf(row),
});
