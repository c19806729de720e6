import { equalHashes, type Hash, nodeHash } from './hash.js';
import { type ContentOf, rangeRoot, type Tile, tilesOfRanges } from './tile.js';
import { consistencyPath, inclusionPath } from './tree.js';

/** What a proof of inclusion is held against. */
export interface InclusionClaim {
  readonly leaf: Hash;
  /** Counts from 0. */
  readonly index: number;
  readonly size: number;
  readonly root: Hash;
}

/** What a proof of consistency is held against. */
export interface ConsistencyClaim {
  readonly oldSize: number;
  readonly oldRoot: Hash;
  readonly size: number;
  readonly root: Hash;
}

/** The tiles that {@link proveInclusion} reads. `index` < `size`. */
export const tilesForInclusion = (index: number, size: number): readonly Tile[] =>
  tilesOfRanges(inclusionPath(index, size), size);

/** The hashes that prove a leaf to be in the tree of `size` leaves, from its sibling upward. `index` < `size`. */
export const proveInclusion = (index: number, size: number, contentOf: ContentOf): readonly Hash[] =>
  inclusionPath(index, size).map((range) => rangeRoot(range, size, contentOf));

/** The tiles that {@link proveConsistency} reads. 0 < `oldSize` <= `size`. */
export const tilesForConsistency = (oldSize: number, size: number): readonly Tile[] =>
  tilesOfRanges(consistencyPath(oldSize, size), size);

/** The hashes that prove a tree to begin with a smaller one. 0 < `oldSize` <= `size`. */
export const proveConsistency = (oldSize: number, size: number, contentOf: ContentOf): readonly Hash[] =>
  consistencyPath(oldSize, size).map((range) => rangeRoot(range, size, contentOf));

const isOdd = (number: number): boolean => number % 2 === 1;
const half = (number: number): number => Math.floor(number / 2);

/**
 * Whether the hashes prove that the leaf is in the tree.
 *
 * @source RFC 9162, section 2.1.3.2; the tree is that of RFC 6962.
 */
export const verifyInclusion = ({ leaf, index, size, root }: InclusionClaim, proof: readonly Hash[]): boolean => {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return false;
  let [fn, sn] = [index, size - 1];
  let hash = leaf;
  for (const sibling of proof) {
    if (sn === 0) return false;
    if (isOdd(fn) || fn === sn) {
      hash = nodeHash(sibling, hash);
      while (!isOdd(fn) && fn !== 0) [fn, sn] = [half(fn), half(sn)];
    } else {
      hash = nodeHash(hash, sibling);
    }
    [fn, sn] = [half(fn), half(sn)];
  }
  return sn === 0 && equalHashes(hash, root);
};

/**
 * Whether the hashes prove that the larger tree begins with the smaller one. Every tree begins with the empty one and
 * with itself, without a hash.
 *
 * @source RFC 9162, section 2.1.4.2.
 */
export const verifyConsistency = (
  { oldSize, oldRoot, size, root }: ConsistencyClaim,
  proof: readonly Hash[],
): boolean => {
  if (!Number.isSafeInteger(oldSize) || !Number.isSafeInteger(size) || oldSize < 0 || oldSize > size) return false;
  if (oldSize === size) return proof.length === 0 && equalHashes(oldRoot, root);
  if (oldSize === 0) return proof.length === 0;
  let [fn, sn] = [oldSize - 1, size - 1];
  while (isOdd(fn)) [fn, sn] = [half(fn), half(sn)];
  // An old tree that is perfect is a node of the new one, and its root begins the path.
  const path = fn === 0 ? [oldRoot, ...proof] : proof;
  const [first, ...others] = path;
  if (first === undefined) return false;
  let [oldHash, hash] = [first, first];
  for (const sibling of others) {
    if (sn === 0) return false;
    if (isOdd(fn) || fn === sn) {
      [oldHash, hash] = [nodeHash(sibling, oldHash), nodeHash(sibling, hash)];
      while (!isOdd(fn) && fn !== 0) [fn, sn] = [half(fn), half(sn)];
    } else {
      hash = nodeHash(hash, sibling);
    }
    [fn, sn] = [half(fn), half(sn)];
  }
  return sn === 0 && equalHashes(oldHash, oldRoot) && equalHashes(hash, root);
};
