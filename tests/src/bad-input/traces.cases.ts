import type { MlflowCase } from './mlflow-case.js';

/** What the calls about traces and assessments refuse, and what OpenTelemetry's exporters may not send. */

const TRACES = '/api/3.0/mlflow/traces';
const NO_TRACE = "Trace with ID 'tr-none' not found.";
const location = (experiment_id = '$experiment') => ({
  type: 'MLFLOW_EXPERIMENT',
  mlflow_experiment: { experiment_id },
});
const info = (more: object = {}) => ({ trace_id: 'tr-never', trace_location: location(), ...more });
/** A list in a list, and so on. */
const nested = (depth: number): unknown => (depth === 0 ? [] : [nested(depth - 1)]);
const missing = (path: string): string => `Missing value for required parameter '${path}'.`;

const refused = (method: NonNullable<MlflowCase['method']>, path: string, body: object, says: string): MlflowCase => ({
  ...{ method, path: path.startsWith('/') ? path : `${TRACES}/${path}`, body, says },
  ...{ status: 400, code: 'INVALID_PARAMETER_VALUE' },
});
const unknown = (
  method: NonNullable<MlflowCase['method']>,
  path: string,
  body: object | undefined,
  says: string,
): MlflowCase => ({
  ...refused(method, path, {}, says),
  ...{ body, status: 404, code: 'RESOURCE_DOES_NOT_EXIST' },
});
const asked = (path: string, says: string): MlflowCase => ({ ...refused('GET', path, {}, says), body: undefined });

const started = (trace_info: object, says: string) => refused('POST', TRACES, { trace: { trace_info } }, says);
const search = (fields: object, says: string) =>
  refused('POST', 'search', { locations: [location()], ...fields }, says);

const correlation = (fields: object, says: string) =>
  refused(
    'POST',
    'calculate-filter-correlation',
    { experiment_ids: ['$experiment'], filter_string1: "name = 'a'", filter_string2: "name = 'b'", ...fields },
    says,
  );

const STARTS: readonly (readonly [object, string])[] = [
  [{ trace_location: location() }, missing('trace.trace_info.trace_id')],
  [{ trace_id: 'tr-never' }, missing('trace.trace_info.trace_location')],
  [info({ trace_location: { type: 'INFERENCE_TABLE' } }), missing('trace.trace_info.trace_location.mlflow_experiment')],
  [info({ trace_id: 'a/b' }), "parameter 'trace.trace_info.trace_id' supplied: must be 1 to 50 letters"],
  [info({ trace_id: 'x'.repeat(51) }), 'must be 1 to 50 letters'],
  [info({ trace_location: location('abc') }), "Invalid experiment ID 'abc'. Experiment ID must be a valid integer."],
  [info({ request_time: 'yesterday' }), `Invalid value "yesterday" for parameter 'trace.trace_info.request_time'`],
  [info({ request_time: '2026-13-01T00:00:00Z' }), "parameter 'trace.trace_info.request_time'"],
  [info({ execution_duration: '5' }), `Invalid value "5" for parameter 'trace.trace_info.execution_duration'`],
  [info({ tags: ['a'] }), "parameter 'trace.trace_info.tags'"],
  [info({ tags: { a: 5 } }), "Invalid value 5 for parameter 'trace.trace_info.tags.a'"],
  [info({ trace_metadata: { ['k'.repeat(251)]: 'v' } }), "'key' exceeds the maximum length of 250 characters"],
  [
    info({ tags: { 'mlflow.traceName': 'n'.repeat(4097) } }),
    "'Trace name' exceeds the maximum length of 4096 characters",
  ],
  [info({ client_request_id: 'c'.repeat(251) }), "'client_request_id' exceeds the maximum length of 250 characters"],
  [info({ request_preview: 'a\0b' }), 'it holds the character U+0000'],
  [info({ assessments: [{ assessment_name: 'a' }] }), 'Unknown assessment type: None'],
  [info({ assessments: [{ feedback: { value: 1 } }] }), missing('trace.trace_info.assessments.assessment_name')],
];

