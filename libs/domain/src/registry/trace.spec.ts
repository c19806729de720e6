import { deciderSpec } from '@kontor/event-sourcing/testing';
import { describe, expect, it } from 'vitest';
import type { RegistryEvent } from './events.js';
import { assessmentData, command, digestOf, spansData, traceData, traceId } from './fixture.js';
import { trace } from './trace.js';
import { evolveTrace, type Trace } from './trace-state.js';

type Data<Type extends RegistryEvent['type']> = Extract<RegistryEvent, { type: Type }>['data'];

const logged: RegistryEvent = { type: 'TraceLogged', data: traceData };
const spans = (changed: Partial<Data<'SpansLogged'>> = {}): RegistryEvent => ({
  type: 'SpansLogged',
  data: { ...spansData, ...changed },
});
const deleted: RegistryEvent = { type: 'TraceDeleted', data: { traceId } };
const judged = (changed: Partial<typeof assessmentData> = {}): RegistryEvent => ({
  type: 'AssessmentCreated',
  data: { traceId, assessment: { ...assessmentData, ...changed } },
});

const logTrace = (changed: Partial<Data<'TraceLogged'>> = {}, assessments: (typeof assessmentData)[] = []) =>
  command('LogTrace', { ...traceData, ...changed, assessments });
const logSpans = (changed: Partial<Data<'SpansLogged'>> = {}) => command('LogSpans', { ...spansData, ...changed });
const setTag = (value: string, key = 'team') => command('SetTraceTag', { traceId, key, value });
const removeTag = (key = 'team') => command('RemoveTraceTag', { traceId, key });
const end = command('EndTrace', { traceId, endTimeMs: 1700, state: 'ERROR', metadata: [], tags: [] });
const linkToRun = command('LinkTraceToRun', { traceId, runId: 'r' });
const linkToPrompts = (...versions: string[]) =>
  command('LinkTraceToPrompts', { traceId, prompts: versions.map((version) => ({ name: 'greeting', version })) });
const remove = command('DeleteTrace', { traceId });
const judge = (changed: Partial<typeof assessmentData> = {}) =>
  command('CreateAssessment', { traceId, assessment: { ...assessmentData, ...changed } });
const update = (changed: object, kind?: 'feedback' | 'expectation') =>
  command('UpdateAssessment', { traceId, assessmentId: 'a-1', changed, ...(kind && { kind }) });
const removeAssessment = (assessmentId = 'a-1') => command('DeleteAssessment', { traceId, assessmentId });

const { given } = deciderSpec(trace);

/** The trace that events make. */
const after = (...events: readonly RegistryEvent[]): Trace | null =>
  events.reduce<Trace | null>((state, event) => evolveTrace(state, event), null);

