import type { MlflowCase } from './mlflow-case.js';

/** What the calls refuse that evaluations are made with. */

const IPV = 'INVALID_PARAMETER_VALUE';
const UNKNOWN = 'RESOURCE_DOES_NOT_EXIST';

const summaries = (experiment_ids: unknown, says: string): MlflowCase => ({
  path: '/ajax-api/2.0/mlflow/experiments/search-datasets',
  body: { experiment_ids },
  status: 400,
  code: IPV,
  says,
});

/** Of the calls about scorers; what a GET is asked stands in its query. */
const scorers = (
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  path: string,
  fields: object,
  says: string,
  code = IPV,
): MlflowCase => {
  const query = Object.entries(fields).map(([name, value]) => `${name}=${String(value)}`);
  return {
    method,
    path: `/api/3.0/mlflow/scorers/${path}${method === 'GET' ? `?${query.join('&')}` : ''}`,
    ...(method !== 'GET' && { body: fields }),
    status: code === IPV ? 400 : 404,
    code,
    says,
  };
};
const scorer = { experiment_id: '$experiment', name: 'tone' };
const registering = (fields: object, says: string, code = IPV) =>
  scorers('POST', 'register', { ...scorer, serialized_scorer: '{}', ...fields }, says, code);
const serialized = (value: unknown, says: string, code = IPV) =>
  registering({ serialized_scorer: JSON.stringify(value) }, says, code);
const judge = (model: unknown) => ({ instructions_judge_pydantic_data: { instructions: 'Be kind.', model } });
const thirdParty = (kwargs: unknown) => ({ third_party_scorer_data: { module: 'ragas', kwargs } });
const noScorer = "Scorer with name 'tone' not found for experiment";

const scorerCases: readonly MlflowCase[] = [
  ...['experiment_id', 'name', 'serialized_scorer'].map((field) =>
    registering({ [field]: undefined }, `Missing value for required parameter '${field}'`),
  ),
  registering({ name: 5 }, "Invalid value 5 for parameter 'name'"),
  registering({ name: ' ' }, 'Scorer name cannot be empty or contain only whitespace.'),
  registering({ name: 'x'.repeat(257) }, "'name' exceeds the maximum length of 256 characters"),
  registering({ experiment_id: 'x' }, "Invalid experiment ID 'x'. Experiment ID must be a valid integer."),
  registering({ experiment_id: '99' }, 'No Experiment with id=99 exists', UNKNOWN),
  registering({ serialized_scorer: 'no json' }, 'serialized_scorer must be valid JSON'),
  registering({ serialized_scorer: '{"a":1' }, 'serialized_scorer must be valid JSON'),
  serialized([1], 'serialized_scorer must be a JSON object, got list.'),
  registering(
    { serialized_scorer: `{"a": ${'['.repeat(20_000)}${']'.repeat(20_000)}}` },
    'JSON values may be nested at most 100 deep.',
  ),
  serialized({ a: 'x'.repeat(65_535) }, "'serialized_scorer' exceeds the maximum length of 65535 characters"),
  serialized({ call_source: 'import os' }, 'Custom scorer registration (using @scorer decorator) is disabled'),
  serialized(
    { ensemble_scorer_data: { scorers: [{ call_source: 'import os' }] } },
    'Custom scorers require arbitrary code execution during deserialization.',
  ),
  serialized(judge(5), 'Scorer model must be a string, got int.'),
  serialized(judge('  '), 'Scorer model cannot be empty or contain only whitespace.'),
  serialized(judge('gateway:/chat'), "GatewayEndpoint not found (name='chat')", UNKNOWN),
  serialized(
    { memory_augmented_judge_data: { base_judge: judge('gateway:/chat') } },
    "GatewayEndpoint not found (name='chat')",
    UNKNOWN,
  ),
  serialized(thirdParty('x'), 'third_party_scorer_data.kwargs must be a JSON object, got str.'),
  serialized(thirdParty({ api_base: 'http://evil' }), "must not contain 'api_base': these options choose where"),
  serialized(
    thirdParty({ model_kwargs: [['base_url', 'http://evil']], fallbacks: [] }),
    "must not contain 'base_url', 'fallbacks'",
  ),
  scorers('GET', 'get', scorer, noScorer, UNKNOWN),
  scorers('GET', 'get', { ...scorer, version: 'x' }, 'Invalid value "x" for parameter \'version\''),
  scorers('GET', 'get', { name: 'tone' }, "Missing value for required parameter 'experiment_id'"),
  scorers('GET', 'versions', scorer, noScorer, UNKNOWN),
  scorers('GET', 'versions', { experiment_id: '$experiment' }, "Missing value for required parameter 'name'"),
  scorers('GET', 'list', { experiment_id: '99' }, 'No Experiment with id=99 exists', UNKNOWN),
  scorers('GET', 'list', { experiment_ids: 'x' }, "Invalid experiment ID 'x'"),
  scorers(
    'GET',
    'list',
    { experiment_id: '$experiment', experiment_ids: '0' },
    "Cannot specify both 'experiment_id' and 'experiment_ids'.",
  ),
  scorers('DELETE', 'delete', scorer, noScorer, UNKNOWN),
  scorers('DELETE', 'delete', { ...scorer, version: 1.5 }, "Invalid value 1.5 for parameter 'version'"),
  scorers('PUT', 'online-config', { ...scorer, sample_rate: 0 }, noScorer, UNKNOWN),
  scorers('PUT', 'online-config', scorer, "Missing value for required parameter 'sample_rate'"),
  scorers('PUT', 'online-config', { ...scorer, sample_rate: 'x' }, 'Invalid value "x" for parameter \'sample_rate\''),
  scorers('PUT', 'online-config', { ...scorer, sample_rate: 2 }, 'sample_rate must be between 0.0 and 1.0, got 2.0'),
  scorers('PUT', 'online-config', { ...scorer, sample_rate: -0.5 }, 'must be between 0.0 and 1.0, got -0.5'),
  scorers('PUT', 'online-config', { ...scorer, sample_rate: 'NaN' }, 'must be between 0.0 and 1.0, got nan'),
  scorers(
    'PUT',
    'online-config',
    { ...scorer, sample_rate: 0, filter_string: 5 },
    "Invalid value 5 for parameter 'filter_string'",
  ),
  scorers(
    'PUT',
    'online-config',
    { ...scorer, sample_rate: 0, filter_string: "nope = 'a'" },
    "Invalid attribute key 'nope' specified. Valid keys are",
  ),
  scorers('GET', 'online-configs', {}, "Missing value for required parameter 'scorer_ids'"),
  {
    method: 'PUT',
    path: '/api/3.0/mlflow/scorers/online-config',
    body: '{}',
    contentType: 'text/plain',
    status: 400,
    code: IPV,
    says: "Content-Type must be one of ['application/json']",
  },
];

