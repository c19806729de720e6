import { isProductCode, type Rule } from '../source-tree.js';

/** One schema per app says which settings there are. A read elsewhere is a setting that nobody can find. */
export const settingsInConfig: Rule = {
  name: 'settings-in-config',
  check: (tree) =>
    [...tree.values()]
      .filter(
        ({ path, text }) =>
          isProductCode(path) && !/(?:^|\/)(?:define-)?config\.ts$/.test(path) && /\bprocess\.env\b/.test(text),
      )
      .map(({ path }) => ({
        path,
        message: 'reads process.env: declare the variable in config.ts and pass the value in',
      })),
};
