import type { Rule, SourceTree } from '../source-tree.js';

/** Files that import each other in a circle cannot be understood, tested or loaded one at a time. */
export const importCycles: Rule = {
  name: 'import-cycles',
  check: (tree) =>
    cycles(tree).map((cycle) => ({
      path: cycle[0] ?? '',
      message: `imports itself: ${[...cycle, cycle[0]].join(' -> ')}. Move what both need into a third file, or join the two.`,
    })),
};

/** One cycle per back edge of a depth-first walk. Type-only imports count: they tie files together for a reader too. */
const cycles = (tree: SourceTree): string[][] => {
  const done = new Set<string>();
  const found: string[][] = [];
  const walk = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) found.push(trail.slice(start));
    if (start >= 0 || done.has(path)) return;
    for (const { target } of tree.get(path)?.imports ?? []) if (target) walk(target, [...trail, path]);
    done.add(path);
  };
  for (const path of tree.keys()) walk(path, []);
  return found;
};
