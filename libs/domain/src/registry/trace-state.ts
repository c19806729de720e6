import type { RegistryEvent } from './events.js';
import type { Assessment } from './trace-events.js';
import { withoutKey, withValues } from './pairs.js';

type Logged = Extract<RegistryEvent, { type: 'TraceLogged' }>['data'];
type Spans = Extract<RegistryEvent, { type: 'SpansLogged' }>['data'];

/** A trace as its events make it: what the rules know, and what readers see. */
export type Trace = Logged & {
  readonly deleted: boolean;
  /** Spans came on their own; else they are in a file below `artifactUri`, if anywhere. */
  readonly hasSpans: boolean;
  /** In the order in which they came. Not valid is what another one overrides. */
  readonly assessments: readonly (Assessment & { readonly valid: boolean })[];
  /** Beside the run of its metadata. */
  readonly runIds: readonly string[];
  /** `<name>/<version>` */
  readonly prompts: readonly string[];
};

const begun = (logged: Logged, hasSpans: boolean): Trace => ({
  ...logged,
  // A list may name a key twice.
  ...{ metadata: [...withValues([], logged.metadata)], tags: [...withValues([], logged.tags)] },
  ...{ deleted: false, hasSpans, assessments: [], runIds: [], prompts: [] },
});

/** What the client says stands over what spans said, but takes nothing away. */
const logged = (trace: Trace, data: Logged): Trace => ({
  ...trace,
  ...data,
  executionDurationMs: data.executionDurationMs ?? trace.executionDurationMs,
  clientRequestId: data.clientRequestId ?? trace.clientRequestId,
  requestPreview: data.requestPreview ?? trace.requestPreview,
  responsePreview: data.responsePreview ?? trace.responsePreview,
  metadata: [...withValues(trace.metadata, data.metadata)],
  tags: [...withValues(trace.tags, data.tags)],
});

const isOpen = ({ state }: Trace): boolean => state === 'IN_PROGRESS' || state === 'STATE_UNSPECIFIED';

/** From the first start to the last end that are known. */
const lasting = (
  trace: Trace,
  { requestTimeMs, endTimeMs }: Spans,
): Pick<Trace, 'requestTimeMs' | 'executionDurationMs'> => {
  if (trace.isComplete) return trace;
  const start = Math.min(trace.requestTimeMs, requestTimeMs);
  const known = trace.executionDurationMs === null ? null : trace.requestTimeMs + trace.executionDurationMs;
  const end = endTimeMs === null || known === null ? (endTimeMs ?? known) : Math.max(known, endTimeMs);
  return { requestTimeMs: start, executionDurationMs: end === null ? null : end - start };
};

/** @source MLflow 3.17, `SqlAlchemyStore.log_spans`: what spans may say of a trace that is there. */
const withSpans = (trace: Trace, data: Spans): Trace => ({
  ...trace,
  ...lasting(trace, data),
  hasSpans: true,
  state: isOpen(trace) ? (data.state ?? trace.state) : trace.state,
  requestPreview: trace.requestPreview ?? data.requestPreview,
  responsePreview: trace.responsePreview ?? data.responsePreview,
  metadata: [...withValues(data.metadata, trace.metadata)],
  tags: [...withValues(trace.tags, data.tags)],
});

const begunBySpans = ({ endTimeMs, state, content: _, spans: __, ...data }: Spans): Trace =>
  begun(
    {
      ...data,
      isComplete: false,
      executionDurationMs: endTimeMs === null ? null : endTimeMs - data.requestTimeMs,
      state: state ?? 'IN_PROGRESS',
      clientRequestId: null,
    },
    true,
  );

type Judged = Trace['assessments'];

const withValidity = (assessments: Judged, id: string | null, valid: boolean): Judged =>
  assessments.map((one) => (one.assessmentId === id ? { ...one, valid } : one));

const evolveAssessments = (assessments: Judged, event: RegistryEvent): Judged => {
  switch (event.type) {
    case 'AssessmentCreated': {
      const { assessment } = event.data;
      return [...withValidity(assessments, assessment.overrides, false), { ...assessment, valid: true }];
    }
    case 'AssessmentUpdated': {
      const { assessmentId, changed, lastUpdateTimeMs } = event.data;
      return assessments.map((one) =>
        one.assessmentId === assessmentId ? Object.assign({}, one, changed, { lastUpdateTimeMs }) : one,
      );
    }
    case 'AssessmentDeleted': {
      const { assessmentId } = event.data;
      const gone = assessments.find((one) => one.assessmentId === assessmentId);
      return withValidity(assessments, gone?.overrides ?? null, true).filter((one) => one !== gone);
    }
    default:
      return assessments;
  }
};

/**
 * A trace after an event of its stream; null before its first one.
 *
 * Values may be of any kind: readers keep personal ones encrypted.
 */
export const evolveTrace = (trace: Trace | null, event: RegistryEvent): Trace | null => {
  if (trace === null) {
    if (event.type === 'TraceLogged') return begun(event.data, false);
    return event.type === 'SpansLogged' ? begunBySpans(event.data) : null;
  }
  switch (event.type) {
    case 'TraceLogged':
      return logged(trace, event.data);
    case 'SpansLogged':
      return withSpans(trace, event.data);
    case 'TraceEnded': {
      const { executionDurationMs, state, metadata, tags } = event.data;
      return {
        ...trace,
        ...{ executionDurationMs, state },
        metadata: [...withValues(trace.metadata, metadata)],
        tags: [...withValues(trace.tags, tags)],
      };
    }
    case 'TraceTagSet':
      return { ...trace, tags: [...withValues(trace.tags, [{ key: event.data.key, value: event.data.value }])] };
    case 'TraceTagRemoved':
      return { ...trace, tags: [...withoutKey(trace.tags, event.data.key)] };
    case 'TraceLinkedToRun':
      return { ...trace, runIds: [...trace.runIds, event.data.runId] };
    case 'TraceLinkedToPrompts':
      return {
        ...trace,
        prompts: [...trace.prompts, ...event.data.prompts.map(({ name, version }) => `${name}/${version}`)],
      };
    case 'TraceDeleted':
      return { ...trace, deleted: true };
    default:
      return { ...trace, assessments: evolveAssessments(trace.assessments, event) };
  }
};
