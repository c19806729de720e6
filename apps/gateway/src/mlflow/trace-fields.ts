import { createHash } from 'node:crypto';
import { assessmentFields, checkedId, pairsOf, timestampMs, toAssessment } from './assessment-fields.js';
import type { ExperimentRow } from '../registry/experiments.projection.js';
import type { MlflowCall } from './call.js';
import { activeExperiment } from './experiments.js';
import { map, type Message, message, oneOf, repeated, required, string, wrongValue } from './message.js';
import { atMost, cut, timeMs } from './names.js';
import { TRACE_NAME } from './trace-filter.js';
import { LOCATION_TAGS } from './trace-json.js';

const PATH = 'trace.trace_info';

/** `TraceInfoV3` on the wire. @source MLflow 3.17, `service.proto` */
export const traceInfoFields = {
  trace_id: required(string),
  client_request_id: string,
  trace_location: required(message({ mlflow_experiment: required(message({ experiment_id: required(string) })) })),
  request_preview: string,
  response_preview: string,
  request_time: string,
  execution_duration: string,
  state: oneOf('OK', 'ERROR', 'IN_PROGRESS'),
  trace_metadata: map,
  tags: map,
  assessments: repeated(message(assessmentFields)),
} as const;

/** Milliseconds of protobuf's text of a duration. @throws MlflowError for what is none. */
const durationMs = (path: string, text: string): number => {
  const [, sign = '', seconds = '', fraction = ''] = /^(-?)(\d{1,12})(?:\.(\d{1,9}))?s$/.exec(text) ?? [];
  if (seconds === '') throw wrongValue(path, text);
  return Number(`${sign}1`) * (Number(seconds) * 1000 + Math.floor(Number(fraction.padEnd(9, '0')) / 1_000_000));
};

/** The tag that says why a trace could not be archived. Nothing is archived here. */
export const ARCHIVAL_FAILURE = 'mlflow.trace.archivalFailure';
const SYSTEM_TAGS: readonly string[] = [...Object.values(LOCATION_TAGS), ARCHIVAL_FAILURE];

/** Whether a tag is the system's own, which clients do not set. */
export const isSystemTag = (key: string): boolean => SYSTEM_TAGS.includes(key);

type Pairs = readonly { readonly key: string; readonly value?: string | undefined }[];

const toPairs = (pairs: Pairs) =>
  pairs.map(({ key, value = '' }) => ({ key: atMost(250, 'key', key), value: cut(8000, value) }));

/** The value of a tag, cut. @throws MlflowError for a name of a trace that is too long: MLflow refuses it instead. */
export const tagValue = (key: string, value: string): string =>
  cut(8000, key === TRACE_NAME ? atMost(4096, 'Trace name', value) : value);

/** Tags that a trace begins or ends with: the system's own are left out. */
export const toTraceTags = (pairs: Pairs) =>
  toPairs(pairs)
    .filter(({ key }) => !isSystemTag(key))
    .map(({ key, value }) => ({ key, value: tagValue(key, value) }));

export const toTraceMetadata = (pairs: Pairs) =>
  toPairs(pairs.filter(({ key }) => key !== 'mlflow.trace.infoFinalized'));

/** Previews are beginnings anyway. @source MLflow 3.17, `TRACE_REQUEST_RESPONSE_PREVIEW_MAX_LENGTH_OSS` */
export const PREVIEW_LIMIT = 1000;
const preview = (text: string | undefined): string | null => (text === undefined ? null : cut(PREVIEW_LIMIT, text));

/** Where the traces of an experiment belong. */
export const placesIn = ({ experimentId, artifactLocation }: ExperimentRow) => {
  const root = `${artifactLocation.replace(/\/$/, '')}/traces`;
  return (traceId: string) => ({ traceId, experimentId, artifactUri: `${root}/${traceId}/artifacts` });
};

/** An id that follows from the content, so that a repeated request makes no second assessment. */
const assessmentIdOf = (traceId: string, index: number, given: unknown): string =>
  `a-${createHash('sha256')
    .update(
      JSON.stringify([traceId, index, given], (_, value: unknown) =>
        typeof value === 'bigint' ? String(value) : value,
      ),
    )
    .digest('hex')
    .slice(0, 32)}`;

/** A whole trace as its client says it, as the registry takes it. */
export const toTrace = async (call: MlflowCall, info: Message<typeof traceInfoFields>) => {
  const { request_time: time, execution_duration: duration, assessments } = info;
  const traceId = checkedId(`${PATH}.trace_id`, info.trace_id);
  const placeOf = placesIn(await activeExperiment(call, info.trace_location.mlflow_experiment.experiment_id));
  const nowMs = Date.now();
  return {
    ...placeOf(traceId),
    isComplete: true,
    requestTimeMs: time === undefined ? 0 : timestampMs(`${PATH}.request_time`, time),
    executionDurationMs: duration === undefined ? null : durationMs(`${PATH}.execution_duration`, duration),
    state: info.state ?? 'STATE_UNSPECIFIED',
    clientRequestId: info.client_request_id ? atMost(250, 'client_request_id', info.client_request_id) : null,
    requestPreview: preview(info.request_preview),
    responsePreview: preview(info.response_preview),
    metadata: toTraceMetadata(pairsOf(info.trace_metadata)),
    tags: toTraceTags(pairsOf(info.tags)),
    assessments: assessments.map((given, n) =>
      toAssessment(`${PATH}.assessments[${n}]`, given, nowMs, assessmentIdOf(traceId, n, given)),
    ),
  };
};

/** A trace that begins, as clients before MLflow 3 say it. */
export const toBegunTrace = async (
  call: MlflowCall,
  traceId: string,
  given: {
    readonly experiment_id: string;
    readonly timestamp_ms: bigint;
    readonly request_metadata: Pairs;
    readonly tags: Pairs;
  },
) => ({
  ...placesIn(await activeExperiment(call, given.experiment_id))(traceId),
  ...{ isComplete: false, executionDurationMs: null, state: 'IN_PROGRESS', clientRequestId: null },
  requestTimeMs: timeMs('timestamp_ms', given.timestamp_ms),
  ...{ requestPreview: null, responsePreview: null, assessments: [] },
  metadata: toTraceMetadata(given.request_metadata),
  tags: toTraceTags(given.tags),
});
