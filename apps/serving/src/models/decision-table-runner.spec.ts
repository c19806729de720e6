import { describe, expect, it } from 'vitest';
import type { Tensor } from '../protocol/tensor.js';
import { openDecisionTable } from './decision-table-runner.js';

const table = (when: string, change: object = {}) =>
  new TextEncoder().encode(
    JSON.stringify({
      kontor: 'decision-table@1',
      inputs: [
        { name: 'age', datatype: 'FP32' },
        { name: 'jobs', datatype: 'INT64' },
        { name: 'city', datatype: 'BYTES' },
      ],
      rules: [
        { when, score: 0.75 },
        { when: 'age >= 16.0', score: 0.5 },
      ],
      default: { score: 0.25 },
      threshold: 0.5,
      ...change,
    }),
  );

const rows: readonly Tensor[] = [
  { name: 'age', datatype: 'FP32', shape: [3, 1], data: new Float32Array([40, 20, 10]) },
  { name: 'jobs', datatype: 'INT64', shape: [3, 1], data: new BigInt64Array([1n, 0n, 0n]) },
  { name: 'city', datatype: 'BYTES', shape: [3, 1], data: ['Boston', 'Boston', ''] },
];

describe('a decision table', () => {
  it('answers each row by its first rule that holds', async () => {
    const outputs = await openDecisionTable(table('jobs > 0 && city == "Boston"')).run(rows);
    expect(outputs[0]?.data).toEqual(new BigInt64Array([1n, 1n, 0n]));
    expect(outputs[1]?.data).toEqual(new Float32Array([0.25, 0.75, 0.5, 0.5, 0.75, 0.25]));
  });

  it.each([
    ['age >', 'rule 1 (age >): not a CEL expression'],
    ['agee > 1.0', 'agee is no input; the inputs are age, jobs, city'],
    ['age', 'must be true or false'],
    ['false && age > "a"', 'rule 1'],
    ['[1, 2].exists(a, a > 1)', 'loops'],
  ])('refuses the condition %s and says which rule it is', (when, message) => {
    expect(() => openDecisionTable(table(when))).toThrow(message);
  });

  it.each([
    [{ threshold: 2 }, 'threshold'],
    [{ kontor: 'decision-table@2' }, 'kontor'],
    [{ inputs: [] }, 'inputs'],
    [{ rules: [{ when: 'true', score: 1.5 }] }, 'score'],
    [{ extra: 1 }, 'extra'],
  ])('refuses the file with %o', (change, message) => {
    expect(() => openDecisionTable(table('true', change))).toThrow(message);
  });
});
