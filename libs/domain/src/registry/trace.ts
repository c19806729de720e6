import { type CommandOf, type Decider, type Decision, reject, unreachable } from '@kontor/event-sourcing';
import type { registryCommands } from './commands.js';
import { inEvents, jsonBytes, MAX_WHOLE_BYTES } from './event-size.js';
import { PERSONAL_TAGS, type RegistryEvent } from './events.js';
import { hasPoint, NO_POINTS, type PointSet, withPoints } from './point-set.js';
import type { RegistryRejection } from './rejections.js';
import { evolveTrace, type Trace } from './trace-state.js';

export interface TraceStreamState {
  /** Null before the first event. */
  readonly trace: Trace | null;
  /** Digests of the spans that came, so that those of a repeated request are recognised. */
  readonly contents: PointSet;
}

export type TraceCommand = CommandOf<
  typeof registryCommands,
  | 'LogTrace'
  | 'EndTrace'
  | 'LogSpans'
  | 'SetTraceTag'
  | 'RemoveTraceTag'
  | 'LinkTraceToRun'
  | 'LinkTraceToPrompts'
  | 'DeleteTrace'
  | 'CreateAssessment'
  | 'UpdateAssessment'
  | 'DeleteAssessment'
>;
type DataOf<Type extends TraceCommand['type']> = Extract<TraceCommand, { type: Type }>['data'];
type Decided = Decision<RegistryEvent, RegistryRejection>;

/**
 * Characters of JSON of spans per event: fewer than others have, since what the first event says beside them (previews,
 * metadata, tags) is within the rest, or the request is refused as too large.
 */
const EVENT_CHARACTERS = 60_000;

/** What the events make of the trace, if that is anything new. */
const ifNew = (trace: Trace | null, events: readonly RegistryEvent[]): readonly RegistryEvent[] =>
  JSON.stringify(events.reduce(evolveTrace, trace)) === JSON.stringify(trace) ? [] : events;

/** Why one of these assessments, or what changes of one, is not kept. */
const refuseLarge = (traceId: string, said: readonly { readonly assessmentId: string }[]) => {
  const large = said.find((one) => jsonBytes(one) > MAX_WHOLE_BYTES);
  if (large === undefined) return undefined;
  const { assessmentId } = large;
  return reject('ASSESSMENT_TOO_LARGE', {
    ...{ traceId, assessmentId },
    ...{ sizeBytes: jsonBytes(large), maxBytes: MAX_WHOLE_BYTES },
  });
};

const logTrace = ({ assessments, ...data }: DataOf<'LogTrace'>, trace: Trace | null): Decided => {
  const { traceId } = data;
  const refusal = refuseLarge(traceId, assessments);
  if (refusal) return refusal;
  const known = new Set(trace?.assessments.map(({ assessmentId }) => assessmentId));
  const created: RegistryEvent[] = assessments
    .filter(({ assessmentId }) => known.size < known.add(assessmentId).size)
    .map((assessment) => ({ type: 'AssessmentCreated', data: { traceId, assessment } }));
  return [...ifNew(trace, [{ type: 'TraceLogged', data }]), ...created];
};

/** One event, or as many as the index of the spans asks for; what they say of the trace stands in the first. */
const logSpans = (data: DataOf<'LogSpans'>): readonly RegistryEvent[] => {
  const rest = { requestPreview: null, responsePreview: null, metadata: [], tags: [] };
  return inEvents(data.spans, EVENT_CHARACTERS).map((spans, n) => ({
    type: 'SpansLogged',
    data: { ...data, ...(n > 0 && rest), spans: [...spans] },
  }));
};

const createAssessment = ({ traceId, assessment }: DataOf<'CreateAssessment'>, { assessments }: Trace): Decided => {
  const { assessmentId, overrides } = assessment;
  const knows = (id: string) => assessments.some((one) => one.assessmentId === id);
  if (knows(assessmentId)) return reject('ASSESSMENT_EXISTS', { traceId, assessmentId });
  if (overrides !== null && !knows(overrides)) {
    return reject('ASSESSMENT_UNKNOWN', { traceId, assessmentId: overrides });
  }
  return refuseLarge(traceId, [assessment]) ?? [{ type: 'AssessmentCreated', data: { traceId, assessment } }];
};