const datasets = (
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
  path: string,
  body: object,
  says: string,
  code = IPV,
): MlflowCase => ({
  method,
  path: `/api/3.0/mlflow/datasets/${path}`,
  ...(method !== 'GET' && { body }),
  status: code === IPV ? 400 : 404,
  code,
  says,
});
const creating = (body: object, says: string, code = IPV) =>
  datasets('POST', 'create', { name: 'd', ...body }, says, code);
const searching = (body: object, says: string) => datasets('POST', 'search', body, says);
/** What the records of a request are is asked before the dataset. */
const merging = (records: unknown, says: string) =>
  datasets(
    'POST',
    'd-nobody/records',
    { records: typeof records === 'string' ? records : JSON.stringify(records) },
    says,
  );
const DATASET_FILTERS: Readonly<Record<string, string>> = {
  "nope = 'a'": "Invalid attribute key 'nope' specified. Valid keys are: {",
  "tag.a = 'a'": "Invalid identifier token 'tag' specified",
  "params.a = 'a'": "Invalid identifier token 'params' specified",
  "name == 'a'": 'Invalid comparator for attribute: ==',
  'name = 1': 'Expected a quoted string value for attributes. Got value 1',
  "tags.a > 'a'": 'Invalid comparator for tag: >',
  "name NOT IN ('a')": "List values for 'name' are only supported with the IN comparator.",
  "created_time = 'x'": "created_time. Found 'x'",
  'created_time = 1.5': "Invalid value for numeric attribute 'created_time': '1.5'",
  'name IS NULL': "IS NULL / IS NOT NULL is only supported for tags and params, not for 'attribute' 'name'",
  'tags.a IS NOT NULL': 'Invalid comparator for tag: IS NOT NULL',
  "name = 'a' OR name = 'b'": 'Invalid clause(s) in filter string: OR',
  "tags.`mlflow.user` = 'ada'": 'It holds personal data, which is stored encrypted',
};

