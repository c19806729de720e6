import type { RegistryEvent } from '@kontor/domain/registry';
import type { Projection } from '@kontor/event-sourcing';
import { rowKey } from '../graphql/row-key.js';
import { logOrder } from './happened-at.js';
import { type Point, pointsByMetric } from './points.js';

export interface MetricBatchRow {
  readonly runId: string;
  readonly metric: string;
  /** The model that the points are about; null if they are the run's alone. */
  readonly loggedModelId: string | null;
  /** Zero-padded, so that text order is log order. */
  readonly logged: string;
  readonly points: readonly Point[];
}

/**
 * All points of all metrics: one row per batch, metric and logged model, written once. A row per metric that grows
 * would copy its whole history at each point.
 */
export const metricHistory: Projection<MetricBatchRow, RegistryEvent> = {
  name: 'metric_history',
  version: 2,
  canHandle: ['RunDataLogged'],
  keys: ({ workspace, position, data }) => {
    if (!('metrics' in data)) return [];
    return [...pointsByMetric(data.metrics)].flatMap(([metric, points]) => {
      const models = new Set(points.map(({ loggedModelId }) => loggedModelId ?? ''));
      return [...models].map((model) => rowKey(workspace, data.runId, String(position), metric, model));
    });
  },
  evolve: (row, event, rowKeyText) => {
    if (event.type !== 'RunDataLogged') return row;
    const { runId, metrics } = event.data;
    const [metric = '', model = ''] = rowKeyText.split('/').slice(-2).map(decodeURIComponent);
    const points = (pointsByMetric(metrics).get(metric) ?? []).filter(
      ({ loggedModelId }) => (loggedModelId ?? '') === model,
    );
    const logged = logOrder(event.position);
    return { runId, metric, loggedModelId: model || null, logged, points };
  },
};
