import { describe, expect, it } from 'vitest';
import { parseJson } from './json.js';
import { ProtocolError } from './protocol-error.js';
import type { Signature } from './tensor.js';
import { readInferRequest } from './validate.js';

const signature: Signature = {
  platform: 'onnx_onnxv1',
  inputs: [
    { name: 'x', datatype: 'FP32', shape: [-1, 2] },
    { name: 'n', datatype: 'INT64', shape: [-1, 1] },
    { name: 'flag', datatype: 'BOOL', shape: [-1] },
    { name: 'u', datatype: 'UINT8', shape: [-1] },
    { name: 'text', datatype: 'BYTES', shape: [-1] },
  ],
  outputs: [
    { name: 'label', datatype: 'INT64', shape: [-1] },
    { name: 'probabilities', datatype: 'FP32', shape: [-1, 2] },
  ],
};

const x = { name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] };
const n = { name: 'n', datatype: 'INT64', shape: [1, 1], data: [3] };
const flag = { name: 'flag', datatype: 'BOOL', shape: [1], data: [true] };
const u = { name: 'u', datatype: 'UINT8', shape: [1], data: [255] };
const text = { name: 'text', datatype: 'BYTES', shape: [1], data: ['a'] };
const good = { inputs: [x, n, flag, u, text] };
const withX = (change: object) => JSON.stringify({ inputs: [{ ...x, ...change }, n, flag, u, text] });
const withN = (change: object) => JSON.stringify({ inputs: [x, { ...n, ...change }, flag, u, text] });
const withFlag = (data: unknown) => JSON.stringify({ inputs: [x, n, { ...flag, data: [data] }, u, text] });
const withU = (data: unknown) => JSON.stringify({ inputs: [x, n, flag, { ...u, data: [data] }, text] });
const withText = (data: unknown) => JSON.stringify({ inputs: [x, n, flag, u, { ...text, data: [data] }] });
const also = (change: object) => JSON.stringify({ ...good, ...change });
const raw = (value: string) => withX({ data: ['@', 2] }).replace('"@"', value);

const read = (body: string | Uint8Array) =>
  readInferRequest(parseJson(typeof body === 'string' ? new TextEncoder().encode(body) : body), signature);

