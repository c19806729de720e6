import type { RegistryEvent } from '@kontor/domain/registry';

type RunDataLogged = Extract<RegistryEvent, { type: 'RunDataLogged' }>['data'];

/** A point of a metric as a run logged it. */
export type Point = RunDataLogged['metrics'][number];

const grouped = new WeakMap<readonly Point[], ReadonlyMap<string, readonly Point[]>>();

/** The points of a batch by metric, in order. Many rows ask the same batch, one for each metric: it is grouped once. */
export const pointsByMetric = (metrics: readonly Point[]): ReadonlyMap<string, readonly Point[]> => {
  const known = grouped.get(metrics) ?? Map.groupBy(metrics, ({ key }) => key);
  grouped.set(metrics, known);
  return known;
};
