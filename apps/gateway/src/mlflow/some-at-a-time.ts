/**
 * Does the work for all items, for so many of them at once.
 *
 * @returns the results in the order of the items. Work begins in that order too.
 * @throws what the first work to fail throws: then none begins any more.
 */
export const someAtATime = async <Item, Result>(
  most: number,
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<readonly Result[]> => {
  const results: Result[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const n = next++;
      try {
        results[n] = await work(items[n] as Item);
      } catch (error) {
        next = items.length;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, worker));
  return results;
};