const bad: readonly [string, string | Uint8Array, string, string][] = [
  ['an empty body', '', 'INVALID_JSON', 'empty'],
  ['broken JSON', '{', 'INVALID_JSON', 'not valid JSON'],
  ['a broken key', '{"\\x":1}', 'INVALID_JSON', 'not valid JSON'],
  ['an unfinished text', '{"a', 'INVALID_JSON', 'not valid JSON'],
  ['bytes that are not UTF-8', new Uint8Array([0x7b, 0xff, 0x7d]), 'INVALID_JSON', 'UTF-8'],
  ['a key twice', '{"inputs":[],"inputs":[]}', 'DUPLICATE_KEY', '"inputs" occurs twice'],
  ['a key twice, spelled differently', '{"id":"a","\\u0069d":"b"}', 'DUPLICATE_KEY', '"id" occurs twice'],
  ['the key __proto__', '{"__proto__":{}}', 'INVALID_REQUEST', '__proto__'],
  ['an escaped __proto__', '{"\\u005f_proto__":{}}', 'INVALID_REQUEST', '__proto__'],
  ['a million open arrays', '['.repeat(1e6), 'INVALID_JSON', 'nests deeper than 16'],
  ['a million open objects', '{"a":'.repeat(1e6), 'INVALID_JSON', 'nests deeper than 16'],
  ['a NaN token', raw('NaN'), 'INVALID_JSON', 'not valid JSON'],
  ['an Infinity token', raw('Infinity'), 'INVALID_JSON', 'not valid JSON'],
  ['a body that is an array', '[]', 'INVALID_REQUEST', 'The body is []'],
  ['a body that is null', 'null', 'INVALID_REQUEST', 'The body is null'],
  ['a body that is a number', '1', 'INVALID_REQUEST', 'The body is 1'],
  ['an unknown field', also({ instances: [] }), 'INVALID_REQUEST', '"instances"'],
  ['a number as id', also({ id: 7 }), 'INVALID_REQUEST', 'id is 7'],
  ['an id of 201 characters', also({ id: 'a'.repeat(201) }), 'INVALID_REQUEST', 'at most 200'],
  ['parameters that are an array', also({ parameters: [] }), 'INVALID_REQUEST', 'parameters is []'],
  ['a parameter that is an object', also({ parameters: { a: {} } }), 'INVALID_REQUEST', 'parameters.a is {}'],
  ['a parameter that is null', also({ parameters: { a: null } }), 'INVALID_REQUEST', 'parameters.a is null'],
  ['an event time that is no time', also({ parameters: { event_time: 'now' } }), 'INVALID_REQUEST', 'RFC 3339'],
  [
    'an event time without zone',
    also({ parameters: { event_time: '2016-01-01T00:00:00' } }),
    'INVALID_REQUEST',
    'RFC 3339',
  ],
  [
    'an event time on 30 February',
    also({ parameters: { event_time: '2016-02-30T00:00:00Z' } }),
    'INVALID_REQUEST',
    'RFC 3339',
  ],
  ['binary output', also({ parameters: { binary_data_output: true } }), 'UNSUPPORTED', 'binary extension'],
  ['no inputs', '{}', 'INVALID_REQUEST', 'inputs is absent'],
  ['empty inputs', also({ inputs: [] }), 'INVALID_REQUEST', 'inputs is []'],
  ['inputs that are an object', also({ inputs: {} }), 'INVALID_REQUEST', 'inputs is {}'],
  ['an input that is null', also({ inputs: [null] }), 'INVALID_REQUEST', 'inputs[0] is null'],
  ['a missing input', also({ inputs: [x, n, flag, u] }), 'MISSING_INPUT', 'no text'],
  ['an input twice', also({ inputs: [x, x, n, flag, u, text] }), 'INVALID_REQUEST', 'inputs[1].name is "x"'],
  ['an extra input', also({ inputs: [...good.inputs, { ...x, name: 'y' }] }), 'UNKNOWN_INPUT', 'inputs[5].name is "y"'],
  ['an input without name', withX({ name: undefined }), 'INVALID_REQUEST', 'inputs[0].name is absent'],
  ['an input named by a number', withX({ name: 1 }), 'INVALID_REQUEST', 'inputs[0].name is 1'],
  ['an unknown field of an input', withX({ dtype: 1 }), 'INVALID_REQUEST', '"dtype"'],
  ['binary data of an input', withX({ parameters: { binary_data_size: 8 } }), 'UNSUPPORTED', 'binary_data_size'],
  ['another datatype', withX({ datatype: 'FP64' }), 'INVALID_TENSOR', 'is "FP64"; input x is FP32'],
  ['an unknown datatype', withX({ datatype: 'float' }), 'INVALID_TENSOR', '"float"'],
  ['half precision', withX({ datatype: 'FP16' }), 'INVALID_TENSOR', '"FP16"'],
  ['no datatype', withX({ datatype: undefined }), 'INVALID_TENSOR', 'datatype is absent'],
  ['no shape', withX({ shape: undefined }), 'INVALID_TENSOR', 'shape is absent'],
  ['a shape that is a number', withX({ shape: 2 }), 'INVALID_TENSOR', 'shape is 2'],
  ['another rank', withX({ shape: [2] }), 'INVALID_TENSOR', '1 dimensions; input x has 2'],
  ['a rank of 9', withX({ shape: [1, 1, 1, 1, 1, 1, 1, 1, 1] }), 'INVALID_TENSOR', '9 dimensions'],
  ['another fixed dimension', withX({ shape: [1, 3], data: [1, 2, 3] }), 'INVALID_TENSOR', 'shape[1] is 3'],
  ['a negative dimension', withX({ shape: [-1, 2] }), 'INVALID_TENSOR', 'shape[0] is -1'],
  ['a dimension of 2^63', withX({ shape: [2 ** 63, 2] }), 'INVALID_TENSOR', 'shape[0] is 9223372036854776000'],
  ['a fraction of a row', withX({ shape: [1.5, 2] }), 'INVALID_TENSOR', 'shape[0] is 1.5'],
  ['a text as dimension', withX({ shape: ['1', 2] }), 'INVALID_TENSOR', 'shape[0] is "1"'],
  ['an empty batch', withX({ shape: [0, 2], data: [] }), 'INVALID_TENSOR', 'empty batch'],
  ['a huge shape', withX({ shape: [2 ** 52, 2] }), 'INVALID_TENSOR', 'has 2 elements'],
  ['no data', withX({ data: undefined }), 'INVALID_TENSOR', 'data is absent'],
  ['data that are a text', withX({ data: 'AAAA' }), 'INVALID_TENSOR', 'data is "AAAA"'],
  ['too few data', withX({ data: [1] }), 'INVALID_TENSOR', 'has 1 elements'],
  ['too many data', withX({ data: [1, 2, 3] }), 'INVALID_TENSOR', 'has 3 elements'],
  ['ragged arrays', withX({ shape: [2, 2], data: [[1, 2], [3]] }), 'INVALID_TENSOR', 'data[1] has 1 elements'],
  ['arrays nested too deep', withX({ data: [[[1], [2]]] }), 'INVALID_VALUE', 'data[0] is an array'],
  ['an array after numbers', withX({ data: [1, [2]] }), 'INVALID_VALUE', 'data[1] is an array'],
  ['a number after an array', withX({ shape: [2, 2], data: [[1, 2], 3] }), 'INVALID_TENSOR', 'data[1] is 3'],
  ['a text in FP32', withX({ data: ['1', 2] }), 'INVALID_VALUE', 'data[0] is the text "1"'],
  ['true in FP32', withX({ data: [true, 2] }), 'INVALID_VALUE', 'data[0] is true'],
  ['null in FP32', withX({ data: [null, 2] }), 'INVALID_VALUE', 'data[0] is null'],
  ['1e400 in FP32', raw('1e400'), 'INVALID_VALUE', 'outside the range of FP32'],
  ['1e39 in FP32', raw('1e39'), 'INVALID_VALUE', 'outside the range of FP32'],
  ['an object in FP32', withX({ data: [{}, 2] }), 'INVALID_VALUE', 'data[0] is an object'],
  ['2^53 + 1 in INT64', withN({ data: [2 ** 53 + 2] }), 'INVALID_VALUE', 'send it as a text of digits'],
  ['a fraction in INT64', withN({ data: [1.5] }), 'INVALID_VALUE', 'whole numbers'],
  ['2^63 in INT64', withN({ data: ['9223372036854775808'] }), 'INVALID_VALUE', 'INT64 is from'],
  ['hex in INT64', withN({ data: ['0x10'] }), 'INVALID_VALUE', 'texts of digits'],
  ['1 in BOOL', withFlag(1), 'INVALID_VALUE', 'BOOL takes true and false'],
  ['"true" in BOOL', withFlag('true'), 'INVALID_VALUE', 'BOOL takes true and false'],
  ['256 in UINT8', withU(256), 'INVALID_VALUE', 'UINT8 is from 0 to 255'],
  ['-1 in UINT8', withU(-1), 'INVALID_VALUE', 'UINT8 is from 0 to 255'],
  ['a number in BYTES', withText(1), 'INVALID_VALUE', 'BYTES takes texts'],
  ['a text of 65,537 characters', withText('a'.repeat(65_537)), 'INVALID_VALUE', 'at most 65536'],
  ['half a surrogate pair', withText('a\ud83d'), 'INVALID_VALUE', 'half a surrogate pair'],
  ['a character U+0000', withText('a\0b'), 'INVALID_VALUE', 'U+0000'],
  ['other rows in another input', withN({ shape: [2, 1], data: [1, 2] }), 'INVALID_TENSOR', 'n has 2 rows and x has 1'],
  ['empty outputs', also({ outputs: [] }), 'INVALID_REQUEST', 'outputs is []'],
  ['an unknown output', also({ outputs: [{ name: 'y' }] }), 'UNKNOWN_OUTPUT', 'outputs[0].name is "y"'],
  ['an output twice', also({ outputs: [{ name: 'label' }, { name: 'label' }] }), 'INVALID_REQUEST', 'label twice'],
  ['an output that is a text', also({ outputs: ['label'] }), 'INVALID_REQUEST', 'outputs[0] is "label"'],
  [
    'a binary output',
    also({ outputs: [{ name: 'label', parameters: { binary_data: true } }] }),
    'UNSUPPORTED',
    'binary',
  ],
];

