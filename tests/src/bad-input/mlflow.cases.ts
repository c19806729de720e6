import type { MlflowCase } from './mlflow-case.js';
import { evaluationCases } from './mlflow-evaluation.cases.js';
import { fieldCases } from './mlflow-fields.cases.js';
import { searchCases } from './mlflow-searches.cases.js';
import { transportCases } from './mlflow-transport.cases.js';

const IPV = 'INVALID_PARAMETER_VALUE';
const missing = (path: string, body: object, field: string): MlflowCase => ({
  path: `mlflow/${path}`,
  body,
  status: 400,
  code: IPV,
  says: `Missing value for required parameter '${field}'`,
});
const invalid = (path: string, body: object, says: string): MlflowCase => ({
  path: `mlflow/${path}`,
  body,
  status: 400,
  code: IPV,
  says,
});
const unknown = (path: string, body: object, says: string): MlflowCase => ({
  path: `mlflow/${path}`,
  body,
  status: 404,
  code: 'RESOURCE_DOES_NOT_EXIST',
  says,
});
const kontor = (path: string, body: object, says: string): MlflowCase => ({
  path: `kontor/${path}`,
  body,
  status: 400,
  code: IPV,
  says,
});
const importing = { import_id: '00000000-0000-8000-8000-000000000000', started_at: '2026-01-01T00:00:00Z' };
const search = (filter: string, says: string): MlflowCase =>
  invalid('runs/search', { experiment_ids: ['$experiment'], filter }, says);
const file = (
  method: 'GET' | 'PUT' | 'DELETE',
  path: string,
  status: number,
  code: string,
  says: string,
): MlflowCase => ({
  method,
  path: `mlflow-artifacts/artifacts/${path}`,
  ...(method === 'PUT' && { body: 'bytes', contentType: 'application/octet-stream' }),
  status,
  code,
  says,
});

const getting = (path: string, status: number, code: string, says: string): MlflowCase => ({
  method: 'GET',
  path,
  status,
  code,
  says,
});

/** In a query this is refused before anybody knows that the field is a path. */
const NUL = 'x%00.txt';
// Paths that lead elsewhere on some machine, as a URL brings them. `fetch` itself resolves plain and once encoded dots.
const TRICKS_OF_A_RUN = [
  '..%2f..%2fx',
  '%252e%252e/x',
  '%25252e%25252e%25252fx',
  'a/..%5c..%5cx',
  'a%5c..%5cx',
  'x%2500.txt',
  'x%0a',
  'x%23y',
];
const TRICKS = [
  ...TRICKS_OF_A_RUN,
  '%2fetc/passwd',
  '%252fetc/passwd',
  '%2f%2fhost/share',
  '%5c%5chost%5cshare',
  'C:%5cwindows',
  'c:/windows',
  '%43%3a/windows',
  'file:%2f%2f%2fetc/passwd',
  'FILE:%2fetc/passwd',
  'file:x',
  'http:%2f%2fhost/x',
];

