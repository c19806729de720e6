import { expect, it } from 'vitest';
import { pythonJson, type Value } from './python-json.js';

// The right sides are what Python 3.11 prints for `json.dumps`.
it.each<[Value, string]>([
  [{}, '{}'],
  [{ a: 'b', c: null, d: { e: 1 } }, '{"a": "b", "c": null, "d": {"e": 1}}'],
  [{ 'a"b\\c/d': '\n\r\t\b\f\u0000\u001f\u007f' }, '{"a\\"b\\\\c/d": "\\n\\r\\t\\b\\f\\u0000\\u001f\\u007f"}'],
  ['grün, 学習, 🚀, \u2028', '"gr\\u00fcn, \\u5b66\\u7fd2, \\ud83d\\ude80, \\u2028"'],
  ['\ud800', '"\\ud800"'],
])('writes %j as Python does', (value, text) => {
  expect(pythonJson(value)).toBe(text);
});
