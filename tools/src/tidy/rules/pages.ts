import { posix } from 'node:path';
import type { Rule, SourceTree } from '../source-tree.js';

const isPage = (path: string): boolean => /\.md$/.test(path);

/** A page has exactly one title, and the files that it names exist. */
export const pages: Rule = {
  name: 'pages',
  check: (tree) =>
    [...tree.values()]
      .filter(({ path }) => isPage(path))
      .flatMap(({ path, text }) => {
        const titles = withoutCode(text).match(/^# .+/gm)?.length ?? 0;
        return [
          ...(titles === 1
            ? []
            : [{ path, message: `has ${titles} titles; a page has exactly one line that begins with "# "` }]),
          ...(path === 'docs/ARCHITECTURE.md' || posix.basename(path) === 'README.md'
            ? missingFiles(path, text, tree)
            : []),
        ];
      }),
};

const withoutCode = (text: string): string => text.replace(/^```[\s\S]*?^```/gm, '');

/**
 * Paths in backticks: from the root, such as `libs/event-store/src/relay.ts`, or in the page's own folder, such as
 * `src/relay.ts` or `src/mlflow/`. Files that the tree does not read (YAML, images) are passed over.
 */
const missingFiles = (page: string, text: string, tree: SourceTree) =>
  [
    ...text.matchAll(
      /`((?:libs|apps|tools|tests|docs|infra|src|sql)\/[\w./-]+(?:\.(?:ts|mjs|js|md|sql|graphql|json)|\/))`/g,
    ),
  ]
    .map(([, named]) => named ?? '')
    .filter((named) => {
      const path = /^(?:src|sql)\//.test(named) ? posix.join(posix.dirname(page), named) : named;
      return !tree.has(path) && ![...tree.keys()].some((known) => path.endsWith('/') && known.startsWith(path));
    })
    .map((named) => ({ path: page, message: `names ${named}, which does not exist` }));