describe('an inference request', () => {
  it.each(bad)('with %s is refused', (_, body, code, message) => {
    const attempt = () => read(body);
    expect(attempt).toThrow(ProtocolError);
    expect(attempt).toThrow(message);
    expect(attempt).toThrow(expect.objectContaining({ code, status: code === 'UNSUPPORTED' ? 501 : 400 }));
  });

  it('is read in the order of the signature, flat or nested', () => {
    const nested = {
      ...x,
      shape: [2, 2],
      data: [
        [1, 2],
        [3, 4],
      ],
    };
    const two = [text, u, flag].map((input) => ({ ...input, shape: [2], data: [input.data[0], input.data[0]] }));
    const big = { ...n, shape: [2, 1], data: ['9007199254740993', -1] };
    const request = read(JSON.stringify({ id: 'a', inputs: [...two, big, nested], outputs: [{ name: 'label' }] }));
    expect(request.rows).toBe(2);
    expect(request.inputs.map(({ name }) => name)).toEqual(['x', 'n', 'flag', 'u', 'text']);
    expect(request.inputs[0]?.data).toEqual(new Float32Array([1, 2, 3, 4]));
    expect(request.inputs[1]?.data).toEqual(new BigInt64Array([9007199254740993n, -1n]));
    expect(request.outputs).toEqual(['label']);
  });

  it('carries its event time', () => {
    expect(read(also({ parameters: { event_time: '2016-01-31T12:00:00+01:00' } })).eventTimeMs).toBe(
      Date.UTC(2016, 0, 31, 11),
    );
  });

  it('may use texts that look like structure', () => {
    expect(read(withText('{"a":[[[[[[[[[[[[[[[[[[[["\\')).inputs[4]?.data).toEqual(['{"a":[[[[[[[[[[[[[[[[[[[["\\']);
  });
});
