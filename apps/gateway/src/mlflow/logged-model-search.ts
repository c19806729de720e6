import { loggedModelEntity, metricBatchEntity } from '../registry/registry.entities.js';
import type { MlflowCall } from './call.js';
import { invalid } from './errors.js';
import { checkedExperimentId } from './experiments.js';
import { type Comparison, type Grammar, parseFilter } from './filter.js';
import { loggedModelsJson } from './logged-model-json.js';
import { bool, int64, type Message, message, repeated, required, string } from './message.js';
import { writePageToken } from './page-token.js';
import type { Conditions, RowQuery } from './row-query.js';
import { addFilter, comparison, msSql, type SearchColumns, sqlOf } from './search.js';

const DEFAULT_PAGE = 50n;
const MAX_PAGE = 50_000n;

/** Grammar of a filter on logged models. */
export const LOGGED_MODEL_FILTER: Grammar = {
  entities: { attribute: 'attribute', attributes: 'attribute', metrics: 'metric', params: 'param', tags: 'tag' },
  stringAttributes: ['name', 'model_id', 'model_type', 'status', 'source_run_id', 'experiment_id'],
  numericAttributes: ['creation_timestamp', 'last_updated_timestamp'],
  listAttributes: [],
  aliases: {
    creation_time: 'creation_timestamp',
    creation_timestamp_ms: 'creation_timestamp',
    last_updated_timestamp_ms: 'last_updated_timestamp',
  },
  search: 'logged models',
};

const ATTRIBUTES: SearchColumns['attributes'] = {
  name: { body: `body->>'name'` },
  model_id: { body: `body->>'loggedModelId'` },
  model_type: { body: `body->>'modelType'` },
  status: { body: `CASE body->>'status' WHEN 'UPLOAD_FAILED' THEN 'FAILED' ELSE body->>'status' END` },
  source_run_id: `coalesce("sourceRunId", '')`,
  experiment_id: '"experimentId"',
  creation_timestamp: msSql('"createdAt"'),
  last_updated_timestamp: { body: msSql(`body->>'updatedAt'`) },
};

const STATUSES = ['PENDING', 'READY', 'FAILED'];

interface Dataset {
  readonly dataset_name: string | undefined;
  readonly dataset_digest: string | undefined;
}

/** A condition on a point `p`: it was measured on one of these datasets; on any or none if there are none. */
const onDatasets = (datasets: readonly Dataset[], conditions: Conditions): string => {
  const one = ({ dataset_name: name, dataset_digest: digest }: Dataset) =>
    [
      ...(name ? [`p->>'datasetName' = ${conditions.bind(name)}`] : []),
      ...(digest ? [`p->>'datasetDigest' = ${conditions.bind(digest)}`] : []),
    ].join(' AND ') || 'true';
  return datasets.length === 0 ? 'true' : datasets.map((dataset) => `(${one(dataset)})`).join(' OR ');
};

/** Points that runs logged about the model of the row. */
const pointsOf = (rows: RowQuery): string =>
  `${rows.relation(metricBatchEntity, 'b')}, json_array_elements(b.body->'points') p ` +
  `WHERE b."loggedModelId" = logged_models.body->>'loggedModelId'`;

/**
 * The latest point of a metric of a logged model, over all runs that measured it.
 *
 * @source MLflow 3.18.0, `_get_latest_logged_model_metrics_subquery`: by timestamp, then step, then the lowest run id.
 */
const latestPoint = (rows: RowQuery, datasets: readonly Dataset[]) => (key: string, conditions: Conditions) =>
  `SELECT p FROM ${pointsOf(rows)} AND b.metric = ${conditions.bind(key)} AND (${onDatasets(datasets, conditions)}) ` +
  `ORDER BY (p->>'timestampMs')::bigint DESC, (p->>'step')::bigint DESC, b."runId" LIMIT 1`;

const isNaN = "(p->>'isNaN')::boolean";
const value = "(p->>'value')::double precision";

/** Whether the latest point, a query of one column `p`, is as a term says. A NaN matches only `!=`. */
const holds = (latest: string, term: Comparison, conditions: Conditions): string => {
  const compared = comparison(value, term, conditions);
  const matches = term.comparator === '!=' ? `${isNaN} OR ${compared}` : `NOT ${isNaN} AND ${compared}`;
  return `EXISTS (SELECT FROM (${latest}) latest WHERE ${matches})`;
};

const byMetric = (latest: string, direction: string): string =>
  `(SELECT ${isNaN} FROM (${latest}) latest) ASC NULLS LAST, (SELECT ${value} FROM (${latest}) latest) ${direction} NULLS LAST`;