const datasetCases: readonly MlflowCase[] = [
  creating({ name: undefined }, "Missing value for required parameter 'name'"),
  creating({ name: 5 }, "Invalid value 5 for parameter 'name'"),
  creating({ name: 'x'.repeat(256) }, "'name' exceeds the maximum length of 255 characters"),
  creating({ tags: { a: 'b' } }, "for parameter 'tags' supplied"),
  creating({ tags: 'no json' }, "Invalid value for parameter 'tags' supplied: it must be JSON in a text."),
  creating({ tags: '[1]' }, "Invalid value for parameter 'tags' supplied: it must be a JSON object, got list."),
  creating({ tags: '{"": "a"}' }, "Invalid value for parameter 'tags' supplied: a key is empty."),
  creating({ tags: JSON.stringify({ ['x'.repeat(256)]: 'a' }) }, "'key' exceeds the maximum length of 255 characters"),
  creating({ tags: JSON.stringify({ a: 'x'.repeat(5001) }) }, "'value' exceeds the maximum length of 5000 characters"),
  creating({ tags: '{"a": "\\u0000"}' }, "Invalid value for parameter 'tags' supplied: a value holds U+0000"),
  creating({ experiment_ids: ['x'] }, "Invalid experiment ID 'x'. Experiment ID must be a valid integer."),
  creating({ experiment_ids: ['99'] }, 'No Experiment with id=99', UNKNOWN),
  ...Object.entries(DATASET_FILTERS).map(([filter_string, says]) => searching({ filter_string }, says)),
  searching({ order_by: ['created_by'] }, "Invalid attribute key 'created_by' specified. Valid keys are: {"),
  searching({ order_by: ['tags.a'] }, 'Invalid order_by entity: tag'),
  searching({ order_by: ['name UP'] }, "Invalid ordering key in order_by clause 'name UP'."),
  searching(
    { max_results: -1 },
    "Invalid value -1 for parameter 'max_results' supplied. It must be a positive integer",
  ),
  searching(
    { max_results: 0 },
    "Invalid value None for parameter 'max_results' supplied. It must be a positive integer",
  ),
  searching(
    { max_results: 50_001 },
    "Invalid value 50001 for parameter 'max_results' supplied. It must be at most 50000",
  ),
  searching({ page_token: 'x' }, 'Invalid page token, could not base64-decode'),
  datasets('GET', 'd-nobody', {}, "Evaluation dataset with id 'd-nobody' not found", UNKNOWN),
  datasets('GET', 'd-nobody/records', {}, "Dataset 'd-nobody' not found.", UNKNOWN),
  datasets('GET', 'd-nobody/records?max_results=-1', {}, "Invalid value -1 for parameter 'max_results'"),
  datasets('GET', 'd-nobody/records?page_token=x', {}, 'Invalid page token'),
  datasets('PATCH', 'd-nobody/tags', {}, "Missing value for required parameter 'tags'"),
  datasets('PATCH', 'd-nobody/tags', { tags: '{}' }, 'Could not find evaluation dataset with ID d-nobody', UNKNOWN),
  datasets('POST', 'd-nobody/add-experiments', { experiment_ids: ['0'] }, "Dataset 'd-nobody' not found", UNKNOWN),
  datasets('POST', 'd-nobody/remove-experiments', {}, "Dataset 'd-nobody' not found", UNKNOWN),
  datasets('DELETE', 'd-nobody/records', { dataset_record_ids: [] }, "Dataset 'd-nobody' not found.", UNKNOWN),
  datasets('POST', 'd-nobody/records', {}, "Missing value for required parameter 'records'"),
  datasets('POST', 'd-nobody/records', { records: [] }, "Invalid value [] for parameter 'records'"),
  datasets('POST', 'd-nobody/records', { records: '[]' }, "Dataset 'd-nobody' not found.", UNKNOWN),
  merging('no json', "Invalid value for parameter 'records' supplied: it must be JSON in a text."),
  merging({}, "Invalid value for parameter 'records' supplied: it must be a JSON list, got dict."),
  merging(
    [{ inputs: Object.fromEntries(Array.from({ length: 5_001 }, (_, n) => [`k${n}`, n])) }],
    "Invalid value for parameter 'records[0]' supplied: it has 5001 keys; allowed are 5000.",
  ),
  merging(
    [{ inputs: {} }, 5],
    "Invalid value for parameter 'records[1]' supplied: it must be a JSON object, got a number.",
  ),
  merging([{ inputs: 'q' }], "'records[0].inputs' supplied: it must be a JSON object, got str."),
  merging(
    [{ inputs: {}, expectations: [] }],
    "'records[0].expectations' supplied: it must be a JSON object, got list.",
  ),
  merging([{ inputs: {}, tags: 'x' }], "'records[0].tags' supplied: it must be a JSON object, got str."),
  merging(
    [{ inputs: {}, source: { source_type: 'BOOK' } }],
    'Invalid dataset record source type: BOOK. Valid source types: [',
  ),
  merging([{ inputs: {}, source: {} }], "'records[0].source.source_type' supplied: it must be a text, got NoneType."),
  merging(
    [{ inputs: {}, source: { source_type: 'HUMAN', source_data: 1 } }],
    "'records[0].source.source_data' supplied",
  ),
  merging([{ inputs: { 'a\0': 1 } }], "'records[0].inputs' supplied: a key holds U+0000"),
  merging([{ inputs: { q: 'x'.repeat(200_000) } }], "'records[0]' supplied: it has 200"),
];

export const evaluationCases: readonly MlflowCase[] = [
  summaries([], 'SearchDatasets request must specify at least one experiment_id.'),
  summaries(Array.from({ length: 21 }).fill('0'), 'cannot specify more than 20 experiment_ids. Received 21'),
  summaries(['x'], "Invalid experiment ID 'x'. Experiment ID must be a valid integer."),
  summaries('0', 'Invalid value "0" for parameter \'experiment_ids\''),
  {
    path: 'mlflow/experiments/search-datasets',
    body: { experiment_ids: ['0'] },
    status: 404,
    code: 'ENDPOINT_NOT_FOUND',
    says: 'POST /api/2.0/mlflow/experiments/search-datasets is not served by Kontor.',
  },
  ...scorerCases,
  ...datasetCases,
];
