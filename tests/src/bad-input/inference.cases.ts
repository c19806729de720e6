/** One request to the data plane that must be refused. `body` is made from a request that is answered. */
export interface InferenceCase {
  readonly what: string;
  readonly method?: 'GET' | 'POST';
  /** Behind `/v2/`; default: infer on the staging endpoint. */
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: (good: InferBody) => unknown;
  readonly text?: string;
  readonly status: number;
  /** Header `x-kontor-error-code`. */
  readonly code: string;
  readonly says: string;
}

export interface Tensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data: readonly unknown[];
}
export interface InferBody {
  readonly inputs: readonly Tensor[];
}

const first =
  (change: Partial<Record<keyof Tensor, unknown>>) =>
  ({ inputs }: InferBody) => ({
    inputs: inputs.map((tensor, index) => (index === 0 ? { ...tensor, ...change } : tensor)),
  });
const bad = (what: string, body: (good: InferBody) => unknown, code: string, says: string): InferenceCase => ({
  what,
  body,
  status: 400,
  code,
  says,
});

export const inferenceCases: readonly InferenceCase[] = [
  { what: 'an empty body', text: '', status: 400, code: 'INVALID_JSON', says: 'JSON' },
  { what: 'half a JSON', text: '{"inputs": [', status: 400, code: 'INVALID_JSON', says: 'JSON' },
  { what: 'a NaN token', text: '{"inputs": [NaN]}', status: 400, code: 'INVALID_JSON', says: 'JSON' },
  { what: 'a key twice', text: '{"id": "a", "id": "b", "inputs": []}', status: 400, code: 'DUPLICATE_KEY', says: 'id' },
  { what: 'a list', text: '[]', status: 400, code: 'INVALID_REQUEST', says: 'must be an object' },
  {
    what: 'another content type',
    headers: { 'content-type': 'text/csv' },
    text: 'a,b',
    status: 415,
    code: 'UNSUPPORTED_MEDIA_TYPE',
    says: 'application/json is expected',
  },
  {
    what: 'a compressed body',
    headers: { 'content-encoding': 'gzip' },
    text: 'x',
    status: 415,
    code: 'UNSUPPORTED_MEDIA_TYPE',
    says: 'send the body uncompressed',
  },
  {
    what: 'the binary extension',
    headers: { 'inference-header-content-length': '2' },
    text: '{}',
    status: 501,
    code: 'UNSUPPORTED',
    says: 'send tensors as JSON',
  },
  { what: 'an unknown model', path: 'models/nope/infer', status: 404, code: 'UNKNOWN_MODEL', says: 'nope' },
  {
    what: 'an unknown version',
    path: 'models/$endpoint/versions/9/infer',
    status: 404,
    code: 'UNKNOWN_VERSION',
    says: '9',
  },
  {
    what: 'a version that is no number',
    path: 'models/$endpoint/versions/one/infer',
    status: 404,
    code: 'UNKNOWN_VERSION',
    says: 'one',
  },
  {
    what: 'a path out of its place',
    path: 'models/..%2f..%2fetc/infer',
    status: 404,
    code: 'UNKNOWN_MODEL',
    says: 'etc',
  },
  { what: 'an unknown path', path: 'models/$endpoint/explain', status: 404, code: 'NOT_FOUND', says: 'explain' },
  {
    what: 'a path with a slash too many',
    path: '/models/$endpoint/infer',
    status: 404,
    code: 'NOT_FOUND',
    says: 'is no path of the Open Inference Protocol',
  },
  {
    what: 'a time-out that is no number',
    headers: { 'x-kontor-timeout-ms': 'soon' },
    status: 400,
    code: 'INVALID_REQUEST',
    says: 'x-kontor-timeout-ms is "soon"; it must be a whole number from 1 to 60000',
  },
  {
    what: 'a long routing key',
    headers: { 'x-kontor-routing-key': 'k'.repeat(201) },
    status: 400,
    code: 'INVALID_REQUEST',
    says: 'x-kontor-routing-key has 201 characters; at most 200 are allowed',
  },
  {
    what: 'a thousand open arrays',
    text: `{"inputs": ${'['.repeat(1_000)}`,
    status: 400,
    code: 'INVALID_JSON',
    says: 'nests deeper than 16 levels',
  },
  { what: 'GET on infer', method: 'GET', status: 405, code: 'METHOD_NOT_ALLOWED', says: 'POST' },
  bad('no inputs', () => ({}), 'INVALID_REQUEST', 'inputs is absent; it must be an array'),
  bad(
    'empty inputs',
    () => ({ inputs: [] }),
    'INVALID_REQUEST',
    'inputs is []; it must be an array with one tensor per input',
  ),
  bad(
    'an unknown field',
    (good) => ({ ...good, input: [] }),
    'INVALID_REQUEST',
    'has the unknown field "input"; allowed are id, parameters, inputs, outputs',
  ),
  bad(
    '__proto__',
    () => JSON.parse('{"__proto__": {"a": 1}, "inputs": []}') as unknown,
    'INVALID_REQUEST',
    '__proto__',
  ),
  bad(
    'a missing input',
    ({ inputs }) => ({ inputs: inputs.slice(1) }),
    'MISSING_INPUT',
    'inputs has no AGEP; the model needs it',
  ),
  bad(
    'an unknown input',
    first({ name: 'AGE' }),
    'UNKNOWN_INPUT',
    `inputs[0].name is "AGE"; the model's inputs are AGEP`,
  ),
  bad(
    'an input twice',
    ({ inputs }) => ({ inputs: [...inputs, inputs[0]] }),
    'INVALID_REQUEST',
    'which was given before',
  ),
  bad(
    'a tensor that is none',
    ({ inputs }) => ({ inputs: [5, ...inputs.slice(1)] }),
    'INVALID_REQUEST',
    'inputs[0] is 5; it must be an object',
  ),
  bad(
    'another datatype',
    first({ datatype: 'INT64' }),
    'INVALID_TENSOR',
    'inputs[0].datatype is "INT64"; input AGEP is FP32',
  ),
  bad('an unknown datatype', first({ datatype: 'FLOAT' }), 'INVALID_TENSOR', 'inputs[0].datatype is "FLOAT"'),
  bad('a rank too few', first({ shape: [1] }), 'INVALID_TENSOR', 'inputs[0].shape has 1 dimensions; input AGEP has 2'),
  bad(
    'a width of two',
    first({ shape: [1, 2], data: [1, 2] }),
    'INVALID_TENSOR',
    'inputs[0].shape[1] is 2; input AGEP has 1 there',
  ),
  bad('an empty batch', first({ shape: [0, 1], data: [] }), 'INVALID_TENSOR', 'an empty batch is not answered'),
  bad(
    'a negative size',
    first({ shape: [-1, 1] }),
    'INVALID_TENSOR',
    'inputs[0].shape[0] is -1; it must be a whole number',
  ),
  bad('a size of 2^63', first({ shape: [2 ** 63, 1] }), 'INVALID_TENSOR', 'it must be a whole number from 0 to 2^53'),
  bad(
    'a shape that is a text',
    first({ shape: '1,1' }),
    'INVALID_TENSOR',
    'inputs[0].shape is "1,1"; it must be an array of sizes',
  ),
  bad(
    'more data than the shape',
    first({ data: [1, 2] }),
    'INVALID_TENSOR',
    'inputs[0].data has 2 elements; the shape [1, 1] means 1',
  ),
  bad('ragged data', first({ data: [[1, 2]] }), 'INVALID_TENSOR', 'inputs[0].data'),
  bad('a text as number', first({ data: ['1'] }), 'INVALID_VALUE', 'inputs[0].data[0]'),
  bad('true as number', first({ data: [true] }), 'INVALID_VALUE', 'inputs[0].data[0]'),
  bad('null as number', first({ data: [null] }), 'INVALID_VALUE', 'inputs[0].data[0]'),
  bad('a fraction of a row', first({ shape: [1.5, 1] }), 'INVALID_TENSOR', 'inputs[0].shape[0] is 1.5'),
  bad(
    'half precision',
    first({ datatype: 'FP16' }),
    'INVALID_TENSOR',
    'inputs[0].datatype is "FP16"; input AGEP is FP32',
  ),
  bad('a number beyond FP32', first({ data: [1e39] }), 'INVALID_VALUE', 'inputs[0].data[0]'),
  bad(
    'other rows in one input',
    first({ shape: [2, 1], data: [1, 2] }),
    'INVALID_TENSOR',
    'all inputs need the same number',
  ),
  bad(
    'an unknown output',
    (good) => ({ ...good, outputs: [{ name: 'nope' }] }),
    'UNKNOWN_OUTPUT',
    `outputs[0].name is "nope"; the model's outputs are`,
  ),
  bad('no output', (good) => ({ ...good, outputs: [] }), 'INVALID_REQUEST', 'leave it out for all, or name some of'),
  bad(
    'an id that is a number',
    (good) => ({ ...good, id: 5 }),
    'INVALID_REQUEST',
    'id is 5; it must be a text of at most 200 characters',
  ),
  bad(
    'an event time that is none',
    (good) => ({ ...good, parameters: { event_time: 'today' } }),
    'INVALID_REQUEST',
    'parameters.event_time is "today"; it must be a date and time as in RFC 3339',
  ),
];
