interface Pair {
  readonly key: string;
}

/** Sets values by key: a known key keeps its place, a new one goes to the end. */
export const withValues = <Item extends Pair>(known: readonly Item[], changed: readonly Item[]): readonly Item[] => {
  const merged = new Map(known.map((item) => [item.key, item]));
  for (const item of changed) merged.set(item.key, item);
  return [...merged.values()];
};

/** Those of all other keys. */
export const withoutKey = <Item extends Pair>(known: readonly Item[], key: string): readonly Item[] =>
  known.filter((item) => item.key !== key);
