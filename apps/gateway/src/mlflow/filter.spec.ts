import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EXPERIMENT_FILTER, MODEL_FILTER, parseFilter, RUN_FILTER, VERSION_FILTER } from './filter.js';
import { TRACE_FILTER } from './trace-filter.js';

describe('a search filter', () => {
  it('reads terms joined by AND', () => {
    const filter =
      "metrics.acc >= -1.5e-3 and params.`learning rate` = '0.1' AND tags.\"a b\" ILIKE '%x%' and status != 'FAILED'";
    expect(parseFilter(RUN_FILTER, filter)).toEqual([
      { entity: 'metric', key: 'acc', comparator: '>=', value: -0.0015 },
      { entity: 'param', key: 'learning rate', comparator: '=', value: '0.1' },
      { entity: 'tag', key: 'a b', comparator: 'ILIKE', value: '%x%' },
      { entity: 'attribute', key: 'status', comparator: '!=', value: 'FAILED' },
    ]);
  });

  it('reads keys with dots, lists, null checks and other names of attributes', () => {
    expect(
      parseFilter(RUN_FILTER, 'tags.mlflow.source.name IS NOT NULL AND run_id not in (\'a\', "b") AND created > 5'),
    ).toEqual([
      { entity: 'tag', key: 'mlflow.source.name', comparator: 'IS NOT NULL' },
      { entity: 'attribute', key: 'run_id', comparator: 'NOT IN', value: ['a', 'b'] },
      { entity: 'attribute', key: 'start_time', comparator: '>', value: 5 },
    ]);
    expect(parseFilter(VERSION_FILTER, "version_number > '2'")).toEqual([
      { entity: 'attribute', key: 'version_number', comparator: '>', value: 2 },
    ]);
    expect(parseFilter(RUN_FILTER, ' ')).toEqual([]);
  });

  it('of traces reads what only they have', () => {
    const filter =
      "trace.name LIKE 'a%' AND run_id = 'r' AND prompt = 'p/1' AND span.type IN ('LLM') AND feedback.good > 0.5 " +
      "AND request_metadata.a RLIKE '^b' AND timestamp >= 5 AND run_id != 'r' AND expectation.x IS NULL";
    expect(parseFilter(TRACE_FILTER, filter)).toEqual([
      { entity: 'tag', key: 'mlflow.traceName', comparator: 'LIKE', value: 'a%' },
      { entity: 'link', key: 'run', comparator: '=', value: 'r' },
      { entity: 'link', key: 'prompt', comparator: '=', value: 'p/1' },
      { entity: 'span', key: 'type', comparator: 'IN', value: ['LLM'] },
      { entity: 'feedback', key: 'good', comparator: '>', value: 0.5 },
      { entity: 'metadata', key: 'a', comparator: 'RLIKE', value: '^b' },
      { entity: 'attribute', key: 'timestamp_ms', comparator: '>=', value: 5 },
      { entity: 'metadata', key: 'mlflow.sourceRun', comparator: '!=', value: 'r' },
      { entity: 'expectation', key: 'x', comparator: 'IS NULL' },
    ]);
    expect(() => parseFilter(RUN_FILTER, "tags.a RLIKE 'x'")).toThrow('Invalid clause(s) in filter string');
  });

  it.each([
    [RUN_FILTER, 'metrics.a > 1 OR metrics.b > 1', "Invalid clause(s) in filter string: 'OR'"],
    [MODEL_FILTER, "name = 'a' OR name = 'b'", 'Invalid clause(s) in filter string: OR'],
    [RUN_FILTER, "foo = 'a'", "Invalid attribute key 'foo' specified. Valid keys are '{"],
    [
      RUN_FILTER,
      "foo.a = 'a'",
      "Invalid entity type 'foo'. Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset']",
    ],
    [RUN_FILTER, "metrics.a > '1'", "Expected numeric value type for metric. Found '1'"],
    [RUN_FILTER, "end_time > 'x'", "Expected numeric value type for numeric attribute: end_time. Found 'x'"],
    [RUN_FILTER, 'params.a = 2', "Expected a quoted string value for parameter (e.g. 'my-value'). Got value 2"],
    [RUN_FILTER, "params.a > '2'", "Invalid comparator '>' not one of '{'=', '!=', 'LIKE', 'ILIKE'}'"],
    [
      RUN_FILTER,
      "status IN ('a')",
      "Only ['run_id'] attributes support comparison with a list of quoted string values.",
    ],
    [VERSION_FILTER, "source_path IN ('a')", "Only ['name', 'run_id'] attributes support comparison"],
    [
      RUN_FILTER,
      'metrics.acc IS NULL',
      "IS NULL / IS NOT NULL is only supported for tags and params, not for 'metric' 'acc'",
    ],
    [MODEL_FILTER, 'tags.a IS NULL', 'IS NULL / IS NOT NULL is not supported for registered model search.'],
    [RUN_FILTER, "1 = 'a'", "Invalid comparison clause. Expected 'Identifier' found '1'"],
    [RUN_FILTER, 'run_id IN ()', 'expected a non-empty list of string values, but got empty list'],
    [EXPERIMENT_FILTER, "name = 'a' ; DROP TABLE x", 'Search filter contained multiple expression "name = '],
    [RUN_FILTER, "params.a = 'b", 'Invalid clause(s) in filter string'],
    [RUN_FILTER, 'metrics.a >', 'Invalid clause(s) in filter string'],
  ])('refuses what it does not know: %#', (grammar, filter, text) => {
    expect(() => parseFilter(grammar, filter)).toThrow(text);
  });

  it('never fails in another way than by a refusal', () => {
    const piece = fc.constantFrom(
      'metrics',
      'span',
      'feedback',
      'RLIKE',
      '.',
      'a',
      "'x'",
      '1',
      '(',
      ')',
      'AND',
      'IN',
      'NOT',
      '=',
      '`',
      '"',
      ' ',
      'é',
      ';',
      'IS',
      'NULL',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), fc.constantFrom(RUN_FILTER, TRACE_FILTER), (pieces, grammar) => {
        try {
          parseFilter(grammar, pieces.join(' '));
          return true;
        } catch (error) {
          return error instanceof Error && error.name === 'MlflowError';
        }
      }),
    );
  });
});
