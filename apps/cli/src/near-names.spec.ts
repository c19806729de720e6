import { expect, it } from 'vitest';
import { nearNames } from './near-names.js';

it.each([
  ['kredit', ['credit', 'credit-rules', 'fraud'], ['credit']],
  ['credit', ['Credit', 'credit-rules', 'fraud'], ['Credit', 'credit-rules']],
  ['x', ['credit', 'fraud'], []],
  ['credit', [], []],
])('near %s among %j are %j', (text, names, near) => {
  expect(nearNames(text, names)).toEqual(near);
});
