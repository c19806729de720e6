/**
 * A set of strings that only grows and is never changed in place: every version of it stays valid.
 *
 * A run may log millions of points, so copying one big set per batch would cost more with every batch. Here a batch
 * becomes a level of its own, and levels of similar size are merged: n additions cost O(n log n) in all, a look-up
 * O(log n) levels.
 *
 * @source P. O'Neil et al., "The log-structured merge-tree", 1996, with levels in memory.
 */
export type PointSet = readonly ReadonlySet<string>[];

export const NO_POINTS: PointSet = [];

export const hasPoint = (points: PointSet, point: string): boolean => points.some((level) => level.has(point));

export const withPoints = (points: PointSet, added: readonly string[]): PointSet => {
  if (added.length === 0) return points;
  const levels = [...points];
  let newest: ReadonlySet<string> = new Set(added);
  for (let last = levels.at(-1); last !== undefined && last.size <= 2 * newest.size; last = levels.at(-1)) {
    levels.pop();
    newest = new Set([...last, ...newest]);
  }
  return [...levels, newest];
};
