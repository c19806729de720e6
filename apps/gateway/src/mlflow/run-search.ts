import type { ExperimentRow } from '../registry/experiments.projection.js';
import { rowKey } from '../graphql/row-key.js';
import { experimentEntity, runEntity } from '../registry/registry.entities.js';
import type { MlflowCall } from './call.js';
import { withDatasetTexts } from './dataset-texts.js';
import { invalid } from './errors.js';
import { checkedExperimentId } from './experiments.js';
import { type Comparison, parseFilter, RUN_FILTER } from './filter.js';
import { int64, type Message, oneOf, repeated, string } from './message.js';
import { writePageToken } from './page-token.js';
import { isDeleted, runJson } from './run-json.js';
import { joinedMetrics, latestPoints } from './run-metrics.js';
import type { Conditions } from './row-query.js';
import { addFilter, firstMetric, orderBySql, type SearchColumns } from './search.js';

const DEFAULT_PAGE = 1000n;
const MAX_PAGE = 50_000n;
/** More experiments in one search than a client shows. */
const MAX_EXPERIMENTS = 1000;

const RUN_COLUMNS: Omit<SearchColumns, 'metrics'> = {
  ordersByKeys: true,
  attributes: {
    run_id: { body: `body->>'runId'` },
    run_name: { body: `body->>'name'` },
    user_id: { body: `body->>'userId'` },
    status: 'status',
    artifact_uri: { body: `body->>'artifactUri'` },
    start_time: '"startTimeMs"',
    end_time: { body: `(body->>'endTimeMs')::bigint` },
  },
};

export const searchRunsFields = {
  experiment_ids: repeated(string),
  filter: string,
  run_view_type: oneOf('ACTIVE_ONLY', 'DELETED_ONLY', 'ALL'),
  max_results: int64,
  order_by: repeated(string),
  page_token: string,
} as const;

/** A run is deleted with its experiment, and comes back with it whatever was deleted before. */
const addLifecycle = (viewType: string, experiments: readonly ExperimentRow[], conditions: Conditions): void => {
  if (viewType === 'ALL') return;
  const alike = Map.groupBy(experiments, ({ deleted, restoredPosition }) => (deleted ? 'deleted' : restoredPosition));
  const perLife = [...alike].map(([restored, members]) => {
    const isGone =
      restored === 'deleted'
        ? 'true'
        : `deleted AND (body->>'deletedPosition')::bigint > ${conditions.bind(restored)}::bigint`;
    const ids = members.map(({ experimentId }) => experimentId);
    const ofThem = alike.size > 1 ? `"experimentId" = ANY (${conditions.bind(ids)}) AND ` : '';
    return `${ofThem}${viewType === 'DELETED_ONLY' ? '' : 'NOT '}(${isGone})`;
  });
  conditions.add(perLife.map((sql) => `(${sql})`).join(' OR '));
};

/** Runs of some experiments. @throws MlflowError in MLflow's words for a filter, order, size or token that is wrong. */
export const searchRuns = async (request: Message<typeof searchRunsFields>, call: MlflowCall): Promise<object> => {
  const { filter = '', run_view_type = 'ACTIVE_ONLY', max_results = DEFAULT_PAGE, order_by } = request;
  if (max_results < 1n) {
    throw invalid(`Invalid value ${max_results} for parameter 'max_results' supplied. It must be a positive integer`);
  }
  if (max_results > MAX_PAGE) {
    throw invalid(
      `Invalid value ${max_results} for parameter 'max_results' supplied:  Hint: Value was of type 'int'. See the API docs for more information about request parameters.`,
    );
  }
  const terms = parseFilter(RUN_FILTER, filter);
  const experimentIds = [...new Set(request.experiment_ids.map(checkedExperimentId))];
  const listing = ['runs', experimentIds, filter, run_view_type, order_by];
  const token = call.readPageToken(listing, request.page_token);
  const rows = token ? call.rowsAt(token.position) : await call.rows();
  const keys = experimentIds.map((id) => rowKey(call.workspace, id));
  const experiments = await rows.all(experimentEntity, { key: keys }, 'key', MAX_EXPERIMENTS);
  if (experiments.length === 0) return {};
  const offset = token?.offset ?? 0;
  const size = Number(max_results);
  const find = (wanted: readonly Comparison[]) => {
    const conditions = rows.conditions();
    addLifecycle(run_view_type, experiments, conditions);
    const columns: SearchColumns = { ...RUN_COLUMNS, metrics: joinedMetrics(rows) };
    addFilter(columns, wanted, conditions);
    const orderBy = orderBySql(columns, order_by, {
      grammar: RUN_FILTER,
      ties: '"startTimeMs" DESC, key ASC',
      conditions,
    });
    const each = { column: 'experimentId', values: experiments.map(({ experimentId }) => experimentId) };
    return rows.list(runEntity, conditions, { orderBy, limit: size + 1, offset, each });
  };
  const metric = firstMetric(order_by, RUN_FILTER);
  // What has a number comes before what has NaN or nothing, and is in an index in its order. Mostly it is the whole page.
  const numbers: Comparison[] =
    metric === undefined ? [] : [{ entity: 'metric', key: metric, comparator: '>=', value: -Infinity }];
  let found = await find([...terms, ...numbers]);
  if (metric !== undefined && found.length <= size) found = await find(terms);
  const byId = new Map(experiments.map((experiment) => [experiment.experimentId, experiment]));
  const shown = found.slice(0, size);
  const points = await latestPoints(
    rows,
    shown.map(({ runId }) => runId),
  );
  const page = await Promise.all(
    shown.map(async (run) => {
      const whole = await withDatasetTexts(call.parts.artifacts, run);
      return runJson(whole, points.get(run.runId) ?? [], isDeleted(run, byId.get(run.experimentId)));
    }),
  );
  return {
    ...(page.length > 0 && { runs: page }),
    ...(found.length > size && {
      next_page_token: writePageToken(listing, { position: rows.position, offset: offset + size }),
    }),
  };
};