const updateAssessment = (
  { traceId, assessmentId, kind, changed }: DataOf<'UpdateAssessment'>,
  trace: Trace,
  nowMs: number,
): Decided => {
  const known = trace.assessments.find((one) => one.assessmentId === assessmentId);
  if (known === undefined) return reject('ASSESSMENT_UNKNOWN', { traceId, assessmentId });
  if (kind !== undefined && kind !== known.kind) {
    return reject('ASSESSMENT_OF_OTHER_KIND', { traceId, assessmentId, kind: known.kind, wanted: kind });
  }
  const metadata = new Map(
    [...known.metadata, ...(changed.metadata ?? [])].map(({ key, value }) => [key, { key, value }]),
  );
  const wanted = { ...changed, ...(changed.metadata && { metadata: [...metadata.values()] }) };
  const news = Object.entries(wanted).filter(
    ([name, value]) => JSON.stringify(value) !== JSON.stringify(known[name as keyof typeof wanted]),
  );
  if (news.length === 0) return [];
  const changes = Object.fromEntries(news);
  const data = { traceId, assessmentId, changed: changes, lastUpdateTimeMs: nowMs };
  return refuseLarge(traceId, [{ assessmentId, ...changes }]) ?? [{ type: 'AssessmentUpdated', data }];
};

const decideOn = (command: TraceCommand, trace: Trace): Decided => {
  const { traceId } = command.data;
  switch (command.type) {
    case 'LogTrace':
      return logTrace(command.data, trace);
    case 'LogSpans':
      return logSpans(command.data);
    case 'EndTrace': {
      const { endTimeMs, ...data } = command.data;
      const executionDurationMs = endTimeMs - trace.requestTimeMs;
      return ifNew(trace, [{ type: 'TraceEnded', data: { ...data, executionDurationMs } }]);
    }
    case 'SetTraceTag': {
      const { key, value } = command.data;
      const before = trace.tags.find((tag) => tag.key === key)?.value;
      if (before === value) return [];
      const previousValue = PERSONAL_TAGS.includes(key) ? null : (before ?? null);
      return [{ type: 'TraceTagSet', data: { traceId, key, value, previousValue } }];
    }
    case 'RemoveTraceTag': {
      const { key } = command.data;
      const before = trace.tags.find((tag) => tag.key === key)?.value;
      if (before === undefined) return reject('TAG_UNKNOWN', { aggregate: 'trace', traceId, key });
      const previousValue = PERSONAL_TAGS.includes(key) ? '' : before;
      return [{ type: 'TraceTagRemoved', data: { traceId, key, previousValue } }];
    }
    case 'LinkTraceToRun': {
      const { runId } = command.data;
      return trace.runIds.includes(runId) ? [] : [{ type: 'TraceLinkedToRun', data: { traceId, runId } }];
    }
    case 'LinkTraceToPrompts': {
      const named = new Map(command.data.prompts.map((prompt) => [`${prompt.name}/${prompt.version}`, prompt]));
      for (const known of trace.prompts) named.delete(known);
      const prompts = [...named.values()];
      return prompts.length === 0 ? [] : [{ type: 'TraceLinkedToPrompts', data: { traceId, prompts } }];
    }
    case 'DeleteTrace':
      return [{ type: 'TraceDeleted', data: { traceId } }];
    case 'CreateAssessment':
      return createAssessment(command.data, trace);
    case 'UpdateAssessment':
      return updateAssessment(command.data, trace, Date.parse(command.metadata.now));
    case 'DeleteAssessment': {
      const { assessmentId } = command.data;
      if (!trace.assessments.some((one) => one.assessmentId === assessmentId)) return [];
      return [{ type: 'AssessmentDeleted', data: { traceId, assessmentId } }];
    }
    default:
      return unreachable(command);
  }
};

/**
 * The rules of one trace: what is known of it, its tags, and what is said about it. Spans and the client that made them come
 * in any order, and each may come first.
 */
export const trace: Decider<TraceStreamState, TraceCommand, RegistryEvent, RegistryRejection> = {
  initialState: { trace: null, contents: NO_POINTS },
  decide: (command, { trace, contents }) => {
    const { traceId } = command.data;
    if (trace?.deleted) return command.type === 'DeleteTrace' ? [] : reject('TRACE_DELETED', { traceId });
    if (command.type === 'LogSpans' && hasPoint(contents, command.data.content.digest)) return [];
    if (trace !== null) return decideOn(command, trace);
    if (command.type === 'LogTrace') return logTrace(command.data, null);
    return command.type === 'LogSpans' ? logSpans(command.data) : reject('TRACE_UNKNOWN', { traceId });
  },
  evolve: ({ trace, contents }, event) => ({
    trace: evolveTrace(trace, event),
    contents: event.type === 'SpansLogged' ? withPoints(contents, [event.data.content.digest]) : contents,
  }),
};
