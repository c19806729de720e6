import { traceEntity } from '../registry/registry.entities.js';
import { endpoint, type Endpoint } from './endpoint.js';
import { checkedExperimentId } from './experiments.js';
import { parseFilter } from './filter.js';
import { repeated, required, string } from './message.js';
import { TRACE_FILTER } from './trace-filter.js';
import { addTraceFilter, filteredBy } from './trace-search.js';

/** How many traces fit each of two filters, both of them, and how many there are. */
interface Counts {
  readonly first: number;
  readonly second: number;
  readonly both: number;
  readonly total: number;
}

/** What Jeffreys' prior adds to each of the four cells, so that few traces say little. */
const JEFFREYS = 0.5;

/**
 * Normalized pointwise mutual information: 1 where both filters always fit together, 0 where one says nothing about the
 * other, -1 where they never fit together. Undefined where one fits nothing.
 *
 * @param added to each of the four cells.
 * @source MLflow 3.17.2, mlflow/store/analytics/trace_correlation.py
 */
export const npmi = ({ first, second, both, total }: Counts, added = 0): number | undefined => {
  if (first === 0 || second === 0) return undefined;
  if (both === 0 && added === 0) return -1;
  if (both === total) return 1;
  const [logBoth, logFirst, logSecond, logTotal] = [
    ...[Math.log(both + added), Math.log(first + 2 * added)],
    ...[Math.log(second + 2 * added), Math.log(total + 4 * added)],
  ] as const;
  const information = logBoth + logTotal - (logFirst + logSecond);
  return Math.max(-1, Math.min(1, information / (logTotal - logBoth)));
};

/** How often two filters on traces fit together, among the traces that a third one leaves. */
export const traceCorrelationEndpoint: Endpoint = endpoint({
  method: 'POST',
  version: 3,
  path: '/mlflow/traces/calculate-filter-correlation',
  reads: true,
  fields: {
    experiment_ids: required(repeated(string)),
    filter_string1: required(string),
    filter_string2: required(string),
    base_filter: string,
  },
  handle: async ({ experiment_ids, filter_string1, filter_string2, base_filter = '' }, call) => {
    const experimentIds = experiment_ids.map(checkedExperimentId);
    const parsed = (filter: string) => ({ filter, terms: parseFilter(TRACE_FILTER, filter) });
    const [base, one, other] = [parsed(base_filter), parsed(filter_string1), parsed(filter_string2)];
    const rows = await call.rows();
    const fitting = (...filters: readonly ReturnType<typeof parsed>[]): Promise<number> => {
      const conditions = rows.conditions().add('NOT deleted');
      conditions.add(`"experimentId" = ANY (${conditions.bind(experimentIds)})`);
      for (const { terms } of filters) addTraceFilter(rows, terms, conditions);
      return filteredBy(filters.map(({ filter }) => filter).join(' and '), rows.count(traceEntity, conditions));
    };
    const [total, first, second, both] = await Promise.all([
      ...[fitting(base), fitting(base, one), fitting(base, other), fitting(base, one, other)],
    ] as const);
    const counts = { first, second, both, total };
    const [plain, smoothed] = [npmi(counts), npmi(counts, JEFFREYS)];
    return {
      ...(plain !== undefined && { npmi: plain, npmi_smoothed: smoothed }),
      ...{ filter1_count: first, filter2_count: second, joint_count: both, total_count: total },
    };
  },
});
