import type { RegistryEvent } from '@kontor/domain/registry';
import type { Projection } from '@kontor/event-sourcing';
import { rowKey } from '../graphql/row-key.js';
import { type Point, pointsByMetric } from './points.js';

/** The latest point of a metric of a run. */
export type LatestMetricRow = Omit<Point, 'key'> & {
  /** Key of the run's row. */
  readonly runKey: string;
  readonly metric: string;
};

/** Whether a point replaces another as the latest of its metric. @source MLflow 3.18, `SqlLatestMetric` */
const isLater = (point: Point, than: Omit<Point, 'key'>): boolean =>
  point.step !== than.step
    ? point.step > than.step
    : point.timestampMs !== than.timestampMs
      ? point.timestampMs > than.timestampMs
      : point.value >= than.value;

/**
 * The latest point of each metric of each run: by the highest step, then timestamp, then value. Rows of their own, so that a
 * search finds runs by the value of a metric in an index, and a point that is logged rewrites no run.
 */
export const latestMetrics: Projection<LatestMetricRow, RegistryEvent> = {
  name: 'latest_metrics',
  version: 1,
  canHandle: ['RunDataLogged'],
  keys: ({ workspace, data }) =>
    'metrics' in data
      ? [...pointsByMetric(data.metrics).keys()].map((metric) => rowKey(workspace, data.runId, metric))
      : [],
  evolve: (row, event, key) => {
    if (event.type !== 'RunDataLogged') return row;
    const { workspace, data } = event;
    const metric = decodeURIComponent(key.slice(key.lastIndexOf('/') + 1));
    let latest = row;
    for (const point of pointsByMetric(data.metrics).get(metric) ?? []) {
      if (latest !== undefined && !isLater(point, latest)) continue;
      const { key: _, ...measured } = point;
      latest = { runKey: rowKey(workspace, data.runId), metric, ...measured };
    }
    return latest;
  },
};
