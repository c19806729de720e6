import { isTestCode, type Rule } from '../source-tree.js';

const NEEDS_SPEC = /\.projection\.ts$|\/reactions\.ts$|\/upcasters\.ts$/;

/** A projection or a reaction without a spec is a read model or a step of the story that nobody has checked. */
export const specsExist: Rule = {
  name: 'specs-exist',
  check: (tree) => {
    const specs = [...tree.values()].filter(({ path }) => /\.spec\.ts$/.test(path));
    const covered = new Set(specs.flatMap(({ imports }) => imports.map(({ target }) => target)));
    return [...tree.values()]
      .filter(
        ({ path, text }) =>
          NEEDS_SPEC.test(path) && !isTestCode(path) && !covered.has(path) && /=>|function/.test(text),
      )
      .map(({ path }) => ({ path, message: 'is imported by no spec: write what it does as given/when/then' }));
  },
};
