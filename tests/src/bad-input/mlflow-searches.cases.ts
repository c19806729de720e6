import type { MlflowCase } from './mlflow-case.js';

/** What the searches refuse: filters, orders, page sizes and page tokens. */

const refused = (path: string, body: object, says: string, code = 'INVALID_PARAMETER_VALUE'): MlflowCase => ({
  path: `mlflow/${path}`,
  body,
  status: 400,
  code,
  says,
});

/** Of a search by GET: the fields in its query. */
const asked = (
  path: string,
  fields: Readonly<Record<string, string | number | readonly string[]>>,
  says: string,
  code?: string,
): MlflowCase => {
  const query = Object.entries(fields).flatMap(([name, value]) =>
    [value].flat().map((item) => `${name}=${encodeURIComponent(item)}`),
  );
  return { ...refused(`${path}?${query.join('&')}`, {}, says, code), method: 'GET', body: undefined };
};

const runs = (fields: object, says: string, code?: string) =>
  refused('runs/search', { experiment_ids: ['$experiment'], ...fields }, says, code);
const experiments = (fields: object, says: string) =>
  refused('experiments/search', { max_results: 5, ...fields }, says);
const loggedModels = (fields: object, says: string) =>
  refused('logged-models/search', { experiment_ids: ['$experiment'], ...fields }, says);

const encoded = (text: string): string => Buffer.from(text).toString('base64');

const RUN_FILTERS: Readonly<Record<string, string>> = {
  'metrics.m = high': 'Expected numeric value type for metric. Found high',
  "metrics.m LIKE '1'": "Expected numeric value type for metric. Found '1'",
  "metric.m IN ('1')": 'Expected numeric value type for metric',
  'metrics.m IS NULL': "IS NULL / IS NOT NULL is only supported for tags and params, not for 'metric' 'm'",
  'status IS NOT NULL': "IS NULL / IS NOT NULL is only supported for tags and params, not for 'attribute' 'status'",
  "params.p >= 'x'": "Invalid comparator '>=' not one of",
  "params.p <> 'x'": "Invalid comparator '<>' not one of",
  "tags.t < 'x'": "Invalid comparator '<' not one of",
  'tags.t = 1': "Expected a quoted string value for tag (e.g. 'my-value'). Got value 1",
  "start_time > 'x'": "Expected numeric value type for numeric attribute: start_time. Found 'x'",
  "end_time LIKE '1%'": "Expected numeric value type for numeric attribute: end_time. Found '1%'",
  "run_name > 'a'": "Invalid comparator '>' not one of",
  "run_name IN ('a')": "Only ['run_id'] attributes support comparison with a list of quoted string values",
  "artifact_uri NOT IN ('a')": "Only ['run_id'] attributes support comparison with a list",
  "lifecycle_stage = 'active'": "Invalid attribute key 'lifecycle_stage' specified. Valid keys are",
  "attributes.nope = 'a'": "Invalid attribute key 'nope' specified. Valid keys are",
  "dataset.owner = 'a'": "Invalid dataset key 'owner' specified. Valid keys are",
  "model.name = 'a'":
    "Invalid entity type 'model'. Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset']",
  'run_id IN': 'Invalid clause(s) in filter string',
  "run_id IN ('a'": 'Invalid clause(s) in filter string',
  'metrics.m': 'Invalid clause(s) in filter string',
  'metrics.m >': 'Invalid clause(s) in filter string',
  'metrics. > 1': 'Invalid clause(s) in filter string',
  'AND metrics.m > 1': 'Invalid clause(s) in filter string',
  'metrics.m > 1 metrics.n > 1': 'Invalid clause(s) in filter string',
  'NOT metrics.m > 1': 'Invalid clause(s) in filter string',
  '(metrics.m > 1)': 'Invalid comparison clause',
  "params.p = 'open": 'Invalid clause(s) in filter string',
  "'a' = params.p": "Invalid comparison clause. Expected 'Identifier' found 'a'",
  '#': "Invalid clause(s) in filter string: '#'",
};