const FILTERS: Readonly<Record<string, string>> = {
  "foo = 'x'": "Invalid attribute key 'foo' specified. Valid keys are",
  "metrics.a = 'x'": "Invalid entity type 'metrics'. Valid values are {'attribute'",
  "status > 'OK'": "Invalid comparator '>' not one of",
  'status = 5': 'attributes support comparison with numeric values.',
  'status = OK': 'Parameter value is either not quoted',
  "status = 'OK' OR status = 'ERROR'": "Invalid clause(s) in filter string: 'OR'",
  'client_request_id IS NULL': "Invalid comparator 'IS NULL' not one of",
  "timestamp = 'x'": "Expected numeric value type for numeric attribute: timestamp. Found 'x'",
  "timestamp IN ('x')": 'supports comparison with a list of quoted string values.',
  "tags.a > 'x'": "Invalid comparator '>' not one of",
  "tags.a IN ('x')": "Invalid comparator 'IN' not one of",
  'tags.a = 5': "Expected a quoted string value for tag (e.g. 'my-value'). Got value 5",
  "name IN ('x')": "Invalid comparator 'IN' not one of",
  'metadata.a = 5': "Expected a quoted string value for request_metadata (e.g. 'my-value'). Got value 5",
  "metadata.a < 'x'": "Invalid comparator '<' not one of",
  "metadata.`mlflow.user` = 'ada'": 'It holds personal data, which is stored encrypted',
  "tags.a RLIKE '('": 'Invalid regular expression in filter string',
  "prompt = 'p'": `Invalid prompts filter value 'p'. Expected format: prompt = "name/version"`,
  "prompt != 'p/1'": "Invalid comparator '!=' for prompts filter.",
  'feedback.a = 5': "Expected a quoted string value for feedback (e.g. 'my-value'). Got value 5",
  "feedback.a > '5'": "Expected a numeric value for feedback when using comparator '>'. Got value '5'",
  "expectation.a IN ('x')": 'Expected a quoted string value for expectation',
  "span.foo = 'x'":
    "Invalid span attribute 'foo'. Supported attributes: name, status, type, attributes.<attribute_name>.",
  "span.name > 'x'": "span.name comparator '>' not one of",
  "span.attributes.a LIKE '%x%'": 'span.attributes.a cannot be searched',
  "trace.text LIKE '%x%'": 'trace.text cannot be searched',
  "trace.text = 'x'": "span.content comparator '=' not one of",
  "issue.x = 'y'": "Invalid issue attribute 'x'. Supported attributes: id",
  "issue.id != 'y'": "issue.id comparator '!=' not one of",
};

const ORDERS: Readonly<Record<string, string>> = {
  foo: "Invalid attribute key 'foo' specified. Valid keys are",
  prompt: "Invalid attribute key 'prompt' specified. Valid keys are",
  'tags.a UP': "Invalid ordering key in order_by clause 'tags.a UP'.",
  'timestamp ASC NULLS': "Invalid order_by clause 'timestamp ASC NULLS'. Could not be parsed.",
  'span.name': "Invalid identifier type 'span'",
  'feedback.a': "Invalid identifier type 'feedback'",
  'metrics.a': "Invalid entity type 'metrics'",
  'tags.`mlflow.user`': 'It holds personal data',
};

const judged = (assessment: object, says: string) => refused('POST', '$trace/assessments', { assessment }, says);
const judge = (value: object) => ({ assessment_name: 'a', ...value });
const LARGE = Object.fromEntries(Array.from({ length: 25 }, (_, n) => [`k${n}`, 'x'.repeat(8000)]));

const exported = (body: object | string, says: string, more: Partial<MlflowCase> = {}): MlflowCase => ({
  ...{ method: 'POST' as const, path: '/v1/traces', body, says, status: 400, code: 'BAD_REQUEST' },
  ...more,
  headers: { 'x-mlflow-experiment-id': '$experiment', ...more.headers },
});
const spans = (...given: object[]) => ({ resourceSpans: [{ scopeSpans: [{ spans: given }] }] });
const span = (more: object = {}) => ({ traceId: '1'.repeat(32), spanId: '2'.repeat(16), name: 's', ...more });
const ofTraces = (count: number) =>
  Array.from({ length: count }, (_, n) => span({ traceId: String(n + 1).padStart(32, '0') }));

