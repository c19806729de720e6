import type { RegistryEvent, SpanIndex } from '@kontor/domain/registry';
import type { Projection } from '@kontor/event-sourcing';
import { rowKey } from '../graphql/row-key.js';
import { logOrder } from './happened-at.js';

export interface TraceSpansRow {
  readonly traceId: string;
  /** Zero-padded, so that text order is log order. */
  readonly logged: string;
  /** Of the spans in the content store. */
  readonly digest: string;
  readonly spans: readonly SpanIndex[];
}

/** What a search asks of spans, and where they are: one row per event, written once, as points of metrics are. */
export const traceSpans: Projection<TraceSpansRow, RegistryEvent> = {
  name: 'trace_spans',
  version: 1,
  canHandle: ['SpansLogged'],
  keys: ({ workspace, position, data }) => ('spans' in data ? [rowKey(workspace, data.traceId, String(position))] : []),
  evolve: (row, event) => {
    if (event.type !== 'SpansLogged') return row;
    const { traceId, content, spans } = event.data;
    const logged = logOrder(event.position);
    return { traceId, logged, digest: content.digest, spans };
  },
};