export const searchLoggedModelsFields = {
  experiment_ids: required(repeated(string)),
  filter: string,
  datasets: repeated(message({ dataset_name: string, dataset_digest: string })),
  max_results: int64,
  order_by: repeated(
    message({ field_name: required(string), ascending: bool, dataset_name: string, dataset_digest: string }),
  ),
  page_token: string,
} as const;

type Request = Message<typeof searchLoggedModelsFields>;

const orderBy = (rows: RowQuery, order: Request['order_by'], conditions: Conditions): string => {
  const clauses = order.map(({ field_name, ascending = true, ...dataset }) => {
    const direction = ascending ? 'ASC' : 'DESC';
    const [, entity, key = ''] = /^([^.]*)\.(.*)$/.exec(field_name) ?? [];
    if (entity === undefined) {
      const attribute = ATTRIBUTES[LOGGED_MODEL_FILTER.aliases[field_name] ?? field_name];
      if (attribute === undefined) throw invalid(`Invalid order by field name: ${field_name}`);
      return `${sqlOf(attribute)} ${direction} NULLS LAST`;
    }
    if (entity !== 'metrics') {
      throw invalid(`Invalid order by field name: ${field_name}. Only metrics are supported.`);
    }
    return byMetric(latestPoint(rows, [dataset])(key.replace(/^[`"]|[`"]$/g, ''), conditions), direction);
  });
  return [...clauses, '"createdAt" DESC', 'key'].join(', ');
};

/** @throws MlflowError for a status that no logged model has. */
const checkStatus = ({ entity, key, comparator, value }: Comparison): void => {
  if (entity !== 'attribute' || key !== 'status') return;
  if (!['=', '!=', 'IN', 'NOT IN'].includes(comparator)) {
    throw invalid(`Invalid comparison operator for status: ${comparator}`);
  }
  const unknown = [value].flat().filter((status) => !STATUSES.includes(String(status)));
  if (unknown.length > 0) {
    throw invalid(`Unknown model status in filter: '${String(unknown[0])}'. It must be one of ${STATUSES.join(', ')}.`);
  }
};

/** Logged models of some experiments. @throws MlflowError in MLflow's words for a filter, order, size or token that is wrong. */
export const searchLoggedModels = async (request: Request, call: MlflowCall): Promise<object> => {
  const { filter = '', datasets, order_by } = request;
  const max_results = request.max_results || DEFAULT_PAGE;
  if (max_results < 1n || max_results > MAX_PAGE) {
    throw invalid(
      `Invalid value ${max_results} for parameter 'max_results' supplied. It must be at least 1 and at most ${MAX_PAGE}`,
    );
  }
  if (datasets.some(({ dataset_name }) => !dataset_name)) {
    throw invalid('`dataset_name` in the `datasets` clause must be specified.');
  }
  const terms = parseFilter(LOGGED_MODEL_FILTER, filter);
  terms.forEach(checkStatus);
  const experimentIds = [...new Set(request.experiment_ids.map(checkedExperimentId))];
  const listing = ['logged-models', experimentIds, filter, datasets, order_by];
  const token = call.readPageToken(listing, request.page_token);
  const rows = token ? call.rowsAt(token.position) : await call.rows();
  const conditions = rows.conditions();
  conditions.add('NOT deleted');
  const latest = latestPoint(rows, datasets);
  const columns: SearchColumns = {
    attributes: ATTRIBUTES,
    metrics: {
      holds: (term, bound) => holds(latest(term.key, bound), term, bound),
      order: (key, direction, bound) => byMetric(latest(key, bound), direction),
    },
  };
  addFilter(columns, terms, conditions);
  // Without a filter on metrics a dataset asks for models that were measured on it at all.
  if (datasets.length > 0 && !terms.some(({ entity }) => entity === 'metric')) {
    conditions.add(`EXISTS (SELECT FROM ${pointsOf(rows)} AND (${onDatasets(datasets, conditions)}))`);
  }
  const offset = token?.offset ?? 0;
  const size = Number(max_results);
  const each = { column: 'experimentId', values: experimentIds };
  const order = orderBy(rows, order_by, conditions);
  const found = await rows.list(loggedModelEntity, conditions, { orderBy: order, limit: size + 1, offset, each });
  const models = await loggedModelsJson(rows, found.slice(0, size));
  return {
    ...(models.length > 0 && { models }),
    ...(found.length > size && {
      next_page_token: writePageToken(listing, { position: rows.position, offset: offset + size }),
    }),
  };
};
