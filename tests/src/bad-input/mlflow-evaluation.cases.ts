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
  const query = Object.entries(fields).map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`);
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
];
