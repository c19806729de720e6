import { posix } from 'node:path';
import type { Rule, SourceTree } from '../source-tree.js';

const CODE = /\.(?:ts|tsx|mjs|js|sql|graphql)$/;
const OWN = /^tools\/src\/tidy\//; // what the rules look for stands here as a pattern and as an example
const SOURCE = /@source\b.*/g;
const UNWRITTEN = /\breferences?(?:, | of )|\b(?:the|this) design\b|\bdocs:/;
const PATH = /(?<![\w./-])(?:(?:apps|docs|infra|libs|tests|tools)\/|\.\.?\/)[\w./-]*[\w/]/g;
/** Files that the tree reads, and folders; of all others it cannot tell. */
const KNOWN = /(?:\.(?:ts|tsx|mjs|js|md|sql|graphql|json)|\/[\w-]*)$/;

/** What a `@source` names can be opened by whoever reads this repository. */
export const sourcesCanBeFollowed: Rule = {
  name: 'sources-can-be-followed',
  check: (tree) =>
    [...tree.values()]
      .filter(({ path }) => CODE.test(path) && !OWN.test(path))
      .flatMap(({ path, text }) =>
        [...text.matchAll(SOURCE)].flatMap(([source]) => [
          ...(UNWRITTEN.test(source)
            ? [{ path, message: `"${source}" cannot be followed: name a paper, a standard or a file, or say why` }]
            : []),
          ...[...source.matchAll(PATH)]
            .map(([named]) => named)
            .filter((named) => KNOWN.test(named) && !exists(path, named, tree))
            .map((named) => ({ path, message: `has ${named} as a @source, which does not exist` })),
        ]),
      ),
};

const exists = (from: string, named: string, tree: SourceTree): boolean => {
  const path = named.startsWith('.') ? posix.join(posix.dirname(from), named) : named;
  const folder = path.endsWith('/') ? path : `${path}/`;
  return tree.has(path) || [...tree.keys()].some((known) => known.startsWith(folder));
};