export const mlflowCases: readonly MlflowCase[] = [
  ...transportCases,
  ...fieldCases,
  ...searchCases,
  ...evaluationCases,
  ...['registered-models/create', 'experiments/create'].map((path) =>
    invalid(path, { name: 'a\0b' }, "parameter 'name' supplied: it holds the character U+0000"),
  ),
  // What is no request at all.
  { path: 'mlflow/experiments/create', body: 'no json', status: 400, code: IPV, says: "required parameter 'name'" },
  { path: 'mlflow/experiments/create', body: '[1]', status: 400, code: IPV, says: 'must be a JSON object, got list' },
  {
    path: 'mlflow/experiments/create',
    body: '{}',
    contentType: 'text/plain',
    status: 400,
    code: IPV,
    says: "Content-Type must be one of ['application/json']",
  },
  {
    path: 'mlflow/gateway/routes',
    body: {},
    status: 404,
    code: 'ENDPOINT_NOT_FOUND',
    says: 'POST /api/2.0/mlflow/gateway/routes is not served by Kontor.',
  },
  {
    path: 'mlflow/experiments/create',
    body: { name: 'n', ignored: 'x'.repeat(17 * 1024 * 1024) },
    status: 413,
    code: 'BAD_REQUEST',
    says: 'more than 16777216 bytes',
  },
  // Experiments.
  missing('experiments/create', {}, 'name'),
  missing('experiments/create', { name: '' }, 'name'),
  invalid('experiments/create', { name: '  ' }, "Invalid experiment name: '  '"),
  invalid(
    'experiments/create',
    { name: 5 },
    "Invalid value 5 for parameter 'name' supplied:  Hint: Value was of type 'int'",
  ),
  invalid('experiments/create', { name: 'x'.repeat(501) }, "'name' exceeds the maximum length of 500 characters"),
  invalid('experiments/create', { name: 'n', tags: 'x' }, 'Invalid value "x" for parameter \'tags\''),
  invalid(
    'experiments/create',
    { name: 'n', tags: [{ key: 'a!', value: '' }] },
    'Names may only contain alphanumerics',
  ),
  invalid(
    'experiments/create',
    { name: 'n', artifact_location: 'runs:/a/b' },
    'Artifact location cannot be a runs:/ URI',
  ),
  invalid(
    'experiments/create',
    { name: 'n', artifact_location: 's3://b/a#b' },
    "'artifact_location' URL can't include fragments",
  ),
  {
    path: 'mlflow/experiments/create',
    body: { name: 'bad-input' },
    status: 400,
    code: 'RESOURCE_ALREADY_EXISTS',
    says: 'Experiment(name=bad-input) already exists',
  },
  unknown('experiments/delete', { experiment_id: '99999' }, 'No Experiment with id=99999 exists'),
  unknown('experiments/restore', { experiment_id: '$experiment' }, 'No Experiment with id=$experiment exists'),
  invalid(
    'experiments/delete',
    { experiment_id: 'abc' },
    "Invalid experiment ID 'abc'. Experiment ID must be a valid integer",
  ),
  unknown(
    'experiments/delete-experiment-tag',
    { experiment_id: '$experiment', key: 'k' },
    'No tag with name: k in experiment with id $experiment',
  ),
  invalid(
    'experiments/search',
    {},
    "Invalid value 0 for parameter 'max_results' supplied. It must be a positive integer",
  ),
  invalid(
    'experiments/search',
    { max_results: 0 },
    "Invalid value 0 for parameter 'max_results' supplied. It must be a positive integer",
  ),
  invalid('experiments/search', { max_results: 50_001 }, 'It must be at most 50000'),
  invalid('experiments/search', { max_results: 5, page_token: 'YWJj' }, "Invalid page token, decoded value=b'abc'"),
  // Runs.
  missing('runs/create', {}, 'experiment_id'),
  unknown('runs/create', { experiment_id: '99999' }, 'No Experiment with id=99999 exists'),
  invalid(
    'runs/create',
    { experiment_id: '$experiment', start_time: 'x' },
    'Invalid value "x" for parameter \'start_time\'',
  ),
  invalid(
    'runs/create',
    { experiment_id: '$experiment', run_name: 'a', tags: [{ key: 'mlflow.runName', value: 'b' }] },
    "but with different values (run_name='a', mlflow.runName='b')",
  ),
  invalid(
    'runs/create',
    { experiment_id: '$experiment', run_name: 'x'.repeat(251) },
    "'run_name' exceeds the maximum length of 250 characters",
  ),
  missing('runs/update', {}, 'run_id'),
  unknown('runs/update', { run_id: 'nope' }, 'Run with id=nope not found'),
  invalid(
    'runs/update',
    { run_id: '$run', runId: '$run' },
    "Request specifies both 'run_id' and 'runId'; provide only one of them",
  ),
  missing('runs/log-metric', { run_id: '$run', key: 'm', timestamp: 1 }, 'value'),
  invalid(
    'runs/log-metric',
    { run_id: '$run', key: 'm', value: 'x', timestamp: 1 },
    'Invalid value "x" for parameter \'value\'',
  ),
  invalid(
    'runs/log-metric',
    { run_id: '$run', key: 'm', value: 1, timestamp: -1 },
    'Timestamp must be a nonnegative long',
  ),
  invalid(
    'runs/log-metric',
    { run_id: '$run', key: 'm', value: 1, timestamp: 1, step: '9223372036854775808' },
    "for parameter 'step'",
  ),
  invalid(
    'runs/log-metric',
    { run_id: '$run', key: 'm', value: 1, timestamp: '9007199254740993' },
    "for parameter 'timestamp' supplied: must lie between",
  ),
  invalid(
    'runs/log-metric',
    { run_id: '$run', key: '../m', value: 1, timestamp: 1 },
    "This name would resolve to '../m'",
  ),
  invalid(
    'runs/log-metric',
    { run_id: '$run', key: 'm'.repeat(251), value: 1, timestamp: 1 },
    "'Metric name' exceeds the maximum length of 250 characters",
  ),
  invalid(
    'runs/log-metric',
    { run_id: '$deletedRun', key: 'm', value: 1, timestamp: 1 },
    "The run $deletedRun must be in the 'active' state. Current state is deleted.",
  ),
  invalid(
    'runs/log-parameter',
    { run_id: '$run', key: 'depth', value: '4' },
    "Param with key='depth' was already logged with value='3' for run ID='$run'. Attempted logging new value '4'",
  ),
  unknown('runs/delete-tag', { run_id: '$run', key: 'nope' }, 'No tag with name: nope in run with id $run'),
  invalid('runs/log-batch', { run_id: 'bad id' }, 'Invalid value "bad id" for parameter \'run_id\''),
  missing('runs/log-batch', { run_id: '$run', metrics: [{ key: 'm', timestamp: 1 }] }, 'metrics[0].value'),
  invalid(
    'runs/log-batch',
    {
      run_id: '$run',
      metrics: [
        { key: 'ok', value: 1, timestamp: 1 },
        { key: 'm!', value: 1, timestamp: 1 },
      ],
    },
    "for parameter 'metrics[1].name'",
  ),
  invalid(
    'runs/log-batch',
    {
      run_id: '$run',
      params: [
        { key: 'new', value: '1' },
        { key: 'depth', value: '9' },
      ],
    },
    "[{'key': 'depth', 'old_value': '3', 'new_value': '9'}]",
  ),
  invalid(
    'runs/log-batch',
    {
      run_id: '$run',
      params: [
        { key: 'q', value: '1' },
        { key: 'q', value: '1' },
      ],
    },
    "Duplicate parameter keys have been submitted: ['q']",
  ),
  invalid(
    'runs/log-batch',
    { run_id: '$run', metrics: Array.from({ length: 1001 }, () => ({ key: 'm', value: 1, timestamp: 1 })) },
    'at most 1000 metrics. Got 1001 metrics',
  ),
  invalid(
    'runs/log-batch',
    { run_id: '$run', tags: Array.from({ length: 101 }, (_, i) => ({ key: `t${i}`, value: '' })) },
    'at most 100 tags. Got 101 tags',
  ),
  missing('runs/log-inputs', { run_id: '$run', datasets: [{}] }, 'datasets[0].dataset'),
  invalid(
    'runs/log-inputs',
    { run_id: '$run', datasets: [{ dataset: { name: 'd', digest: 'x'.repeat(37), source_type: 's', source: 's' } }] },
    "'digest' exceeds the maximum length of 36 characters",
  ),
  missing('runs/outputs', { run_id: '$run' }, 'models'),
  invalid(
    'runs/log-inputs',
    {
      run_id: '$run',
      datasets: [{ dataset: { name: 'd', digest: 'x', source_type: 's', source: 's', schema: 'x'.repeat(1_048_576) } }],
    },
    "'schema' exceeds the maximum length of 1048575 characters",
  ),
  invalid(
    'runs/log-inputs',
    { run_id: '$run', models: [{ model_id: 'm-1' }] },
    'Invalid value "m-1" for parameter \'models[0].model_id\' supplied: must be m- and 32 hex digits',
  ),
  invalid(
    'runs/log-batch',
    {
      run_id: '$run',
      params: Array.from({ length: 100 }, (_, i) => ({ key: `wide${i}`, value: 'é'.repeat(6000) })),
    },
    'the command LogRunData has',
  ),
  invalid('runs/log-model', { run_id: '$run', model_json: '{' }, 'is not a valid JSON'),
  invalid(
    'runs/log-model',
    { run_id: '$run', model_json: '{"flavors": {}}' },
    "Model json is missing mandatory fields: {'artifact_path', 'utc_time_created', 'run_id'}",
  ),
  invalid(
    'artifacts/presigned-download-url',
    { run_id: '$run', path: 'x' },
    'Presigned download is not supported for runs with proxied artifact storage',
  ),
  ...(
    [
      ['get-history-bulk?metric_key=m', 'must specify at least one run_id'],
      ['get-history-bulk?run_id=$run', 'must specify a metric_key'],
      ['get-history-bulk-interval?run_ids=$run&metric_key=m&start_step=1', 'both must be specified'],
      [
        'get-history-bulk-interval?run_ids=$run&metric_key=m&start_step=2&end_step=1',
        'Found start_step=2 and end_step=1',
      ],
      ['get-history-bulk-interval?run_ids=$run&metric_key=m&max_results=2501', 'must be between 1 and 2500'],
    ] as const
  ).map(([path, says]): MlflowCase => ({
    method: 'GET',
    path: `mlflow/metrics/${path}`,
    status: 400,
    code: IPV,
    says,
  })),
  // Searches.
  invalid('runs/search', { experiment_ids: ['abc'] }, "Invalid experiment ID 'abc'"),
  invalid('runs/search', { experiment_ids: ['$experiment'], max_results: 50_001 }, "for parameter 'max_results'"),
  invalid(
    'runs/search',
    { experiment_ids: ['$experiment'], order_by: ['metrics.m UP'] },
    "Invalid ordering key in order_by clause 'metrics.m UP'",
  ),
  {
    path: 'mlflow/runs/search',
    body: { experiment_ids: ['$experiment'], order_by: ['metrics.a', 'metrics.a DESC'] },
    status: 400,
    code: 'INTERNAL_ERROR',
    says: '`order_by` contains duplicate fields',
  },
  search("metrics.m > '1'", "Expected numeric value type for metric. Found '1'"),
  search('params.depth = 3', "Expected a quoted string value for parameter (e.g. 'my-value'). Got value 3"),
  search("params.depth > '3'", "Invalid comparator '>' not one of"),
  search("nope = 'x'", "Invalid attribute key 'nope' specified. Valid keys are"),
  search("user_id = 'ada'", "Invalid attribute key 'user_id' specified. It holds personal data"),
  search("tags.mlflow.user = 'ada'", "Invalid tag key 'mlflow.user' specified. It holds personal data"),
  invalid(
    'runs/search',
    { experiment_ids: ['$experiment'], order_by: ['attributes.user_id'] },
    "Invalid attribute key 'user_id' specified. It holds personal data",
  ),
  search("nope.x = 'x'", "Invalid entity type 'nope'. Valid values are"),
  search("run_name = 'a' OR run_name = 'b'", "Invalid clause(s) in filter string: 'OR'"),
  search("status IN ('RUNNING')", "Only ['run_id'] attributes support comparison with a list"),
  search('run_id IN ()', 'expected a non-empty list of string values, but got empty list'),
  search('tags.team = Alpha', 'Parameter value is either not quoted or unidentified quote types'),
  search('metrics.m > high', 'Expected numeric value type for metric. Found high'),
  search("params.depth == '3'", "Invalid comparator '==' not one of"),
  search("params.depth IN ('3')", "Got value ('3')"),
  search('run_id IN (1)', 'got different type in list: (1,)'),
  search("run_name = 'a'; DROP TABLE runs", 'Search filter contained multiple expression'),
  search("'; DROP TABLE runs; --", 'Invalid clause(s) in filter string'),
  // Logged models.
  invalid('logged-models', { experiment_id: '$experiment', name: 'a/b' }, "Invalid model name ('a/b') provided"),
  {
    ...invalid(
      'logged-models/$loggedModel',
      { model_id: '$loggedModel', status: 'DONE' },
      "Invalid value 'DONE' for parameter 'status' supplied. It must be one of LOGGED_MODEL_PENDING",
    ),
    method: 'PATCH',
  },
  { ...unknown('logged-models/m-nope', {}, "Logged model with ID 'm-nope' not found"), method: 'DELETE' },
  invalid(
    'logged-models/$loggedModel/params',
    { model_id: '$loggedModel', params: [{ key: 'depth', value: '4' }] },
    'Changing param values is not allowed',
  ),
  missing('logged-models/search', {}, 'experiment_ids'),
  ...(
    [
      [
        { filter: "status = 'DONE'" },
        "Unknown model status in filter: 'DONE'. It must be one of PENDING, READY, FAILED",
      ],
      [{ filter: "metrics.a > '1'" }, "Expected numeric value type for metric. Found '1'"],
      [{ filter: "params.a > '1'" }, "Invalid comparison operator for params.a: '>'. Expected one of ("],
      [{ filter: "name = 'a' OR name = 'b'" }, "Expected a list of comparisons separated by 'AND'"],
      [{ filter: "nope.a = 'b'" }, "Invalid entity type: 'nope'. Expected one of ['attributes', 'metrics'"],
      [{ order_by: [{ field_name: 'nope' }] }, 'Invalid order by field name: nope'],
      [{ order_by: [{ field_name: 'params.a' }] }, 'Only metrics are supported'],
      [{ datasets: [{ dataset_digest: 'x' }] }, '`dataset_name` in the `datasets` clause must be specified'],
    ] as const
  ).map(([body, says]) => invalid('logged-models/search', { experiment_ids: ['$experiment'], ...body }, says)),
  // Registry.
  {
    path: 'mlflow/registered-models/create',
    body: { name: '$model' },
    status: 400,
    code: 'RESOURCE_ALREADY_EXISTS',
    says: 'Registered Model (name=$model) already exists',
  },
  invalid('registered-models/create', { name: 'a/b' }, "Invalid model name 'a/b'. Names cannot contain '/' or ':'"),
  {
    ...invalid('registered-models/get?name=a%2Fb', {}, "Invalid model name 'a/b'. Names cannot contain '/' or ':'"),
    method: 'GET',
    body: undefined,
  },
  invalid(
    'registered-models/create',
    { name: 'new', tags: [{ key: 'k', value: 'x'.repeat(100_001) }] },
    "'value' exceeds the maximum length of 100000 characters",
  ),
  invalid('registered-models/create', { name: 'x'.repeat(257) }, "'name' exceeds the maximum length of 256 characters"),
  unknown('model-versions/create', { name: 'nope', source: 's3://b/x' }, 'Registered Model with name=nope not found'),
  invalid(
    'model-versions/create',
    { name: '$model', source: '/etc/passwd' },
    'To use a local path as a model version source',
  ),
  invalid(
    'model-versions/create',
    { name: '$model', source: 's3://b/%252e%252e/x' },
    'an absolute path must be provided without relative path references',
  ),
  invalid(
    'model-versions/create',
    { name: '$model', source: 'runs:/$run/model' },
    'The run_id request parameter must identify the resource',
  ),
  invalid(
    'model-versions/create',
    { name: '$model', source: 'sftp://host/x' },
    "'source' cannot use the 'sftp' scheme",
  ),
  invalid(
    'registered-models/alias',
    { name: '$model', alias: 'Latest', version: '1' },
    "'latest' alias name (case insensitive) is reserved",
  ),
  invalid(
    'registered-models/alias',
    { name: '$model', alias: 'v3', version: '1' },
    "Version alias name 'v3' is reserved",
  ),
  invalid(
    'registered-models/alias',
    { name: '$model', alias: 'a b', version: '1' },
    'Names may only contain alphanumerics, underscores (_), and dashes (-)',
  ),
  unknown(
    'registered-models/alias',
    { name: '$model', alias: 'a', version: '9' },
    'Model Version (name=$model, version=9) not found',
  ),
  invalid(
    'registered-models/alias',
    { name: '$model', alias: 'a', version: 'one' },
    "Parameter 'version' must be an integer, got 'one'",
  ),
  invalid(
    'model-versions/transition-stage',
    { name: '$model', version: '1', stage: 'Live' },
    'Invalid Model Version stage: Live. Value must be one of None, Staging, Production, Archived',
  ),
  invalid(
    'experiments/create',
    { name: 'n', artifact_location: 'sftp://host/x' },
    "'artifact_location' cannot use the 'sftp' scheme",
  ),
  {
    path: 'mlflow/model-versions/transition-stage',
    body: { name: '$model', version: '1', stage: 'Archived', archive_existing_versions: true },
    status: 400,
    code: 'INTERNAL_ERROR',
    says: "'Archived' is not an Active stage",
  },
  // Files.
  file(
    'PUT',
    '$experiment/$run/artifacts/model/decision-table.json',
    409,
    'RESOURCE_CONFLICT',
    'Artifacts of model version $model/1 cannot be changed',
  ),
  file(
    'DELETE',
    '$experiment/$run/artifacts/model',
    409,
    'RESOURCE_CONFLICT',
    'Artifacts of model version $model/1 cannot be changed',
  ),
  ...[...TRICKS, NUL].flatMap((path) =>
    (['PUT', 'GET', 'DELETE'] as const).map((method) => file(method, path, 400, IPV, 'Invalid path')),
  ),
  ...TRICKS_OF_A_RUN.flatMap((path) => [
    file('PUT', `$experiment/$run/artifacts/${path}`, 400, IPV, 'Invalid path'),
    getting(`mlflow/artifacts/list?run_id=$run&path=${path}`, 400, IPV, 'Invalid path'),
  ]),
  ...TRICKS.flatMap((path) => [
    getting(`mlflow-artifacts/artifacts?path=${path}`, 400, IPV, 'Invalid path'),
    getting(
      `mlflow/logged-models/$loggedModel/artifacts/directories?artifact_directory_path=${path}`,
      400,
      IPV,
      'Invalid path',
    ),
  ]),
  getting(`mlflow/artifacts/list?run_id=$run&path=${NUL}`, 400, IPV, 'it holds the character U+0000'),
  file('PUT', '$experiment/$run/artifacts/folder/', 400, IPV, 'Invalid path'),
  file('PUT', '$experiment/$run/artifacts', 400, IPV, 'Invalid path'),
  file('PUT', '', 400, IPV, 'Invalid path'),
  file('DELETE', '', 400, IPV, 'Invalid path'),
  file('DELETE', '$experiment/$run/artifacts', 400, IPV, 'Invalid path'),
  file('GET', '$experiment', 400, IPV, 'Artifact path refers to a directory, not a file'),
  ...(['PUT', 'GET', 'DELETE'] as const).map((method) =>
    file(
      method,
      `$experiment/$run/artifacts/${'a/'.repeat(600)}x`,
      400,
      IPV,
      "'path' exceeds the maximum length of 1024 bytes",
    ),
  ),
  file('PUT', `${'f'.repeat(251)}/x`, 400, IPV, "'first part of path' exceeds the maximum length of 250 characters"),
  file('PUT', 'workspaces/other/x', 400, IPV, "Artifact path targets workspace 'other'"),
  file('PUT', 'workspaces//x', 400, IPV, "Artifact path targets workspace 'x'"),
  file(
    'GET',
    '$experiment/$run/artifacts/nope',
    404,
    'RESOURCE_DOES_NOT_EXIST',
    "No such artifact: '$experiment/$run/artifacts/nope'",
  ),
  file('GET', '$experiment/$run/artifacts/model', 400, IPV, 'Artifact path refers to a directory, not a file'),
  {
    method: 'POST',
    path: 'mlflow-artifacts/mpu/create/x',
    body: { path: 'x' },
    status: 501,
    code: 'NOT_IMPLEMENTED',
    says: 'Multipart upload is not supported',
  },
  ...['complete', 'abort'].map((step) => ({
    path: `mlflow-artifacts/mpu/${step}/x`,
    body: { path: 'x', upload_id: 'u', parts: [{ part_number: 1, etag: 'e' }] },
    status: 501,
    code: 'NOT_IMPLEMENTED',
    says: 'Multipart upload is not supported',
  })),
  {
    path: 'mlflow-artifacts/mpu/create/x',
    body: {},
    status: 400,
    code: IPV,
    says: "Missing value for required parameter 'path'",
  },
  getting('mlflow-artifacts/presigned/x', 501, 'NOT_IMPLEMENTED', 'Multipart download is not supported'),
  invalid('artifacts/presigned-upload-url', { path: 'x' }, 'Exactly one of run_id and model_id must be provided.'),
  invalid(
    'artifacts/presigned-upload-url',
    { run_id: '$run', model_id: '$loggedModel', path: 'x' },
    'Exactly one of run_id and model_id must be provided.',
  ),
  missing('artifacts/presigned-upload-url', { run_id: '$run' }, 'path'),
  ...[{ run_id: '$run' }, { model_id: '$loggedModel' }].map((of) =>
    invalid(
      'artifacts/presigned-upload-url',
      { ...of, path: 'x' },
      'Presigned upload is not supported for proxied artifact storage (artifact URI scheme: mlflow-artifacts). ' +
        'This endpoint requires a direct cloud storage artifact URI.',
    ),
  ),
  unknown('artifacts/presigned-upload-url', { run_id: 'a'.repeat(32), path: 'x' }, 'not found'),
  missing('artifacts/presigned-download-url', { run_id: '$run' }, 'path'),
  missing('artifacts/presigned-download-url', { path: 'x' }, 'run_id'),
  invalid('artifacts/presigned-download-url', { run_id: '$run', path: '../x' }, 'Invalid path'),
  ...[0, 604_801].map((expiration) =>
    invalid(
      'artifacts/presigned-download-url',
      { run_id: '$run', path: 'x', expiration },
      `expiration must be between 1 and 604800 seconds (got ${expiration}).`,
    ),
  ),
  unknown('artifacts/presigned-download-url', { run_id: 'a'.repeat(32), path: 'x' }, 'not found'),
  kontor('imports', {}, "Missing value for required parameter 'source'"),
  kontor('imports', { source: 'x'.repeat(2049) }, "'source' exceeds the maximum length of 2048 characters"),
  kontor('imports/commands', { import_id: 'x', started_at: '2026-01-01T00:00:00Z' }, 'import_id: must be a UUID'),
  kontor('imports/commands', { ...importing, started_at: 'now' }, 'started_at: must be a time of RFC 3339'),
  kontor(
    'imports/commands',
    { ...importing, items: [{ commands: [{ type: 'DeleteRun' }] }] },
    "Missing value for required parameter 'items[0].commands[0].data'",
  ),
  kontor(
    'imports/commands',
    { ...importing, items: [{ commands: [{ type: 'DeleteModelVersion', data: {} }] }] },
    'items[0].commands[0].type: DeleteModelVersion is not imported; allowed are StartRun, ',
  ),
  kontor('imports/experiments', { ...importing, experiments: [{ name: 'x' }] }, "'experiments[0].experiment_id'"),
  {
    path: 'kontor/imports/complete',
    body: importing,
    status: 404,
    code: 'RESOURCE_DOES_NOT_EXIST',
    says: 'Import with id=00000000-0000-8000-8000-000000000000 not found',
  },
];
