import type { RegistryEvent } from '@kontor/domain/registry';
import type { Projection } from '@kontor/event-sourcing';
import { rowKey } from '../graphql/row-key.js';
import { type Point, pointsByMetric } from './points.js';

/** The latest point of a metric of a run. */
export type LatestMetricRow = Omit<Point, 'key'> & {
  /** Key of the run's row. */
  readonly runKey: string;
  readonly metric: string;
  readonly experimentId: string;
};

/** Under the key of a run: where its metrics belong. No search finds it, since it names no run and no metric. */
export interface RunPlaceRow {
  readonly experimentId: string;
}

/** Whether a point replaces another as the latest of its metric. @source MLflow 3.18, `SqlLatestMetric` */
const isLater = (point: Point, than: Omit<Point, 'key'>): boolean =>
  point.step !== than.step
    ? point.step > than.step
    : point.timestampMs !== than.timestampMs
      ? point.timestampMs > than.timestampMs
      : point.value >= than.value;

/**
 * The latest point of each metric of each run: by the highest step, then timestamp, then value. Rows of their own, so that a
 * search finds runs of an experiment by the value of a metric in an index, and a point that is logged rewrites no run.
 */
export const latestMetrics: Projection<LatestMetricRow | RunPlaceRow, RegistryEvent> = {
  name: 'latest_metrics',
  version: 2,
  canHandle: ['RunStarted', 'RunDataLogged'],
  keys: (event) => {
    if (event.type === 'RunStarted') return [rowKey(event.workspace, event.data.runId)];
    if (event.type !== 'RunDataLogged' || event.data.metrics.length === 0) return [];
    const { workspace, data } = event;
    const metrics = [...pointsByMetric(data.metrics).keys()];
    return [rowKey(workspace, data.runId), ...metrics.map((metric) => rowKey(workspace, data.runId, metric))];
  },
  evolve: (row, event, key, other) => {
    if (event.type === 'RunStarted') return { experimentId: event.data.experimentId };
    if (event.type !== 'RunDataLogged') return row;
    const { workspace, data } = event;
    const runKey = rowKey(workspace, data.runId);
    const experimentId = other(runKey)?.experimentId;
    // What no run began is in no experiment.
    if (key === runKey || experimentId === undefined) return row;
    const metric = decodeURIComponent(key.slice(key.lastIndexOf('/') + 1));
    let latest = row as LatestMetricRow | undefined;
    for (const point of pointsByMetric(data.metrics).get(metric) ?? []) {
      if (latest !== undefined && !isLater(point, latest)) continue;
      const { key: _, ...measured } = point;
      latest = { runKey, metric, experimentId, ...measured };
    }
    return latest;
  },
};
