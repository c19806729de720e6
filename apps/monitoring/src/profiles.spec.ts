import { expect, it } from 'vitest';
import { referenceBins } from './evaluation.worker.js';
import { binsHashOf, mergeProfiles, profileOf } from './profiles.js';

const ages = Array.from({ length: 200 }, (_, i) => (i * 37) % 90);
const features = [
  referenceBins('AGEP', ages, 'auto'),
  referenceBins(
    'SEX',
    ages.map((age) => (age % 2) + 1),
    'auto',
  ),
];
const reference = { binsHash: binsHashOf(features), features };
const columns = (from: number, to: number) => ({
  AGEP: [...ages, null, NaN, 'x', 516].slice(from, to),
  SEX: [...ages.map((age) => (age % 2) + 1), 1, 2, 3, null].slice(from, to),
});

it('gives the same profile for all rows at once as for any two parts, in either order', () => {
  const whole = profileOf(reference, columns(0, 204), 204);
  for (const cut of [0, 1, 77, 150, 203]) {
    const [a, b] = [profileOf(reference, columns(0, cut), cut), profileOf(reference, columns(cut, 204), 204 - cut)];
    expect(mergeProfiles(a, b)).toEqual(whole);
    expect(mergeProfiles(b, a)).toEqual(whole);
  }
});

it('refuses to merge profiles of other bins', () => {
  const profile = profileOf(reference, columns(0, 10), 10);
  expect(() => mergeProfiles(profile, { ...profile, binsHash: 'sha256:other' })).toThrow('cannot be merged');
});

it('counts a column that is called as a member of every object', () => {
  const named = ['constructor', '__proto__', 'toString'].map((name) => referenceBins(name, ages, 'auto'));
  const odd = { binsHash: binsHashOf(named), features: named };
  const row = Object.fromEntries([
    ['constructor', [1]],
    ['__proto__', [2]],
  ] as const);
  const merged = mergeProfiles(profileOf(odd, {}, 0), mergeProfiles(profileOf(odd, row, 1), profileOf(odd, row, 1)));
  expect(Object.keys(merged.features).sort()).toEqual(['__proto__', 'constructor']);
  expect(merged.rows).toBe(2);
});
