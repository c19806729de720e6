import { isTestCode, type Rule } from '../source-tree.js';

/** Each code of a context's rejections.ts is produced by a decider of that context, and shown by at least one spec. */
export const rejections: Rule = {
  name: 'rejections',
  check: (tree) =>
    [...tree.values()]
      .filter(({ path }) => /^libs\/domain\/src\/[^/]+\/rejections\.ts$/.test(path))
      .flatMap(({ path, text }) => {
        const folder = path.slice(0, path.lastIndexOf('/') + 1);
        const files = [...tree.values()].filter((file) => file.path.startsWith(folder) && file.path !== path);
        const isIn = (code: string, among: (path: string) => boolean): boolean =>
          files.some((file) => among(file.path) && file.text.includes(`'${code}'`));
        return [...text.matchAll(/^\s+([A-Z][A-Z0-9_]+):/gm)].flatMap(([, code = '']) => [
          ...(isIn(code, (file) => !isTestCode(file))
            ? []
            : [{ path, message: `${code} is produced by no decider: delete it, or refuse with it` }]),
          ...(isIn(code, (file) => file.endsWith('.spec.ts'))
            ? []
            : [{ path, message: `${code} is in no spec: write the case that is refused with it` }]),
        ]);
      }),
};
