import { EMPTY_ROOT, type Hash, nodeHash } from './hash.js';

/*
 * Sizes and indexes are numbers: a log of 20,000 events a second reaches 2^53 after 14,000 years.
 */

/** The leaves `from` (inclusive) to `to` (exclusive). */
export interface LeafRange {
  readonly from: number;
  readonly to: number;
}

/** The root of a perfect subtree: it covers the leaves `index * 2^level` to `(index + 1) * 2^level`. */
export interface TreeNode {
  readonly level: number;
  readonly index: number;
}

/** The largest power of two below `size`, which is at least 2: where RFC 6962 splits a tree. */
const splitOf = (size: number): number => {
  let split = 1;
  while (split * 2 < size) split *= 2;
  return split;
};

/**
 * The perfect subtrees whose roots make up the root of a range, from left to right. A range of a proof begins at a
 * multiple of its largest subtree, so that the first one is the largest.
 */
export const perfectSubtrees = ({ from, to }: LeafRange): readonly TreeNode[] => {
  const nodes: TreeNode[] = [];
  let start = from;
  while (start < to) {
    let [level, width] = [0, 1];
    while (start + width * 2 <= to && start % (width * 2) === 0) [level, width] = [level + 1, width * 2];
    nodes.push({ level, index: start / width });
    start += width;
  }
  return nodes;
};

/**
 * The root over the roots of perfect subtrees, from left to right and ever smaller: each joins with all to its right.
 *
 * @source RFC 6962, section 2.1.
 */
export const joinSubtrees = (roots: readonly Hash[]): Hash =>
  roots.length === 0 ? EMPTY_ROOT : roots.reduceRight((right, left) => nodeHash(left, right));

/** The root of a tree of these leaf hashes. */
export const rootOf = (leaves: readonly Hash[]): Hash => rootOfRange(leaves, 0, leaves.length);

const rootOfRange = (leaves: readonly Hash[], from: number, to: number): Hash => {
  if (to - from < 2) return leaves[from] ?? EMPTY_ROOT;
  const middle = from + splitOf(to - from);
  return nodeHash(rootOfRange(leaves, from, middle), rootOfRange(leaves, middle, to));
};

/**
 * The ranges whose roots prove that a leaf is in a tree, from the leaf's sibling upward.
 *
 * @source RFC 6962, section 2.1.1, PATH(m, D[n]).
 */
export const inclusionPath = (index: number, size: number): readonly LeafRange[] => {
  const path: LeafRange[] = [];
  let range: LeafRange = { from: 0, to: size };
  while (range.to - range.from > 1) {
    const middle = range.from + splitOf(range.to - range.from);
    const [left, right] = [
      { from: range.from, to: middle },
      { from: middle, to: range.to },
    ];
    const isLeft = index < middle;
    path.push(isLeft ? right : left);
    range = isLeft ? left : right;
  }
  return path.reverse();
};

/**
 * The ranges whose roots prove that a tree of `size` leaves begins with the one of `oldSize` leaves, 0 < oldSize <= size.
 *
 * @source RFC 6962, section 2.1.2, PROOF(m, D[n]).
 */
export const consistencyPath = (oldSize: number, size: number): readonly LeafRange[] => {
  const path: LeafRange[] = [];
  let range: LeafRange = { from: 0, to: size };
  // The old root itself is known to whoever asks, unless the old tree ended inside a subtree.
  while (range.to !== oldSize) {
    const middle = range.from + splitOf(range.to - range.from);
    if (oldSize <= middle) {
      path.push({ from: middle, to: range.to });
      range = { from: range.from, to: middle };
    } else {
      path.push({ from: range.from, to: middle });
      range = { from: middle, to: range.to };
    }
  }
  if (range.from > 0) path.push(range);
  return path.reverse();
};
