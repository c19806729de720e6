/** Pieces of a list, the last one shorter. */
export const inBatches = <Item>(items: readonly Item[], size: number): readonly (readonly Item[])[] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, index) => items.slice(index * size, (index + 1) * size));

/** All items of a stream. */
export const gathered = async <Item>(items: AsyncIterable<Item>): Promise<Item[]> => {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
};

type Settled<Result> = { readonly value: Result } | { readonly error: unknown };

/** Results in the order of the items, with up to `width` of them under way. A failure waits for its turn. */
export async function* inOrder<Item, Result>(
  items: Iterable<Item>,
  width: number,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const started: Promise<Settled<Result>>[] = [];
  const first = async (): Promise<Result> => {
    const settled = await started.shift();
    if (settled === undefined) throw new Error('nothing is under way');
    if ('error' in settled) throw settled.error;
    return settled.value;
  };
  try {
    for (const item of items) {
      started.push(
        work(item).then(
          (value) => ({ value }),
          (error: unknown) => ({ error }),
        ),
      );
      if (started.length >= width) yield await first();
    }
    while (started.length > 0) yield await first();
  } finally {
    await Promise.all(started);
  }
}

/** All results, with up to `width` items under way. */
export const inParallel = async <Item, Result>(
  items: Iterable<Item>,
  width: number,
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> => gathered(inOrder(items, width, work));
