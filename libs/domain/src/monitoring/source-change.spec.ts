import { describe, expect, it } from 'vitest';
import type { FeatureBins } from './events.js';
import { CHANGE_MIN_ROWS, sourceChanges, type SourceWindow, type WindowProfile } from './source-change.js';

describe('changes of a source', () => {
  /** One repeated value per cell. */
  const cells = (values: readonly (readonly [number, number])[]) =>
    values.map(([value, count], i) => [i + 1, count, value * count, value * value * count] as const);
  const ages = Array.from({ length: 50 }, (_, i) => [18 + i, 20] as const);
  const bins: FeatureBins = {
    feature: 'AGEP',
    kind: 'numeric',
    edges: [43],
    categories: [],
    counts: [500, 500, 0, 0, 0],
    min: 18,
    max: 67,
    cells: cells(ages).map(([cell, count, sum]) => [cell, count, sum]),
  };
  const profile = (overrides: Partial<WindowProfile> = {}): WindowProfile => ({
    rows: 1000,
    expected: 1000,
    missing: 0,
    nonFinite: 0,
    typeError: 0,
    unseen: 0,
    outOfRange: 0,
    cells: cells(ages),
    ...overrides,
  });
  const changes = (own: WindowProfile | undefined, window: Partial<SourceWindow> = {}, of = bins) =>
    sourceChanges([of], {
      rows: 1000,
      profiles: new Map(own ? [[of.feature, own]] : []),
      unknownColumns: new Map(),
      requests: 100,
      refused: [],
      ...window,
    });
  const found = (...window: Parameters<typeof changes>) => changes(...window).map(({ change }) => change);
  const sentences = (...window: Parameters<typeof changes>) => changes(...window).map(({ sentence }) => sentence);

  it('are none in a normal window', () => expect(found(profile())).toEqual([]));

  it.each([12, 1000, 1 / 12, 0.0254, 7])('name a unit that is %s times the reference', (factor) => {
    const scaled = cells(ages.map(([value, count]) => [value * factor, count]));
    expect(found(profile({ cells: scaled, outOfRange: 900 }))).toEqual(['unit']);
  });

  it('name a default value that floods the feature', () => {
    const rest = cells(ages.map(([value]) => [value, 12]));
    const flooded = [[-90, 400, -9999 * 400, 9999 * 9999 * 400] as const, ...rest];
    expect(sentences(profile({ cells: flooded }))).toEqual(['AGEP is -9999 in 40.0 % of 1000 rows instead of 0.0 %']);
  });

  it('are not a default value where a narrow distribution moves by one cell', () => {
    // Temperatures in kelvin: all of them lie in a few cells of 2 %, and a warm month moves many by one.
    const warm = Array.from({ length: 400 }, (_, i) => 290 + (5.8 * i) / 400);
    const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
    const cell = [600, 400, sum(warm), sum(warm.map((value) => value * value))] as const;
    const rest = [599, 600, 600 * 287, 600 * 287 * 287] as const;
    const kelvin: FeatureBins = { ...bins, cells: [[599, 1000, 287_000]] };
    expect(found(profile({ cells: [rest, cell] }), {}, kelvin)).toEqual([]);
  });

  it('name another type, a lost column and a new column', () => {
    expect(found(profile({ typeError: 500 }))).toEqual(['schema']);
    expect(sentences(undefined)).toEqual(['AGEP is absent from all 1000 rows']);
    expect(sentences(profile({ rows: 700 }))).toEqual(['AGEP is absent from 300 of 1000 rows']);
    expect(sentences(profile(), { unknownColumns: new Map([['AGE', 1000]]) })).toEqual([
      'AGE is a column that the reference does not have, in 1000 of 1000 rows',
    ]);
  });

  it('do not count a column that a few revisions take, or few rows have', () => {
    expect(found(profile({ rows: 100, expected: 100 }))).toEqual([]);
    expect(found(profile(), { unknownColumns: new Map([['AGE', 10]]) })).toEqual([]);
  });

  it('name the input because of which requests were refused, even if no request was answered', () => {
    const refused = [
      { input: 'AGEP', code: 'MISSING_INPUT', requests: 60 },
      { input: 'AGE', code: 'UNKNOWN_INPUT', requests: 19 },
      { input: 'SCHL', code: 'INVALID_TENSOR', requests: 21 },
    ];
    expect(sentences(undefined, { rows: 0, refused })).toEqual([
      'AGEP is absent in 60 of 100 requests, which were refused',
      'SCHL has another datatype or shape than the model takes in 21 of 100 requests, which were refused',
    ]);
    expect(found(profile(), { refused, requests: 1000 })).toEqual([]);
  });

  it('name missing values, unseen categories and values out of range', () => {
    expect(found(profile({ missing: 300 }))).toEqual(['missing']);
    const categorical: FeatureBins = { ...bins, kind: 'categorical', categories: ['1'], counts: [1000, 0, 0, 0, 0, 0] };
    expect(found(profile({ unseen: 200 }), {}, categorical)).toEqual(['unseen']);
    expect(found(profile({ outOfRange: 300 }))).toEqual(['outOfRange']);
  });

  it('are not looked for in few rows', () => {
    expect(found(undefined, { rows: CHANGE_MIN_ROWS - 1 })).toEqual([]);
  });
});