describe('a trace', () => {
  it('is logged, and again only if that says something new', () => {
    given([]).when(logTrace()).then([logged]);
    given([logged]).when(logTrace()).thenNothing();
    const failed: RegistryEvent = { type: 'TraceLogged', data: { ...traceData, state: 'ERROR' } };
    given([logged])
      .when(logTrace({ state: 'ERROR' }))
      .then([failed]);
  });

  it('begins with its spans too, and what its client says counts for more', () => {
    given([]).when(logSpans()).then([spans()]);
    given([spans()]).when(logTrace()).then([logged]);
    expect(after(spans())).toMatchObject({ isComplete: false, executionDurationMs: 400, state: 'OK', hasSpans: true });
    expect(after(spans(), logged)).toMatchObject({
      ...{ isComplete: true, executionDurationMs: 500, hasSpans: true },
      // What only the spans said stays.
      responsePreview: 'because',
    });
    expect(after(logged, spans())).toMatchObject({ executionDurationMs: 500, responsePreview: 'because' });
  });

  it('keeps what a later word of its client leaves open', () => {
    const named: RegistryEvent = { type: 'TraceLogged', data: { ...traceData, clientRequestId: 'c' } };
    const open = { clientRequestId: null, executionDurationMs: null };
    const unsaid: RegistryEvent = { type: 'TraceLogged', data: { ...traceData, ...open } };
    const known = { clientRequestId: 'c', executionDurationMs: 500 };
    expect(after(named, unsaid)).toMatchObject(known);
    expect(after(unsaid, named)).toMatchObject(known);
    given([named]).when(logTrace(open)).thenNothing();
  });

  it('has one value of each metadata key and tag: the last one that was given', () => {
    const twice = ['risk', 'ops'].map((value) => ({ key: 'team', value }));
    const once = { metadata: [{ key: 'team', value: 'ops' }], tags: [{ key: 'team', value: 'ops' }] };
    const both = { metadata: twice, tags: twice };
    expect(after({ type: 'TraceLogged', data: { ...traceData, ...both } })).toMatchObject(once);
    expect(after(spans(both))).toMatchObject(once);
  });

  it('grows with its spans until its client has said how long it was', () => {
    const child = spans({
      requestTimeMs: 900,
      endTimeMs: 1500,
      state: null,
      content: { digest: digestOf('b'), sizeBytes: 1 },
    });
    expect(after(child)).toMatchObject({ state: 'IN_PROGRESS', requestTimeMs: 900, executionDurationMs: 600 });
    expect(after(child, spans())).toMatchObject({ state: 'OK', requestTimeMs: 900, executionDurationMs: 600 });
    expect(after(spans(), child)).toMatchObject({ state: 'OK', requestTimeMs: 900, executionDurationMs: 600 });
    expect(after(logged, child)).toMatchObject({ requestTimeMs: 1000, executionDurationMs: 500 });
    const running = spans({ endTimeMs: null, state: null });
    expect(after(running)).toMatchObject({ executionDurationMs: null });
    expect(after(running, child)).toMatchObject({ requestTimeMs: 900, executionDurationMs: 600 });
    expect(after(child, running)).toMatchObject({ requestTimeMs: 900, executionDurationMs: 600 });
  });

  it('keeps its metadata against what spans say, and takes their tags', () => {
    const said = spans({
      metadata: [
        { key: 'mlflow.trace.session', value: 's2' },
        { key: 'mlflow.trace.user', value: 'u' },
      ],
      tags: [{ key: 'team', value: 'ops' }],
    });
    expect(after(logged, said)).toMatchObject({
      metadata: [
        { key: 'mlflow.trace.session', value: 's1' },
        { key: 'mlflow.trace.user', value: 'u' },
      ],
      tags: [{ key: 'team', value: 'ops' }],
    });
  });

  it('takes the same spans once', () => {
    given([spans()]).when(logSpans()).thenNothing();
    const other = { content: { digest: digestOf('b'), sizeBytes: 1 } };
    given([spans()])
      .when(logSpans(other))
      .then([spans(other)]);
  });

  it('takes many spans as several events, and says only once what they say of it', () => {
    const [span] = spansData.spans;
    if (span === undefined) throw new Error('the fixture has a span');
    const many = Array.from({ length: 600 }, (_, n) => ({ ...span, spanId: String(n).padStart(16, '0') }));
    const events = given([])
      .when(logSpans({ spans: many, tags: [{ key: 'team', value: 'ops' }] }))
      .events();
    const written = events.map(({ data }) => data as Data<'SpansLogged'>);
    expect(written.length).toBeGreaterThan(1);
    expect(written.flatMap((data) => data.spans)).toEqual(many);
    expect(written.map(({ tags }) => tags.length)).toEqual([1, ...written.slice(1).map(() => 0)]);
  });

  it('ends if only its beginning was logged', () => {
    const begun: RegistryEvent = {
      type: 'TraceLogged',
      data: { ...traceData, isComplete: false, executionDurationMs: null, state: 'IN_PROGRESS' },
    };
    const ended: RegistryEvent = {
      type: 'TraceEnded',
      data: { traceId, executionDurationMs: 700, state: 'ERROR', metadata: [], tags: [] },
    };
    given([begun]).when(end).then([ended]);
    given([begun, ended]).when(end).thenNothing();
  });

  it('has tags, which are recorded when they change', () => {
    const set: RegistryEvent = {
      type: 'TraceTagSet',
      data: { traceId, key: 'team', value: 'ops', previousValue: 'risk' },
    };
    given([logged]).when(setTag('ops')).then([set]);
    given([logged, set]).when(setTag('ops')).thenNothing();
    given([logged, set])
      .when(removeTag())
      .then([{ type: 'TraceTagRemoved', data: { traceId, key: 'team', previousValue: 'ops' } }]);
    given([logged]).when(removeTag('none')).thenRejected('TAG_UNKNOWN', { aggregate: 'trace', traceId, key: 'none' });
    // Not even the event that replaces it repeats a person's name.
    given([logged, { type: 'TraceTagSet', data: { traceId, key: 'mlflow.user', value: 'ada', previousValue: null } }])
      .when(setTag('bob', 'mlflow.user'))
      .then([{ type: 'TraceTagSet', data: { traceId, key: 'mlflow.user', value: 'bob', previousValue: null } }]);
  });

  it('is linked to a run and to versions of prompts once each', () => {
    const toRun: RegistryEvent = { type: 'TraceLinkedToRun', data: { traceId, runId: 'r' } };
    given([logged]).when(linkToRun).then([toRun]);
    given([logged, toRun]).when(linkToRun).thenNothing();
    const toPrompts = (...versions: string[]): RegistryEvent => ({
      type: 'TraceLinkedToPrompts',
      data: { traceId, prompts: versions.map((version) => ({ name: 'greeting', version })) },
    });
    given([logged])
      .when(linkToPrompts('1', '2', '1'))
      .then([toPrompts('1', '2')]);
    given([logged, toPrompts('1')])
      .when(linkToPrompts('1', '2'))
      .then([toPrompts('2')]);
    given([logged, toPrompts('1')])
      .when(linkToPrompts('1'))
      .thenNothing();
  });

  it('is deleted for ever', () => {
    given([logged]).when(remove).then([deleted]);
    given([logged, deleted]).when(remove).thenNothing();
    for (const other of [logTrace(), logSpans(), setTag('ops'), judge(), end]) {
      given([logged, deleted]).when(other).thenRejected('TRACE_DELETED', { traceId });
    }
  });

  it('is needed for everything but what begins it', () => {
    const others = [setTag('ops'), removeTag(), end, linkToRun, linkToPrompts('1'), remove];
    for (const other of [...others, judge(), update({}), removeAssessment()]) {
      given([]).when(other).thenRejected('TRACE_UNKNOWN', { traceId });
    }
  });
});

