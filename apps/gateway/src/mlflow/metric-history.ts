import type { Point } from '../registry/points.js';
import { metricBatchEntity } from '../registry/registry.entities.js';
import { endpoint, type Endpoint } from './endpoint.js';
import { invalid } from './errors.js';
import { int64, repeated, required, string } from './message.js';
import { writePageToken } from './page-token.js';
import type { RowQuery } from './row-query.js';
import { rowsOf } from './rows-of.js';
import { runIdFields } from './run-id.js';
import { metricJson } from './run-json.js';

/** Points and runs of one answer. @source MLflow 3.18.0, `get_metric_history_bulk_handler` and its interval form */
const MAX_BULK_POINTS = 25_000;
const MAX_BULK_RUNS = 100;
const MAX_INTERVAL_POINTS = 2_500n;

/** All points of a metric of a run, in no order. What was logged about several models is one point of the run. */
const pointsOf = async (rows: RowQuery, runId: string, metric: string): Promise<Point[]> => {
  const batches = await rowsOf(rows, metricBatchEntity, { runId, metric }, 'logged');
  const points = batches.flatMap((batch) => batch.points);
  if (points.every(({ loggedModelId }) => loggedModelId === null)) return points;
  const keyOf = ({ timestampMs, step, value, isNaN }: Point) => `${timestampMs} ${step} ${value} ${isNaN}`;
  return [...new Map(points.map((point) => [keyOf(point), point])).values()];
};

const byTime = (a: Point, b: Point) => a.timestampMs - b.timestampMs || a.step - b.step || a.value - b.value;
const byStep = (a: Point, b: Point) =>
  a.step - b.step || a.timestampMs - b.timestampMs || a.value - b.value || Number(a.isNaN) - Number(b.isNaN);

/**
 * At most `size` points, spread evenly over all of them; the first and the last are kept, for a size of 1 the last.
 *
 * @param points in the order of their steps.
 * @source MLflow 3.18.0, `_sample_rows_with_window_functions`: the first row of each of `size` buckets of SQL's NTILE.
 */
export const sample = <Item>(points: readonly Item[], size: number): readonly Item[] => {
  if (points.length <= size) return points;
  const least = Math.floor(points.length / size);
  const longer = points.length % size;
  const starts = Array.from({ length: size }, (_, bucket) => bucket * least + Math.min(bucket, longer));
  return [...starts.slice(0, -1), points.length - 1].flatMap((index) => points.slice(index, index + 1));
};

const withRun = (runId: string) => (point: Point) => ({ ...metricJson(point), run_id: runId });

/** All points that were logged of a metric: of one run by pages, or of several for a chart. */
export const metricHistoryEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'GET',
    path: '/mlflow/metrics/get-history',
    fields: { ...runIdFields, metric_key: required(string), max_results: int64, page_token: string },
    handle: async (request, call) => {
      const runId = request.run_id;
      const listing = ['history', runId, request.metric_key];
      const token = call.readPageToken(listing, request.page_token);
      if (request.max_results !== undefined && request.max_results < 1n) {
        throw invalid(
          `Invalid value ${request.max_results} for parameter 'max_results' supplied. It must be a positive integer.`,
        );
      }
      const rows = token ? call.rowsAt(token.position) : await call.rows();
      const points = (await pointsOf(rows, runId, request.metric_key)).sort(byTime);
      const offset = token?.offset ?? 0;
      const size = request.max_results === undefined ? points.length : Number(request.max_results);
      const page = points.slice(offset, offset + size);
      return {
        ...(page.length > 0 && { metrics: page.map(metricJson) }),
        ...(offset + size < points.length && {
          next_page_token: writePageToken(listing, { position: rows.position, offset: offset + size }),
        }),
      };
    },
  }),
  endpoint({
    method: 'GET',
    path: '/mlflow/metrics/get-history-bulk',
    fields: { run_id: repeated(string), metric_key: string, max_results: int64 },
    handle: async ({ run_id, metric_key, max_results = BigInt(MAX_BULK_POINTS) }, call) => {
      if (run_id.length === 0) {
        throw invalid('GetMetricHistoryBulk request must specify at least one run_id.');
      }
      if (run_id.length > MAX_BULK_RUNS) {
        throw invalid(
          `GetMetricHistoryBulk request cannot specify more than ${MAX_BULK_RUNS} run_ids. Received ${run_id.length} run_ids.`,
        );
      }
      if (metric_key === undefined) throw invalid('GetMetricHistoryBulk request must specify a metric_key.');
      const rows = await call.rows();
      const metrics: object[] = [];
      const size = Math.max(0, Math.min(Number(max_results), MAX_BULK_POINTS));
      for (const runId of [...new Set(run_id)].sort()) {
        if (metrics.length >= size) break;
        metrics.push(...(await pointsOf(rows, runId, metric_key)).sort(byTime).map(withRun(runId)));
      }
      return { metrics: metrics.slice(0, size) };
    },
  }),
  endpoint({
    method: 'GET',
    path: '/mlflow/metrics/get-history-bulk-interval',
    fields: {
      run_ids: required(repeated(string)),
      metric_key: required(string),
      start_step: int64,
      end_step: int64,
      max_results: int64,
    },
    handle: async ({ run_ids, metric_key, start_step, end_step, max_results = MAX_INTERVAL_POINTS }, call) => {
      const more = 'See the API docs for more information about request parameters.';
      if (run_ids.length > MAX_BULK_RUNS) {
        throw invalid(
          `GetMetricHistoryBulkInterval request must specify at most ${MAX_BULK_RUNS} run_ids. Received ${run_ids.length} run_ids. ${more}`,
        );
      }
      if (max_results < 1n || max_results > MAX_INTERVAL_POINTS) {
        throw invalid(`max_results must be between 1 and ${MAX_INTERVAL_POINTS}. ${more}`);
      }
      if ((start_step === undefined) !== (end_step === undefined)) {
        throw invalid('If either start step or end step are specified, both must be specified.');
      }
      if (start_step !== undefined && end_step !== undefined && start_step > end_step) {
        throw invalid(
          `end_step must be greater than start_step. Found start_step=${start_step} and end_step=${end_step}.`,
        );
      }
      const rows = await call.rows();
      const metrics: object[] = [];
      for (const runId of run_ids) {
        const points = (await pointsOf(rows, runId, metric_key)).filter(
          ({ step }) => start_step === undefined || end_step === undefined || (step >= start_step && step <= end_step),
        );
        metrics.push(...sample(points.sort(byStep), Number(max_results)).map(withRun(runId)));
      }
      return { ...(metrics.length > 0 && { metrics }) };
    },
  }),
];
