import type { RegistryEvent } from '@kontor/domain/registry';
import type { Projection } from '@kontor/event-sourcing';
import { rowKey } from '../graphql/row-key.js';

type Point = Extract<RegistryEvent, { type: 'RunDataLogged' }>['data']['metrics'][number];

export interface MetricBatchRow {
  readonly runId: string;
  readonly metric: string;
  /** Zero-padded, so that text order is log order. */
  readonly logged: string;
  readonly points: readonly Point[];
}

/** As long as the largest bigint. */
const POSITION_DIGITS = 19;

/**
 * All points of all metrics: one row per batch and metric, written once. A row per metric that grows would copy its
 * whole history at each point.
 */
export const metricHistory: Projection<MetricBatchRow, RegistryEvent> = {
  name: 'metric_history',
  version: 1,
  canHandle: ['RunDataLogged'],
  keys: ({ workspace, position, data }) => {
    if (!('metrics' in data)) return [];
    const metrics = new Set(data.metrics.map(({ key }) => key));
    return [...metrics].map((metric) => rowKey(workspace, data.runId, String(position), metric));
  },
  evolve: (row, event, key) => {
    if (event.type !== 'RunDataLogged') return row;
    const { runId, metrics } = event.data;
    const metric = decodeURIComponent(key.split('/').at(-1) ?? '');
    const points = metrics.filter((point) => point.key === metric);
    return { runId, metric, logged: String(event.position).padStart(POSITION_DIGITS, '0'), points };
  },
};
