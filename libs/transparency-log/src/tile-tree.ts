import { type Hash, HASH_BYTES } from './hash.js';
import { type ContentOf, hashesOf, type Tile, TILE_WIDTH, tileOf } from './tile.js';
import { joinSubtrees, perfectSubtrees, rootOf } from './tree.js';

/** A tile with its content. */
export interface TileContent {
  readonly tile: Tile;
  readonly content: Uint8Array;
}

/** The partial tiles of a tree: what {@link TileTree.resume} needs. */
export const partialTilesOf = (size: number): readonly Tile[] => {
  const tiles: Tile[] = [];
  for (let level = 0, hashes = size; hashes > 0; level++, hashes = Math.floor(hashes / TILE_WIDTH)) {
    const width = hashes % TILE_WIDTH;
    if (width > 0) tiles.push({ level, index: Math.floor(hashes / TILE_WIDTH), width });
  }
  return tiles;
};

/**
 * A growing tree that remembers only the last tile of each level: 8 KiB a level, whatever its size.
 *
 * Full tiles leave it as they fill up. What is left at a size are that size's partial tiles.
 */
export class TileTree {
  /** Per level the hashes of the tile that is not full yet; fewer than 256. */
  readonly #open: Hash[][] = [];
  #size = 0;

  /** Continues a tree from its {@link partialTilesOf} tiles. @throws Error if one is too short. */
  static resume(size: number, contentOf: ContentOf): TileTree {
    const tree = new TileTree();
    tree.#size = size;
    for (const tile of partialTilesOf(size)) {
      const hashes = hashesOf(contentOf(tile)).slice(0, tile.width);
      if (hashes.length < tile.width) throw new Error(`the tree of ${size} leaves lacks hashes of level ${tile.level}`);
      tree.#open[tile.level] = [...hashes];
    }
    for (let level = 0; level < tree.#open.length; level++) tree.#open[level] ??= [];
    return tree;
  }

  get size(): number {
    return this.#size;
  }

  /** Adds a leaf hash. @returns the tiles that became full by it, lowest level first. */
  append(leaf: Hash): readonly TileContent[] {
    this.#size++;
    return this.#push(0, leaf);
  }

  /** Adds 256 leaves by the root of their tile. @throws Error if the tree ends inside a tile */
  appendTile(root: Hash): void {
    if (this.#size % TILE_WIDTH > 0) throw new Error(`a tree of ${this.#size} leaves ends inside a tile`);
    this.#size += TILE_WIDTH;
    this.#push(1, root);
  }

  #push(from: number, added: Hash): readonly TileContent[] {
    const full: TileContent[] = [];
    let hash = added;
    for (let level = from; ; level++) {
      const open = this.#openAt(level);
      open.push(hash);
      if (open.length < TILE_WIDTH) return full;
      const node = { level: level * 8, index: Math.floor(this.#size / TILE_WIDTH ** level) - 1 };
      full.push({ tile: tileOf(node, this.#size), content: joined(open) });
      hash = rootOf(open);
      this.#open[level] = [];
    }
  }

  #openAt(level: number): Hash[] {
    for (let below = this.#open.length; below <= level; below++) this.#open[below] = [];
    return this.#open[level] ?? [];
  }

  /** The partial tiles of this size. */
  partialTiles(): readonly TileContent[] {
    return partialTilesOf(this.#size).map((tile) => ({ tile, content: joined(this.#open[tile.level] ?? []) }));
  }

  /** @param more leaves to think of as appended, of a tree that ends between two tiles */
  root(more: readonly Hash[] = []): Hash {
    const open = more.length > 0 ? [more, ...this.#open.slice(1)] : this.#open;
    // The top level holds the leftmost leaves, so its subtrees come first.
    const roots = open
      .map((hashes) => perfectSubtrees({ from: 0, to: hashes.length }).map((node) => subtreeRoot(hashes, node)))
      .toReversed()
      .flat();
    return joinSubtrees(roots);
  }
}

const subtreeRoot = (hashes: readonly Hash[], { level, index }: { level: number; index: number }): Hash =>
  rootOf(hashes.slice(index * 2 ** level, (index + 1) * 2 ** level));

const joined = (hashes: readonly Hash[]): Uint8Array => {
  const content = new Uint8Array(hashes.length * HASH_BYTES);
  hashes.forEach((hash, place) => content.set(hash, place * HASH_BYTES));
  return content;
};
