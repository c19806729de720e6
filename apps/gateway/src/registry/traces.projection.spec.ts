import type { RegistryEvent } from '@kontor/domain/registry';
import { projectionSpec, recorded } from '@kontor/event-sourcing/testing';
import { describe, it } from 'vitest';
import { traceSpans } from './trace-spans.projection.js';
import { traces } from './traces.projection.js';

const traceId = 'tr-1';
const stream = `default/registry/trace/${traceId}`;
const place = { traceId, experimentId: '1', artifactUri: 'mlflow-artifacts:/1/traces/tr-1/artifacts' };
const said = { requestTimeMs: 1000, requestPreview: 'why?', responsePreview: null, metadata: [], tags: [] };
const span = (spanId: string, name: string) => ({
  ...{ spanId, parentSpanId: null, name, type: 'CHAIN', status: 'OK' as const, startTimeUnixNano: '1000000000' },
});
const digest = (char: string) => `sha256:${char.repeat(64)}`;
const spans = (char: string, ...names: string[]) => ({
  ...{ ...place, ...said, content: { digest: digest(char), sizeBytes: 9 }, endTimeMs: 1400, state: 'OK' as const },
  spans: names.map((name) => span(name, name)),
});
const assessment = (assessmentId: string, overrides: string | null = null) => ({
  ...{ assessmentId, name: 'correctness', kind: 'feedback' as const, value: 'true', error: null },
  ...{ sourceType: 'HUMAN' as const, sourceId: 'bob', rationale: null, metadata: [], spanId: null, overrides },
  ...{ createTimeMs: 1, lastUpdateTimeMs: 1 },
});
const logged = {
  ...place,
  ...said,
  isComplete: true,
  executionDurationMs: 500,
  state: 'OK' as const,
  clientRequestId: 'c',
};

const events = recorded<RegistryEvent>([
  { stream, type: 'SpansLogged', data: spans('a', 'root', 'child') },
  { stream, type: 'TraceLogged', data: logged },
  { stream, type: 'SpansLogged', data: spans('b', 'late') },
  { stream, type: 'TraceTagSet', data: { traceId, key: 'team', value: 'risk', previousValue: null } },
  { stream, type: 'TraceTagSet', data: { traceId, key: 'stage', value: 'a', previousValue: null } },
  { stream, type: 'TraceTagRemoved', data: { traceId, key: 'stage', previousValue: 'a' } },
  { stream, type: 'TraceLinkedToRun', data: { traceId, runId: 'r' } },
  { stream, type: 'TraceLinkedToPrompts', data: { traceId, prompts: [{ name: 'greeting', version: '2' }] } },
  { stream, type: 'AssessmentCreated', data: { traceId, assessment: assessment('a-1') } },
  { stream, type: 'AssessmentCreated', data: { traceId, assessment: assessment('a-2', 'a-1') } },
  {
    ...{ stream, type: 'AssessmentUpdated' },
    data: { traceId, assessmentId: 'a-2', changed: { value: 'false' }, lastUpdateTimeMs: 2 },
  },
  { stream, type: 'TraceEnded', data: { traceId, executionDurationMs: 600, state: 'ERROR', metadata: [], tags: [] } },
  { stream, type: 'TraceDeleted', data: { traceId } },
]);

const row = {
  ...{ ...logged, hasSpans: true, deleted: false },
  tags: [{ key: 'team', value: 'risk' }],
  ...{ runIds: ['r'], prompts: ['greeting/2'] },
};

describe('traces', () => {
  it('are what their spans and their client said, with what was done to them since', () => {
    projectionSpec(traces)
      .given(events.slice(0, 2))
      .thenRows({
        [`default/${traceId}`]: { ...row, tags: [], runIds: [], prompts: [], assessments: [] },
      });
    projectionSpec(traces)
      .given(events)
      .thenRows({
        [`default/${traceId}`]: {
          ...{ ...row, executionDurationMs: 600, state: 'ERROR', deleted: true },
          assessments: [
            { ...assessment('a-1'), valid: false },
            { ...assessment('a-2', 'a-1'), value: 'false', lastUpdateTimeMs: 2, valid: true },
          ],
        },
      });
  });

  it('have one row per event for their spans', () => {
    const rowOf = (position: number, char: string, ...names: string[]) => ({
      [`default/${traceId}/${position}`]: {
        ...{ traceId, logged: String(position).padStart(19, '0'), digest: digest(char) },
        spans: names.map((name) => span(name, name)),
      },
    });
    projectionSpec(traceSpans)
      .given(events)
      .thenRows({ ...rowOf(1, 'a', 'root', 'child'), ...rowOf(3, 'b', 'late') });
  });
});