const EXPERIMENT_FILTERS: Readonly<Record<string, string>> = {
  "params.p = 'x'": "Invalid entity type 'params'. Valid entity types are ('attribute', 'attributes', 'tag', 'tags')",
  "nope = 'x'": "Invalid attribute key 'nope' specified. Valid keys are",
  "name > 'x'": "Invalid comparator '>' not one of",
  "name IN ('x')": "Only ['experiment_id'] attributes support comparison with a list",
  "experiment_id = 'x'": "Invalid experiment ID 'x'. Experiment ID must be a valid integer",
  "creation_time > 'x'": "Expected numeric value type for numeric attribute: creation_time. Found 'x'",
  'creation_time > 1.5': "Invalid value for numeric attribute 'creation_time': '1.5'",
  'name IS NULL': "IS NULL / IS NOT NULL is only supported for tags, not for attribute 'name'",
  "name = 'a' OR name = 'b'": 'Invalid clause(s) in filter string: OR',
  'tags.t = 1': "Expected a quoted string value for tag (e.g. 'my-value'). Got value 1",
};

const MODEL_FILTERS: Readonly<Record<string, string>> = {
  "params.p = 'x'": "Invalid entity type 'params'. Valid entity types are ('attribute', 'tag', 'tags')",
  "version_number = '1'": "Invalid attribute key 'version_number' specified. Valid keys are",
  "name > 'x'": 'Invalid comparator for attribute: >',
  "tags.t IN ('x')": "Expected a quoted string value for tag (e.g. 'my-value'). Got value ('x')",
  'tags.t IS NULL': 'IS NULL / IS NOT NULL is not supported for registered model search.',
  "name = 'a'; DROP TABLE x": 'Search filter contained multiple expression',
};

const VERSION_FILTERS: Readonly<Record<string, string>> = {
  "current_stage = 'None'": "Invalid attribute key 'current_stage' specified. Valid keys are",
  "source_path IN ('x')": "Only ['name', 'run_id'] attributes support comparison with a list of quoted string values.",
  "version_number > 'x'": "Invalid value for numeric attribute 'version_number': 'x'",
  'version_number > 1.5': "Invalid value for numeric attribute 'version_number': 1.5",
  'name = x': 'Parameter value is either not quoted or unidentified quote types',
};

const LOGGED_MODEL_FILTERS: Readonly<Record<string, string>> = {
  'metrics.a IS NULL': 'IS NULL / IS NOT NULL is not supported for logged model search.',
  "name > 'x'": "Invalid comparison operator for attributes.name: '>'. Expected one of (",
  "status LIKE 'R%'": 'Invalid comparison operator for status: LIKE',
  "metrics.a LIKE 'x'": "Expected numeric value type for metric. Found 'x'",
  name: "Expected a list of comparisons separated by 'AND'",
};

const RUN_ORDERS: Readonly<Record<string, string>> = {
  'metrics.m UP': "Invalid ordering key in order_by clause 'metrics.m UP'.",
  'metrics.m ASC DESC': "Invalid order_by clause 'metrics.m ASC DESC'. Could not be parsed.",
  '': "Invalid order_by clause ''. Could not be parsed.",
  '5': "Invalid order_by clause '5'. Could not be parsed.",
  'a!b': "Invalid order_by clause 'a!b'. Could not be parsed.",
  'foo.x': "Invalid entity type 'foo'. Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset']",
  'datasets.name': 'Invalid order_by entity: dataset',
  nope: "Invalid attribute key 'nope' specified. Valid keys are",
};

const TOKENS: readonly (readonly [token: string, says: string])[] = [
  ['x', 'Invalid page token, could not base64-decode'],
  ['YWJj', "Invalid page token, decoded value=b'abc'"],
  [encoded('{}'), 'Invalid page token, parsed value={}'],
  [encoded('[]'), 'Invalid page token, parsed value=[]'],
  [encoded('"\u00e9"'), 'Invalid page token, decoded value=b\'"\\xc3\\xa9"\''],
  [encoded('{"offset": -1}'), 'Invalid page token'],
  [encoded('{"offset": 5}'), 'Invalid page token'],
  [encoded('{"position":"1","offset":0,"listing":"x"}'), 'it belongs to a search with another filter or order'],
];