describe('an assessment', () => {
  it('is made once, with its trace or later', () => {
    given([])
      .when(logTrace({}, [assessmentData]))
      .then([logged, judged()]);
    given([logged, judged()])
      .when(logTrace({}, [assessmentData]))
      .thenNothing();
    // The first of those with one id counts.
    given([])
      .when(logTrace({}, [assessmentData, { ...assessmentData, value: 'false' }]))
      .then([logged, judged()]);
    given([logged]).when(judge()).then([judged()]);
    given([logged, judged()]).when(judge()).thenRejected('ASSESSMENT_EXISTS', { traceId, assessmentId: 'a-1' });
  });

  it('makes the one invalid that it overrides, as long as it is there', () => {
    const second = judged({ assessmentId: 'a-2', overrides: 'a-1' });
    const validity = (...events: RegistryEvent[]) => after(logged, ...events)?.assessments.map(({ valid }) => valid);
    expect(validity(judged(), second)).toEqual([false, true]);
    expect(validity(judged(), second, { type: 'AssessmentDeleted', data: { traceId, assessmentId: 'a-2' } })).toEqual([
      true,
    ]);
    given([logged])
      .when(judge({ overrides: 'a-0' }))
      .thenRejected('ASSESSMENT_UNKNOWN', { traceId, assessmentId: 'a-0' });
  });

  it('is updated where something changes', () => {
    const lastUpdateTimeMs = Date.parse('2026-06-01T12:00:00.000Z');
    const updated = (changed: object): RegistryEvent => ({
      type: 'AssessmentUpdated',
      data: { traceId, assessmentId: 'a-1', changed, lastUpdateTimeMs },
    });
    given([logged, judged()])
      .when(update({ value: 'false', name: 'correctness' }, 'feedback'))
      .then([updated({ value: 'false' })]);
    given([logged, judged()])
      .when(update({ value: 'true' }))
      .thenNothing();
    const known = { key: 'a', value: '1' };
    const added = { key: 'b', value: '2' };
    given([logged, judged({ metadata: [known] })])
      .when(update({ metadata: [added] }))
      .then([updated({ metadata: [known, added] })]);
    expect(after(logged, judged(), updated({ rationale: 'so' }))?.assessments).toMatchObject([
      { value: 'true', rationale: 'so', lastUpdateTimeMs },
    ]);
  });

  it('is refused when it is too large, also for what many updates have added', () => {
    const pairs = (from: number, count: number) =>
      Array.from({ length: count }, (_, n) => ({ key: `k${from + n}`, value: 'x'.repeat(8000) }));
    const large = (assessmentId: string, metadata: object[]) => {
      const sizeBytes = JSON.stringify({ ...assessmentData, metadata }).length;
      return ['ASSESSMENT_TOO_LARGE', { traceId, assessmentId, sizeBytes, maxBytes: 200_000 }] as const;
    };
    const [whole, much] = [pairs(0, 25), pairs(0, 20)];
    given([logged])
      .when(judge({ metadata: whole }))
      .thenRejected(...large('a-1', whole));
    given([])
      .when(logTrace({}, [{ ...assessmentData, metadata: whole }]))
      .thenRejected(...large('a-1', whole));
    const sizeBytes = JSON.stringify({ assessmentId: 'a-1', metadata: [...much, ...pairs(20, 5)] }).length;
    given([logged, judged({ metadata: much })])
      .when(update({ metadata: pairs(20, 5) }))
      .thenRejected('ASSESSMENT_TOO_LARGE', { traceId, assessmentId: 'a-1', sizeBytes, maxBytes: 200_000 });
  });

  it('stays of its kind, and must be there', () => {
    given([logged, judged()])
      .when(update({ value: '1' }, 'expectation'))
      .thenRejected('ASSESSMENT_OF_OTHER_KIND', {
        ...{ traceId, assessmentId: 'a-1', kind: 'feedback', wanted: 'expectation' },
      });
    given([logged]).when(update({})).thenRejected('ASSESSMENT_UNKNOWN', { traceId, assessmentId: 'a-1' });
  });

  it('is deleted once', () => {
    given([logged, judged()])
      .when(removeAssessment())
      .then([{ type: 'AssessmentDeleted', data: { traceId, assessmentId: 'a-1' } }]);
    given([logged]).when(removeAssessment()).thenNothing();
  });
});
