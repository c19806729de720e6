import { isProductCode, type Rule } from '../source-tree.js';

const MARKS: readonly (readonly [RegExp, string])[] = [
  [/\b(?:TODO|FIXME|XXX)\b(?!\(#\d+\))/, 'has a TODO without an issue: do it, or write TODO(#n)'],
  [/@ts-(?:ignore|nocheck|expect-error)/, 'switches the type checker off: fix the type'],
  [
    /catch\s*(?:\([^)]*\))?\s*\{\s*\}|\.catch\(\(\)\s*=>\s*(?:\{\s*\}|undefined|null)\)/,
    'swallows an error: handle it or let it go up',
  ],
];

/** What is called done is done. */
export const unfinished: Rule = {
  name: 'unfinished',
  check: (tree) =>
    [...tree.values()]
      .filter(({ path }) => isProductCode(path))
      .flatMap(({ path, text }) => MARKS.filter(([mark]) => mark.test(text)).map(([, message]) => ({ path, message }))),
};
