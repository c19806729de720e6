import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseJson, writeJson } from './json.js';
import {
  bool,
  double,
  int64,
  json,
  map,
  message,
  oneOf,
  readBody,
  readMessage,
  readQuery,
  repeated,
  required,
  string,
} from './message.js';

const fields = {
  run_id: required(string),
  metrics: repeated(message({ key: required(string), value: required(double), step: int64 })),
  status: oneOf('RUNNING', 'FINISHED'),
  archive: bool,
  max_results: int64,
};

describe('a request message', () => {
  it('reads what clients send', () => {
    const body = readBody(
      '{"run_id":"r","metrics":[{"key":"a","value":"NaN","step":"9007199254740993"},{"key":"b","value":true}],"x":1}',
    );
    expect(readMessage(fields, body)).toEqual({
      run_id: 'r',
      metrics: [
        { key: 'a', value: NaN, step: 9_007_199_254_740_993n },
        { key: 'b', value: 1, step: undefined },
      ],
      status: undefined,
      archive: undefined,
      max_results: undefined,
    });
  });

  it('accepts lower camel case and a text inside a text, and drops an unknown enum name', () => {
    const body = readBody(JSON.stringify('{"run_id":"r","maxResults":5,"status":"WRONG"}'));
    expect(readMessage(fields, body)).toMatchObject({ max_results: 5n, status: undefined });
  });

  it('reads texts by name, and any JSON', () => {
    const any = { value: json, tags: map };
    expect(readMessage(any, { value: [1, { a: false }], tags: { a: 'b', __proto__x: '' } })).toEqual({
      value: [1, { a: false }],
      tags: { a: 'b', __proto__x: '' },
    });
    expect(readMessage(any, { value: null })).toEqual({ value: undefined, tags: undefined });
    expect(() => readMessage(any, { tags: { a: 5 } })).toThrow("Invalid value 5 for parameter 'tags.a'");
    expect(() => readMessage(any, { tags: ['a'] })).toThrow("parameter 'tags'");
    expect(() => readMessage(any, { tags: { a: 'x\0' } })).toThrow('it holds the character U+0000');
    expect(() => readMessage(any, { tags: { 'x\0': 'a' } })).toThrow('it holds the character U+0000');
  });

  it.each([
    [
      '{}',
      "Missing value for required parameter 'run_id'. See the API docs for more information about request parameters.",
    ],
    ['{"run_id":""}', "Missing value for required parameter 'run_id'. See"],
    ['{"run_id":null}', "Missing value for required parameter 'run_id'. See"],
    ['{"runId":"r"}', "Missing value for required parameter 'run_id'. See"],
    ['not json', "Missing value for required parameter 'run_id'. See"],
    ['[1]', 'The request body must be a JSON object, got list.'],
    ['{"run_id":"r","runId":"r"}', "Request specifies both 'run_id' and 'runId'; provide only one of them."],
    [
      '{"run_id":1}',
      "Invalid value 1 for parameter 'run_id' supplied:  Hint: Value was of type 'int'. See the API docs",
    ],
    ['{"run_id":9.0}', "Invalid value 9.0 for parameter 'run_id' supplied:  Hint: Value was of type 'float'."],
    ['{"run_id":{"b":1.0}}', `Invalid value {"b":1.0} for parameter 'run_id' supplied:`],
    [
      '{"run_id":{"b":1,"a":[]}}',
      `Invalid value {"a":[],"b":1} for parameter 'run_id' supplied:  Hint: Value was of type 'dict'.`,
    ],
    ['{"run_id":"r","metrics":[{"key":"a"}]}', "Missing value for required parameter 'metrics[0].value'."],
    [
      '{"run_id":"r","metrics":{}}',
      "Invalid value {} for parameter 'metrics' supplied:  Hint: Value was of type 'dict'.",
    ],
    [
      '{"run_id":"r","metrics":[{"key":"a","value":"x"}]}',
      `Invalid value "x" for parameter 'metrics[0].value' supplied:`,
    ],
    ['{"run_id":"r","metrics":[{"key":1.0}]}', "Invalid value 1.0 for parameter 'metrics[0].key' supplied:"],
    [
      '{"run_id":"r","max_results":1.5}',
      "Invalid value 1.5 for parameter 'max_results' supplied:  Hint: Value was of type 'float'.",
    ],
    [
      '{"run_id":"r","max_results":9223372036854775808}',
      "Invalid value 9223372036854775808 for parameter 'max_results'",
    ],
    [
      '{"run_id":"é😀","max_results":"é😀"}',
      'Invalid value "\\u00e9\\ud83d\\ude00" for parameter \'max_results\' supplied:',
    ],
    [
      '{"run_id":"r","max_results":Infinity}',
      "Invalid value Infinity for parameter 'max_results' supplied:  Hint: Value was of type 'float'",
    ],
    ['{"run_id":"r","status":3}', "Invalid value 3 for parameter 'status' supplied:"],
    ['{"run_id":"\\ud800"}', "parameter 'run_id' supplied: it holds half of a character"],
    ['{"run_id":"r","archive":1}', "Invalid value 1 for parameter 'archive' supplied:"],
  ])('refuses %s and names the field', (body, text) => {
    expect(() => readMessage(fields, readBody(body), body)).toThrow(text);
  });

  it('reads what Python writes for numbers that JSON does not know, and decimals that are whole', () => {
    const body = readBody(
      '{"run_id":"NaN","metrics":[{"key":"a","value":NaN,"step":"1e3"},{"key":"b","value":-Infinity,"step":"2.0"}]}',
    );
    expect(readMessage(fields, body)).toMatchObject({
      run_id: 'NaN',
      metrics: [
        { key: 'a', value: NaN, step: 1000n },
        { key: 'b', value: -Infinity, step: 2n },
      ],
    });
  });

  it('reads the old name of a run id where the message knows it', () => {
    const old = { run_id: required(string), run_uuid: string };
    expect(readMessage(old, readBody('{"run_uuid":"r"}'))).toMatchObject({ run_id: 'r' });
    expect(() => readMessage(old, readBody('{"runUuid":"r"}'))).toThrow("required parameter 'run_id'");
    expect(() => readMessage(old, readBody('{"run_uuid":1}'))).toThrow("Invalid value 1 for parameter 'run_id'");
    expect(() => readMessage(fields, readBody('{"run_uuid":"r"}'))).toThrow("required parameter 'run_id'");
  });

  it('reads query parameters by the type of their field', () => {
    const query = readQuery(
      { stages: repeated(string), ok: bool, n: int64 },
      new URLSearchParams('stages=a&stages=b&ok=TRUE&n=3&n=4'),
    );
    expect(query).toEqual({ stages: ['a', 'b'], ok: true, n: '3' });
    expect(() => readQuery({ ok: bool }, new URLSearchParams('ok=1'))).toThrow(
      "Invalid boolean value: 1, must be 'true' or 'false'.",
    );
  });

  it('never takes a field from a prototype', () => {
    expect(() => readMessage({ constructor: required(string) }, readBody('{}'))).toThrow(
      "required parameter 'constructor'",
    );
  });
});

describe('json', () => {
  it('keeps every int64 as it was', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }), (integer) => {
        const back = parseJson(writeJson({ integer })) as { integer: number | bigint };
        return BigInt(back.integer) === integer;
      }),
    );
  });
});
