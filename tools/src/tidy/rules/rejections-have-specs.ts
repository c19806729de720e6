import type { Rule } from '../source-tree.js';

/** Each code of a context's rejections.ts is shown by at least one spec of that context. */
export const rejectionsHaveSpecs: Rule = {
  name: 'rejections-have-specs',
  check: (tree) =>
    [...tree.values()]
      .filter(({ path }) => /^libs\/domain\/src\/[^/]+\/rejections\.ts$/.test(path))
      .flatMap(({ path, text }) => {
        const folder = path.slice(0, path.lastIndexOf('/') + 1);
        const specs = [...tree.values()].filter(
          (file) => file.path.startsWith(folder) && file.path.endsWith('.spec.ts'),
        );
        return [...text.matchAll(/^\s+([A-Z][A-Z0-9_]+):/gm)]
          .map(([, code]) => code ?? '')
          .filter((code) => !specs.some((spec) => spec.text.includes(`'${code}'`)))
          .map((code) => ({ path, message: `${code} is in no spec: write the case that is refused with it` }));
      }),
};
