/**
 * A table from text to value that is never changed in place: every version of it stays valid.
 *
 * Copying one big table per event would cost more with every event. Here what an event sets becomes a level of its own, and
 * levels of similar size are merged: n entries cost O(n log n) in all, a look-up O(log n) levels, the newest first.
 *
 * @source P. O'Neil et al., "The log-structured merge-tree", 1996, with levels in memory.
 */
export type Levels<Value> = readonly ReadonlyMap<string, Value>[];

export const valueIn = <Value>(levels: Levels<Value>, key: string): Value | undefined =>
  levels.findLast((level) => level.has(key))?.get(key);

export const withEntries = <Value>(
  before: Levels<Value>,
  entries: Iterable<readonly [string, Value]>,
): Levels<Value> => {
  let newest: ReadonlyMap<string, Value> = new Map(entries);
  if (newest.size === 0) return before;
  const levels = [...before];
  for (let last = levels.at(-1); last !== undefined && last.size <= 2 * newest.size; last = levels.at(-1)) {
    levels.pop();
    newest = new Map([...last, ...newest]);
  }
  return [...levels, newest];
};
