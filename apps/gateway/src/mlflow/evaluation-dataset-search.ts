import { evaluationDatasetEntity } from '../registry/registry.entities.js';
import type { MlflowCall } from './call.js';
import { invalid } from './errors.js';
import { evaluationDatasetJson } from './evaluation-dataset-json.js';
import { DATASET_FILTER, parseFilter } from './filter.js';
import { int64, type Message, repeated, string } from './message.js';
import { writePageToken } from './page-token.js';
import { addFilter, msSql, orderBySql, type SearchColumns } from './search.js';

const DEFAULT_PAGE = 1000n;
const MAX_PAGE = 50_000n;

const ORDERED: SearchColumns['attributes'] = {
  name: 'name',
  created_time: { body: msSql(`body->>'createdAt'`) },
  last_update_time: { body: msSql(`body->>'updatedAt'`) },
};
const FILTERED: SearchColumns['attributes'] = {
  ...ORDERED,
  created_by: { body: `body->>'createdBy'` },
  last_updated_by: { body: `body->>'updatedBy'` },
};

export const searchDatasetFields = {
  experiment_ids: repeated(string),
  filter_string: string,
  max_results: int64,
  order_by: repeated(string),
  page_token: string,
} as const;

/** Evaluation datasets, of all experiments or of some. @throws MlflowError in MLflow's words. */
export const searchDatasets = async (
  request: Message<typeof searchDatasetFields>,
  call: MlflowCall,
): Promise<object> => {
  const { experiment_ids, filter_string = '', max_results = DEFAULT_PAGE, order_by, page_token } = request;
  const asked = max_results === 0n ? 'None' : max_results;
  if (max_results < 1n)
    throw invalid(`Invalid value ${asked} for parameter 'max_results' supplied. It must be a positive integer`);
  if (max_results > MAX_PAGE)
    throw invalid(`Invalid value ${asked} for parameter 'max_results' supplied. It must be at most ${MAX_PAGE}`);
  const listing = ['evaluation datasets', experiment_ids, filter_string, order_by];
  const token = call.readPageToken(listing, page_token);
  const terms = parseFilter(DATASET_FILTER, filter_string);
  const rows = token ? call.rowsAt(token.position) : await call.rows();
  const conditions = rows.conditions();
  if (experiment_ids.length > 0) {
    const ids = conditions.bind(experiment_ids);
    conditions.add(`EXISTS (SELECT FROM json_array_elements_text(body->'experimentIds') e WHERE e = ANY (${ids}))`);
  }
  addFilter({ attributes: FILTERED }, terms, conditions);
  const orderBy = orderBySql({ attributes: ORDERED }, order_by.length > 0 ? order_by : ['created_time DESC'], {
    grammar: DATASET_FILTER,
    ties: '"datasetId" DESC',
    conditions,
  });
  const [size, offset] = [Number(max_results), token?.offset ?? 0];
  const found = await rows.list(evaluationDatasetEntity, conditions, { orderBy, limit: size + 1, offset });
  return {
    ...(found.length > 0 && { datasets: found.slice(0, size).map((row) => evaluationDatasetJson(row)) }),
    ...(found.length > size && {
      next_page_token: writePageToken(listing, { position: rows.position, offset: offset + size }),
    }),
  };
};
