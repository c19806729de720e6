import { rowKey } from '../graphql/row-key.js';
import type { Point } from '../registry/points.js';
import { latestMetricEntity } from '../registry/registry.entities.js';
import type { Conditions, RowQuery } from './row-query.js';
import { comparison, type MetricColumns } from './search.js';

/** The latest point of each metric of some runs, by run id. */
export const latestPoints = async (
  rows: RowQuery,
  runIds: readonly string[],
): Promise<ReadonlyMap<string, readonly Point[]>> => {
  const byKey = new Map(runIds.map((runId): [string, Point[]] => [rowKey(rows.workspace, runId), []]));
  const found = await rows.all(latestMetricEntity, { runKey: [...byKey.keys()] }, '"runKey", metric');
  for (const row of found) byKey.get(row.runKey)?.push({ ...row, key: row.metric });
  return new Map(runIds.map((runId) => [runId, byKey.get(rowKey(rows.workspace, runId)) ?? []]));
};

/**
 * The latest metrics of runs for one search: joined once for each metric that it names, so that PostgreSQL can walk the index
 * of a metric's values within an experiment in their order and stop at the end of the page.
 */
export const joinedMetrics = (rows: RowQuery): MetricColumns => {
  const joined = new Map<string, { readonly value: string; readonly isNaN: string; onlyNumbers: boolean }>();
  const columnsOf = (metric: string, conditions: Conditions) => {
    const known = joined.get(metric);
    if (known) return known;
    const name = `m${joined.size + 1}`;
    const columns = { value: `${name}_value`, isNaN: `${name}_nan`, onlyNumbers: false };
    conditions.join(
      `LEFT JOIN (SELECT "runKey" AS ${name}_run, "experimentId" AS ${name}_experiment, value AS ${columns.value}, "isNaN" AS ${columns.isNaN}
        FROM ${rows.relation(latestMetricEntity, name)} WHERE metric = ${conditions.bind(metric)}) ${name}
       ON ${name}_run = key AND ${name}_experiment = "experimentId"`,
    );
    joined.set(metric, columns);
    return columns;
  };
  return {
    holds: (term, conditions) => {
      const columns = columnsOf(term.key, conditions);
      const compared = comparison(columns.value, term, conditions);
      // A NaN matches only `!=`.
      if (term.comparator === '!=') return `${columns.isNaN} OR ${compared}`;
      columns.onlyNumbers = true;
      return `NOT ${columns.isNaN} AND ${compared}`;
    },
    order: (metric, direction, conditions) => {
      const { value, isNaN, onlyNumbers } = columnsOf(metric, conditions);
      // Where a filter leaves neither NaN nor runs without it, the order is that of the index.
      return onlyNumbers ? `${value} ${direction}` : `${isNaN} ASC NULLS LAST, ${value} ${direction} NULLS LAST`;
    },
  };
};