export const searchCases: readonly MlflowCase[] = [
  ...Object.entries(RUN_FILTERS).map(([filter, says]) => runs({ filter }, says)),
  ...Object.entries(RUN_ORDERS).map(([order, says]) => runs({ order_by: [order] }, says)),
  runs({ order_by: ['metrics.a', 'metrics.a DESC'] }, 'contains duplicate fields', 'INTERNAL_ERROR'),
  runs({ max_results: 0 }, "Invalid value 0 for parameter 'max_results' supplied. It must be a positive integer"),
  runs({ max_results: -1 }, "Invalid value -1 for parameter 'max_results' supplied."),
  runs(
    { max_results: 1.5 },
    "Invalid value 1.5 for parameter 'max_results' supplied:  Hint: Value was of type 'float'",
  ),
  runs({ run_view_type: 9 }, "Invalid value 9 for parameter 'run_view_type' supplied:"),
  runs({ experiment_ids: 'x' }, 'Invalid value "x" for parameter \'experiment_ids\' supplied:'),
  runs({ experiment_ids: [5] }, "Invalid value [5] for parameter 'experiment_ids' supplied:"),
  ...Object.entries(EXPERIMENT_FILTERS).map(([filter, says]) => experiments({ filter }, says)),
  experiments({ order_by: ['name UP'] }, "Invalid ordering key in order_by clause 'name UP'."),
  experiments({ order_by: ['tags.t'] }, 'Invalid order_by entity: tag'),
  experiments({ order_by: ['metrics.m'] }, "Invalid entity type 'metrics'. Valid entity types are"),
  experiments({ order_by: ['nope'] }, "Invalid attribute key 'nope' specified. Valid keys are"),
  ...Object.entries(MODEL_FILTERS).map(([filter, says]) => asked('registered-models/search', { filter }, says)),
  asked('registered-models/search', { order_by: 'foo' }, "Invalid order by key 'foo' specified. Valid keys are"),
  asked('registered-models/search', { order_by: 'tags.t' }, "Invalid order by key 'tags.t' specified. Valid keys are"),
  asked('registered-models/search', { order_by: 'name UP' }, "Invalid ordering key in order_by clause 'name UP'."),
  asked(
    'registered-models/search',
    { order_by: ['timestamp', 'last_updated_timestamp DESC'] },
    "`order_by` contains duplicate fields: ['timestamp', 'last_updated_timestamp DESC']",
    'INTERNAL_ERROR',
  ),
  asked(
    'registered-models/search',
    { max_results: 0 },
    'Invalid value for max_results. It must be a positive integer, but got 0',
  ),
  asked('registered-models/search', { max_results: 1001 }, 'Invalid value "1001" for parameter \'max_results\''),
  ...Object.entries(VERSION_FILTERS).map(([filter, says]) => asked('model-versions/search', { filter }, says)),
  asked('model-versions/search', { order_by: ['name', 'name DESC'] }, 'contains duplicate fields', 'INTERNAL_ERROR'),
  asked('model-versions/search', { order_by: 'tags.t' }, 'Invalid order_by entity: tag'),
  asked('model-versions/search', { order_by: 'nope' }, "Invalid attribute key 'nope' specified. Valid keys are"),
  asked('model-versions/search', { max_results: -5 }, 'It must be a positive integer, but got -5'),
  asked('model-versions/search', { max_results: 200_001 }, 'Invalid value "200001" for parameter \'max_results\''),
  ...Object.entries(LOGGED_MODEL_FILTERS).map(([filter, says]) => loggedModels({ filter }, says)),
  loggedModels({ max_results: 50_001 }, 'It must be at least 1 and at most 50000'),
  loggedModels({ order_by: ['name'] }, 'Invalid value "name" for parameter \'order_by[0]\''),
  ...TOKENS.flatMap(([page_token, says]) => [
    runs({ page_token }, says),
    experiments({ page_token }, says),
    loggedModels({ page_token }, says),
    asked('registered-models/search', { page_token }, says),
    asked('model-versions/search', { page_token }, says),
    asked('metrics/get-history', { run_id: '$run', metric_key: 'm', page_token }, says),
  ]),
  asked(
    'metrics/get-history',
    { run_id: '$run', metric_key: 'm', max_results: 0 },
    "Invalid value 0 for parameter 'max_results' supplied. It must be a positive integer.",
  ),
];
