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
          ...(path === 'docs/ARCHITECTURE.md' ? missingFiles(path, text, tree) : []),
        ];
      }),
};

const withoutCode = (text: string): string => text.replace(/^```[\s\S]*?^```/gm, '');

/** Paths in backticks, such as `libs/event-store/src/relay.ts`. */
const missingFiles = (page: string, text: string, tree: SourceTree) =>
  [...text.matchAll(/`((?:libs|apps|tools|tests|docs|infra)\/[\w./-]+\.\w+)`/g)]
    .map(([, named]) => named ?? '')
    .filter((named) => !tree.has(named))
    .map((named) => ({ path: page, message: `names ${named}, which does not exist` }));
