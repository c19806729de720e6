import { experimentEntity, runEntity } from '../registry/registry.entities.js';
import type { MlflowCall } from './call.js';
import { withDatasetTexts } from './dataset-texts.js';
import { invalid } from './errors.js';
import { checkedExperimentId } from './experiments.js';
import { parseFilter, RUN_FILTER } from './filter.js';
import { int64, type Message, oneOf, repeated, string } from './message.js';
import { writePageToken } from './page-token.js';
import { isDeleted, runJson } from './run-json.js';
import { joinedMetrics, latestPoints } from './run-metrics.js';
import { addFilter, orderBySql, type SearchColumns } from './search.js';

const DEFAULT_PAGE = 1000n;
const MAX_PAGE = 50_000n;
/** More experiments in one search than a client shows. */
const MAX_EXPERIMENTS = 1000;

const RUN_COLUMNS: Omit<SearchColumns, 'metrics'> = {
  ordersByKeys: true,
  attributes: {
    run_id: `body->>'runId'`,
    run_name: `body->>'name'`,
    user_id: `body->>'userId'`,
    status: 'status',
    artifact_uri: `body->>'artifactUri'`,
    start_time: '"startTimeMs"',
    end_time: `(body->>'endTimeMs')::bigint`,
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
  const experiments = await rows.all(experimentEntity, { experimentId: experimentIds }, 'key', MAX_EXPERIMENTS);
  if (experiments.length === 0) return {};

  const conditions = rows.conditions();
  const perExperiment = experiments.map(({ experimentId, deleted, restoredPosition }) => {
    const isOfIt = `"experimentId" = ${conditions.bind(experimentId)}`;
    if (run_view_type === 'ALL') return isOfIt;
    const gone = deleted
      ? 'true'
      : `(deleted AND (body->>'deletedPosition')::bigint > ${conditions.bind(restoredPosition)}::bigint)`;
    return `${isOfIt} AND ${run_view_type === 'DELETED_ONLY' ? gone : `NOT ${gone}`}`;
  });
  conditions.add(perExperiment.map((sql) => `(${sql})`).join(' OR '));
  const columns: SearchColumns = { ...RUN_COLUMNS, metrics: joinedMetrics(rows) };
  addFilter(columns, terms, conditions);
  const orderBy = orderBySql(columns, order_by, {
    grammar: RUN_FILTER,
    ties: '"startTimeMs" DESC, key ASC',
    conditions,
  });
  const offset = token?.offset ?? 0;
  const size = Number(max_results);
  const found = await rows.list(runEntity, conditions, { orderBy, limit: size + 1, offset });
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
