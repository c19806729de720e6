/** A source of numbers in [0, 1), the same for the same seed on every machine. */
export type Prng = () => number;

/**
 * Seeded chance for tests. 32 bits of state: good enough to shuffle and to choose, not for statistics or secrets.
 * @param seed - an integer; print it when a test fails
 * @source Tommy Ettinger, mulberry32, https://gist.github.com/tommyettinger/46a874533244883189143505d203312c
 */
export const prng = (seed: number): Prng => {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
};