export const traceCases: readonly MlflowCase[] = [
  refused('POST', TRACES, {}, missing('trace')),
  refused('POST', TRACES, { trace: {} }, missing('trace.trace_info')),
  refused('POST', TRACES, { trace: 5 }, "Invalid value 5 for parameter 'trace' supplied"),
  ...STARTS.map(([body, says]) => started(body, says)),
  unknown(
    'POST',
    TRACES,
    { trace: { trace_info: info({ trace_location: location('99999') }) } },
    'No Experiment with id=99999 exists',
  ),
  refused('POST', '/api/2.0/mlflow/traces', { timestamp_ms: 1 }, missing('experiment_id')),
  refused(
    'POST',
    '/api/2.0/mlflow/traces',
    { experiment_id: '$experiment', timestamp_ms: 'x' },
    `Invalid value "x" for parameter 'timestamp_ms'`,
  ),
  refused(
    'POST',
    '/api/2.0/mlflow/traces',
    { experiment_id: '$experiment', tags: [{ value: 'v' }] },
    missing('tags[0].key'),
  ),
  ...[9_000_000_000_000_000, -62_135_596_800_001].map((timestamp_ms) =>
    refused(
      'POST',
      '/api/2.0/mlflow/traces',
      { experiment_id: '$experiment', timestamp_ms },
      `Invalid value ${timestamp_ms} for parameter 'timestamp_ms' supplied: must be a time of the years 1 to 9999.`,
    ),
  ),
  unknown('PATCH', '/api/2.0/mlflow/traces/tr-none', { timestamp_ms: 1, status: 'OK' }, NO_TRACE),
  unknown('GET', '/api/2.0/mlflow/traces/tr-none/info', undefined, NO_TRACE),
  unknown('GET', 'tr-none', undefined, NO_TRACE),
  unknown('GET', 'get?trace_id=tr-none', undefined, 'Trace with ID tr-none is not found.'),
  asked('get', missing('trace_id')),
  asked('get?trace_id=x&allow_partial=maybe', "Invalid boolean value: maybe, must be 'true' or 'false'."),
  asked('batchGet', missing('trace_ids')),
  asked(
    `batchGet?${Array(101).fill('trace_ids=x').join('&')}`,
    "'trace_ids' holds 101 ids; at most 100 can be asked for at once.",
  ),
  refused('POST', 'batchGetInfos', {}, missing('trace_ids')),
  refused('POST', 'batchGetInfos', { trace_ids: 'x' }, "parameter 'trace_ids'"),
  refused('POST', 'batchGetInfos', { trace_ids: Array(1001).fill('x') }, "'trace_ids' holds 1001 ids; at most 1000"),
  refused('POST', 'search', {}, missing('locations')),
  refused('POST', 'search', { locations: [location('abc')] }, "Invalid experiment ID 'abc'"),
  search({ max_results: 0 }, "Invalid value 0 for parameter 'max_results' supplied. It must be a positive integer"),
  search(
    { max_results: 501 },
    "Invalid value 501 for parameter 'max_results' supplied:  Hint: Value was of type 'int'.",
  ),
  search({ page_token: 'x' }, 'Invalid page token, could not base64-decode'),
  ...Object.entries(FILTERS).map(([filter, says]) => search({ filter }, says)),
  correlation({ experiment_ids: undefined }, missing('experiment_ids')),
  correlation({ experiment_ids: '5' }, `Invalid value "5" for parameter 'experiment_ids' supplied`),
  correlation({ experiment_ids: ['x'] }, "Invalid experiment ID 'x'. Experiment ID must be a valid integer."),
  correlation({ filter_string1: '' }, missing('filter_string1')),
  correlation({ filter_string2: undefined }, missing('filter_string2')),
  correlation({ filter_string1: "foo = 'x'" }, "Invalid attribute key 'foo' specified. Valid keys are"),
  correlation({ base_filter: "name RLIKE '('" }, 'Invalid regular expression in filter string'),
  ...Object.entries(ORDERS).map(([clause, says]) => search({ order_by: [clause] }, says)),
  {
    ...search({ order_by: ['status', 'status DESC'] }, '`order_by` contains duplicate fields'),
    code: 'INTERNAL_ERROR',
  },
  asked('/api/2.0/mlflow/traces', missing('experiment_ids')),
  refused('PATCH', '$trace/tags', { value: 'v' }, missing('key')),
  refused('PATCH', '$trace/tags', { key: 'a!' }, 'Names may only contain alphanumerics'),
  refused('PATCH', '$trace/tags', { key: 'k'.repeat(251) }, "'key' exceeds the maximum length of 250 characters"),
  ...['mlflow.artifactLocation', 'mlflow.trace.spansLocation', 'mlflow.trace.archiveLocation'].flatMap((key) => [
    refused('PATCH', '$trace/tags', { key, value: 'x' }, `Tag '${key}' is immutable and cannot be set on a trace.`),
    refused(
      'DELETE',
      '/api/2.0/mlflow/traces/$trace/tags',
      { key },
      `Tag '${key}' is immutable and cannot be deleted on a trace.`,
    ),
  ]),
  unknown('PATCH', 'tr-none/tags', { key: 'k', value: 'v' }, NO_TRACE),
  unknown('DELETE', '$trace/tags', { key: 'none' }, "No trace tag with key 'none' for trace with ID '$trace'"),
  refused('POST', 'delete-traces', {}, missing('experiment_id')),
  refused(
    'POST',
    'delete-traces',
    { experiment_id: '$experiment' },
    'Either `max_timestamp_millis` or `trace_ids` must be specified.',
  ),
  refused(
    'POST',
    'delete-traces',
    { experiment_id: '$experiment', max_timestamp_millis: 1, request_ids: ['x'] },
    'Only one of',
  ),
  refused(
    'POST',
    'delete-traces',
    { experiment_id: '$experiment', request_ids: ['x'], max_traces: 1 },
    "`max_traces` can't be specified",
  ),
  refused(
    'POST',
    'delete-traces',
    { experiment_id: '$experiment', max_timestamp_millis: 1, max_traces: 0 },
    '`max_traces` must be a positive integer, received 0.',
  ),
  refused('POST', 'delete-traces', { experiment_id: 'abc', max_timestamp_millis: 1 }, "Invalid experiment ID 'abc'"),
  refused('POST', '/api/2.0/mlflow/traces/link-to-run', { trace_ids: ['$trace'] }, missing('run_id')),
  refused(
    'POST',
    '/api/2.0/mlflow/traces/link-to-run',
    { trace_ids: Array(101).fill('x'), run_id: '$run' },
    'Cannot link more than 100 traces to a run in a single request. Provided 101 traces.',
  ),
  unknown(
    'POST',
    '/api/2.0/mlflow/traces/link-to-run',
    { trace_ids: ['$trace'], run_id: 'nobody' },
    'Run with id=nobody not found',
  ),
  refused('POST', '/api/2.0/mlflow/traces/link-prompts', { trace_id: '$trace' }, missing('prompt_versions')),
  refused(
    'POST',
    '/api/2.0/mlflow/traces/link-prompts',
    { trace_id: '$trace', prompt_versions: [{ name: 'p', version: 'x' }] },
    "Parameter 'version' must be an integer, got 'x'.",
  ),
  unknown(
    'POST',
    '/api/2.0/mlflow/traces/link-prompts',
    { trace_id: 'tr-none', prompt_versions: [{ name: 'p', version: '1' }] },
    NO_TRACE,
  ),

  refused('POST', '$trace/assessments', {}, missing('assessment')),
  judged({ feedback: { value: 1 } }, missing('assessment.assessment_name')),
  judged(judge({}), 'Unknown assessment type: None'),
  judged(judge({ expectation: {} }), 'The `value` field must be specified.'),
  judged(
    judge({ expectation: { serialized_value: { serialization_format: 'X', value: '1' } } }),
    'Unknown serialization format: X. Only JSON_FORMAT is supported.',
  ),
  judged(
    judge({ expectation: { serialized_value: { serialization_format: 'JSON_FORMAT', value: '{' } } }),
    'it is no JSON',
  ),
  judged(judge({ feedback: { value: nested(101) } }), 'JSON values may be nested at most 100 deep.'),
  judged(
    judge({ feedback: { value: 1 }, assessment_id: 'a/b' }),
    "parameter 'assessment.assessment_id' supplied: must be",
  ),
  judged(judge({ feedback: { value: 'x'.repeat(24_001) } }), "'value' exceeds the maximum length of 24000 characters"),
  judged(judge({ feedback: { value: 1 }, rationale: 'x'.repeat(24_001) }), "'rationale' exceeds the maximum length"),
  judged(
    judge({ feedback: { value: 1 }, create_time: 'now' }),
    `Invalid value "now" for parameter 'assessment.create_time'`,
  ),
  judged(
    { assessment_name: 'n'.repeat(251), feedback: { value: 1 } },
    "'assessment_name' exceeds the maximum length of 250",
  ),
  unknown(
    'POST',
    '$trace/assessments',
    { assessment: judge({ feedback: { value: 1 }, overrides: 'a-none' }) },
    "Assessment with ID 'a-none' not found for trace '$trace'",
  ),
  judged(judge({ feedback: { value: 1 }, metadata: LARGE }), "'assessment' has "),
  refused(
    'PATCH',
    '$trace/assessments/a-kept',
    { assessment: { metadata: LARGE }, update_mask: 'metadata' },
    'bytes as JSON; allowed are 200000.',
  ),
  unknown('POST', 'tr-none/assessments', { assessment: judge({ feedback: { value: 1 } }) }, NO_TRACE),
  unknown('GET', '$trace/assessments/a-none', undefined, "Assessment with ID 'a-none' not found for trace '$trace'"),
  unknown('GET', 'tr-none/assessments/a-none', undefined, "Trace with request_id 'tr-none' not found"),
  refused('PATCH', '$trace/assessments/a-kept', { assessment: {} }, missing('update_mask')),
  refused('PATCH', '$trace/assessments/a-kept', { update_mask: 'feedback' }, missing('assessment')),
  refused(
    'PATCH',
    '$trace/assessments/a-kept',
    { assessment: { expectation: { value: 1 } }, update_mask: 'expectation' },
    'Cannot update expectation value on a Feedback assessment.',
  ),
  refused(
    'PATCH',
    '$trace/assessments/a-kept',
    { assessment: { expectation: { value: 1 } }, update_mask: 'expectation,feedback' },
    'Cannot specify both `expectation` and `feedback` parameters.',
  ),
  refused(
    'PATCH',
    '$trace/assessments/a-kept',
    { assessment: { valid: false }, update_mask: 'valid' },
    'An assessment becomes invalid by another one that overrides it.',
  ),
  refused(
    'PATCH',
    '$trace/assessments/a-kept',
    { assessment: { assessment_name: '' }, update_mask: 'assessmentName' },
    missing('assessment.assessment_name'),
  ),

  {
    ...asked('/ajax-api/2.0/mlflow/get-trace-artifact', 'Request must include the "request_id" query parameter.'),
    code: 'BAD_REQUEST',
  },
  unknown('GET', '/ajax-api/2.0/mlflow/get-trace-artifact?request_id=tr-none', undefined, NO_TRACE),
  unknown(
    'GET',
    '/ajax-api/2.0/mlflow/get-trace-artifact?request_id=$trace&path=none.txt',
    undefined,
    "No such artifact: 'attachments/none.txt'",
  ),
  asked('/ajax-api/2.0/mlflow/get-trace-artifact?request_id=$trace&path=..%2F..%2Fx', 'Invalid path'),

  exported({}, 'Invalid OpenTelemetry format - no spans found'),
  exported('x', 'Invalid OpenTelemetry format'),
  exported([], 'Invalid OpenTelemetry format'),
  exported('\u0001\u0002', 'Invalid OpenTelemetry format', { contentType: 'application/x-protobuf' }),
  exported(spans(span()), 'Invalid Content-Type: text/plain. Expected: application/x-protobuf or application/json', {
    contentType: 'text/plain',
  }),
  exported(spans(span()), 'Unsupported Content-Encoding: br', { headers: { 'content-encoding': 'br' } }),
  exported(spans(span()), 'Failed to decompress gzip payload', { headers: { 'content-encoding': 'gzip' } }),
  exported(spans(span({ traceId: 'xyz' })), 'resourceSpans.scopeSpans.spans.traceId cannot be "xyz"'),
  exported(spans(span({ traceId: '' })), 'trace_id has 0 bytes instead of 16', { status: 422 }),
  exported(spans(span({ spanId: '2'.repeat(18) })), 'span_id has 9 bytes instead of 8', { status: 422 }),
  exported(spans(...ofTraces(1001)), 'The request has spans of 1001 traces; at most 1000 are taken at once.', {
    status: 413,
  }),
  exported(spans(span()), missing('x-mlflow-experiment-id'), {
    headers: { 'x-mlflow-experiment-id': '' },
    status: 422,
    code: 'INVALID_PARAMETER_VALUE',
  }),
  exported(spans(span()), 'No Experiment with id=99999 exists', {
    headers: { 'x-mlflow-experiment-id': '99999' },
    status: 404,
    code: 'RESOURCE_DOES_NOT_EXIST',
  }),
  exported(spans(span()), 'Run with id=nobody not found', {
    headers: { 'x-mlflow-run-id': 'nobody' },
    status: 404,
    code: 'RESOURCE_DOES_NOT_EXIST',
  }),
];
