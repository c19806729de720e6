import { evolveTrace, type RegistryEvent, type Trace } from '@kontor/domain/registry';
import type { Projection } from '@kontor/event-sourcing';
import { rowKey } from '../graphql/row-key.js';

/** A trace as its events make it: what the rules know is what is shown. */
export type TraceRow = Trace;

/** Traces with their tags and what is said about them. */
export const traces: Projection<TraceRow, RegistryEvent> = {
  name: 'traces',
  version: 2,
  canHandle: [
    'TraceLogged',
    'TraceEnded',
    'SpansLogged',
    'TraceTagSet',
    'TraceTagRemoved',
    'TraceLinkedToRun',
    'TraceLinkedToPrompts',
    'TraceDeleted',
    'AssessmentCreated',
    'AssessmentUpdated',
    'AssessmentDeleted',
  ],
  keys: ({ workspace, data }) => ('traceId' in data ? [rowKey(workspace, data.traceId)] : []),
  evolve: (row, event) => evolveTrace(row ?? null, event) ?? undefined,
};
