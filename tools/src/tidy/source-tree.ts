import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import ts from 'typescript';

/** A file that git tracks or would track, with its text and the files of this repository that it imports. */
export interface SourceFile {
  /** From the root, with forward slashes. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly { readonly specifier: string; readonly target: string | undefined }[];
}

export type SourceTree = ReadonlyMap<string, SourceFile>;

/** One broken rule: where, and what to do instead. */
export interface Finding {
  readonly rule: string;
  readonly path: string;
  readonly message: string;
}

/** An architecture rule: a pure function over the tree. */
export interface Rule {
  readonly name: string;
  readonly check: (tree: SourceTree) => readonly Omit<Finding, 'rule'>[];
}

const READ = /\.(?:ts|tsx|mjs|js|md|sql|graphql|json)$/;
const GENERATED = /(?:^|\/)(?:dist|node_modules|generated)\/|package-lock\.json$/;

/** Makes a tree of texts, resolving relative imports among them (`./a.js` is `./a.ts`). */
export const sourceTree = (texts: Readonly<Record<string, string>>): SourceTree => {
  const paths = new Set(Object.keys(texts));
  const resolve = (from: string, specifier: string): string | undefined => {
    if (!specifier.startsWith('.')) return undefined;
    const target = posix.join(posix.dirname(from), specifier);
    return [target.replace(/\.js$/, '.ts'), target.replace(/\.js$/, '.tsx'), target].find((path) => paths.has(path));
  };
  return new Map(
    Object.entries(texts).map(([path, text]) => {
      const isCode = /\.(?:ts|tsx|mjs|js)$/.test(path);
      const specifiers = isCode
        ? ts.preProcessFile(text, true, true).importedFiles.map(({ fileName }) => fileName)
        : [];
      const imports = specifiers.map((specifier) => ({ specifier, target: resolve(path, specifier) }));
      return [path, { path, text, imports }];
    }),
  );
};

/** Reads the files of the checkout that holds `root`: the tracked ones and the new ones that git does not ignore. */
export const readSourceTree = (root: string): SourceTree => {
  const list = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  const paths = list
    .split('\0')
    .filter((path) => READ.test(path) && !GENERATED.test(path) && existsSync(join(root, path)));
  return sourceTree(Object.fromEntries(paths.map((path) => [path, readFileSync(join(root, path), 'utf8')])));
};

/** The checkout that this program stands in. */
export const repositoryRoot = (): string => {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'nx.json'))) folder = dirname(folder);
  return folder;
};

/** Code that ships: no specs, no testing helpers, no tools. */
export const isProductCode = (path: string): boolean => /^(?:libs|apps)\/.*\.tsx?$/.test(path) && !isTestCode(path);

/** Specs and what only specs use: fixtures, `testing` folders and the tests of the whole system. */
export const isTestCode = (path: string): boolean =>
  /\.spec\.tsx?$|[./]fixture\.ts$/.test(path) || /(?:^|\/)testing\//.test(path) || path.startsWith('tests/');
