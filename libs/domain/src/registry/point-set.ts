/**
 * A set of strings that only grows and is never changed in place: every version of it stays valid.
 *
 * A run may log millions of points, so copying one big set per batch would cost more with every batch. Here a batch
 * becomes a level of its own, and levels of similar size are merged: n additions cost O(n log n) in all, a look-up
 * O(log n) levels.
 *
 * A level holds no strings but their 128-bit hashes, 32 to 64 bytes a point instead of some 100 that the garbage collector has to
 * follow. Two of a million points share a hash with a probability of 10^-27.
 *
 * @source P. O'Neil et al., "The log-structured merge-tree", 1996, with levels in memory.
 */
export type PointSet = readonly Level[];

/** A hash table with open addressing and linear probing, at most half full. */
interface Level {
  readonly size: number;
  /** A hash in four words at each place; four zeros are a free one. */
  readonly words: Uint32Array;
}

const WORDS = 4;
const MIN_PLACES = 4;

export const NO_POINTS: PointSet = [];

/** Where the hash that was made last stands: no object for each of the points. */
const hashed = new Uint32Array(WORDS);

export const hasPoint = (points: PointSet, point: string): boolean => {
  if (points.length === 0) return false;
  hash(point);
  return points.some(({ words }) => isThere(words, find(words, hashed, 0)));
};

export const withPoints = (points: PointSet, added: readonly string[]): PointSet => {
  if (added.length === 0) return points;
  const levels = [...points];
  const merged: Level[] = [];
  let size = added.length;
  for (let last = levels.at(-1); last !== undefined && last.size <= 2 * size; last = levels.at(-1)) {
    levels.pop();
    merged.push(last);
    size += last.size;
  }
  const words = new Uint32Array(placesFor(size) * WORDS);
  let count = 0;
  for (const level of merged)
    for (let at = 0; at < level.words.length; at += WORDS)
      if (isThere(level.words, at)) count += put(words, level.words, at);
  for (const point of added) {
    hash(point);
    count += put(words, hashed, 0);
  }
  return [...levels, { size: count, words }];
};

/** A power of two, so that a mask finds the place. */
const placesFor = (size: number): number => Math.max(MIN_PLACES, 2 ** Math.ceil(Math.log2(2 * size)));

const isThere = (words: Uint32Array, at: number): boolean =>
  (words[at] ?? 0) !== 0 || (words[at + 1] ?? 0) !== 0 || (words[at + 2] ?? 0) !== 0 || (words[at + 3] ?? 0) !== 0;

const isSame = (words: Uint32Array, at: number, of: Uint32Array, from: number): boolean =>
  words[at] === of[from] &&
  words[at + 1] === of[from + 1] &&
  words[at + 2] === of[from + 2] &&
  words[at + 3] === of[from + 3];

/** The place of a hash, or the free one where it belongs. */
const find = (words: Uint32Array, of: Uint32Array, from: number): number => {
  const mask = words.length - 1;
  let at = ((of[from] ?? 0) * WORDS) & mask;
  while (isThere(words, at) && !isSame(words, at, of, from)) at = (at + WORDS) & mask;
  return at;
};

/** @returns how many are more. */
const put = (words: Uint32Array, of: Uint32Array, from: number): 0 | 1 => {
  const at = find(words, of, from);
  if (isThere(words, at)) return 0;
  for (let word = 0; word < WORDS; word += 1) words[at + word] = of[from + word] ?? 0;
  return 1;
};

const rotate = (word: number, by: number): number => (word << by) | (word >>> (32 - by));

const avalanche = (word: number): number => {
  let h = word;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
};

/**
 * MurmurHash3 for 128 bits of the UTF-16 code units, two in a word and four words in a block, zeros after the end. Written to
 * {@link hashed}. It is no secret and withstands no attack: who makes two points of a run collide loses one of them.
 *
 * @source A. Appleby, MurmurHash3_x86_128, github.com/aappleby/smhasher
 */
const hash = (text: string): void => {
  const { length } = text;
  let [h1, h2, h3, h4] = [0, 0, 0, 0];
  for (let at = 0; at < length; at += 8) {
    // Beyond the end there is NaN, which is 0 in a word.
    const k1 = text.charCodeAt(at) | (text.charCodeAt(at + 1) << 16);
    const k2 = text.charCodeAt(at + 2) | (text.charCodeAt(at + 3) << 16);
    const k3 = text.charCodeAt(at + 4) | (text.charCodeAt(at + 5) << 16);
    const k4 = text.charCodeAt(at + 6) | (text.charCodeAt(at + 7) << 16);
    h1 ^= Math.imul(rotate(Math.imul(k1, 0x239b961b), 15), 0xab0e9789);
    h1 = (Math.imul((rotate(h1, 19) + h2) | 0, 5) + 0x561ccd1b) | 0;
    h2 ^= Math.imul(rotate(Math.imul(k2, 0xab0e9789), 16), 0x38b34ae5);
    h2 = (Math.imul((rotate(h2, 17) + h3) | 0, 5) + 0x0bcaa747) | 0;
    h3 ^= Math.imul(rotate(Math.imul(k3, 0x38b34ae5), 17), 0xa1e38b93);
    h3 = (Math.imul((rotate(h3, 15) + h4) | 0, 5) + 0x96cd1c35) | 0;
    h4 ^= Math.imul(rotate(Math.imul(k4, 0xa1e38b93), 18), 0x239b961b);
    h4 = (Math.imul((rotate(h4, 13) + h1) | 0, 5) + 0x32ac3b17) | 0;
  }
  h1 ^= length;
  h2 ^= length;
  h3 ^= length;
  h4 ^= length;
  h1 = (h1 + h2 + h3 + h4) | 0;
  h2 = (h2 + h1) | 0;
  h3 = (h3 + h1) | 0;
  h4 = (h4 + h1) | 0;
  h1 = avalanche(h1);
  h2 = avalanche(h2);
  h3 = avalanche(h3);
  h4 = avalanche(h4);
  h1 = (h1 + h2 + h3 + h4) | 0;
  hashed[0] = h1;
  hashed[1] = h2 + h1;
  hashed[2] = h3 + h1;
  // Four zeros are a free place.
  hashed[3] = h1 === 0 ? 1 : h4 + h1;
};
