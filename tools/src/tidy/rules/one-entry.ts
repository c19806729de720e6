import type { Rule } from '../source-tree.js';

const ALLOWED =
  /^(?:libs|apps)\/[^/]+\/src\/index\.ts$|^libs\/domain\/src\/[^/]+\/index\.ts$|^libs\/event-sourcing\/src\/testing\/index\.ts$/;

/** A package shows itself through one entry of explicit names. Barrels below it hide where things live. */
export const oneEntry: Rule = {
  name: 'one-entry',
  check: (tree) =>
    [...tree.values()].flatMap(({ path, text }) => {
      if (!/(?:^|\/)index\.ts$/.test(path)) return [];
      if (/^(?:libs|apps)\//.test(path) && !ALLOWED.test(path)) {
        return [{ path, message: 'is an index.ts below src: import the file that holds the name' }];
      }
      return /^export \*/m.test(text) ? [{ path, message: 'has `export *`: list the public names one by one' }] : [];
    }),
};
