import { isTestCode, type Rule } from '../source-tree.js';

const NEEDS_SPEC = /\.projection\.ts$|\/reactions\.ts$|\/upcasters\.ts$/;
/** A context that answers no event has nothing to show. */
const HANDLES_NOTHING = /\bcanHandle: \[\]/;

/** A projection or a reaction without a spec is a read model or a step of the story that nobody has checked. */
export const specsExist: Rule = {
  name: 'specs-exist',
  check: (tree) => {
    const specs = [...tree.values()].filter(({ path }) => /\.spec\.ts$/.test(path));
    const covered = new Set(specs.flatMap(({ imports }) => imports.map(({ target }) => target)));
    return [...tree.values()]
      .filter(({ path }) => NEEDS_SPEC.test(path) && !isTestCode(path) && !covered.has(path))
      .filter(({ text }) => /=>|function/.test(text) && !HANDLES_NOTHING.test(text))
      .map(({ path }) => ({ path, message: 'is imported by no spec: write what it does as given/when/then' }));
  },
};
