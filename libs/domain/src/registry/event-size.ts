/**
 * Characters of JSON per event. An event has at most 256 KiB; a character takes up to 3 bytes in UTF-8, and the rest is
 * room for what stands around the items.
 */
const EVENT_CHARACTERS = 80_000;

/**
 * Bytes of JSON of one thing that has an event of its own and cannot be cut: an event has at most 256 KiB, and what is
 * personal in it grows when it is encrypted.
 */
export const MAX_WHOLE_BYTES = 200_000;

/** Bytes of UTF-8 that a value takes as JSON. */
export const jsonBytes = (value: unknown): number => new TextEncoder().encode(JSON.stringify(value)).length;

/**
 * Items, in their order, in as many lists as events must hold them; one that is larger by itself has a list of its own.
 *
 * @param most characters of JSON per event: fewer where much stands around the items.
 */
export const inEvents = <Item extends object>(
  items: readonly Item[],
  most = EVENT_CHARACTERS,
): readonly (readonly Item[])[] => {
  const events: Item[][] = [];
  let characters = most;
  for (const item of items) {
    const size = JSON.stringify(item).length;
    let last = events.at(-1);
    if (last === undefined || characters + size > most) {
      last = [];
      events.push(last);
      characters = 0;
    }
    characters += size;
    last.push(item);
  }
  return events;
};
