import { type Checkpoint } from './checkpoint.js';
import { equalHashes } from './hash.js';
import { Refused } from './note.js';
import { type ContentOf, hashesOf, type Tile, TILE_WIDTH, tilePath, tileRoot, tileWidth } from './tile.js';
import { partialTilesOf, TileTree } from './tile-tree.js';

const parentOf = ({ level, index }: Tile, size: number): Tile => {
  const [above, place] = [level + 1, Math.floor(index / TILE_WIDTH)];
  return { level: above, index: place, width: tileWidth(above, place, size) };
};

/** The tiles that show some leaves to be those of a tree. */
export interface LeafTiles {
  /** What the tiles of the leaves hang below, up to the root. */
  readonly above: readonly Tile[];
  /** The tiles of level 0 that hold the leaves, from left to right. */
  readonly leaves: readonly Tile[];
}

/** @param from inclusive. @param to exclusive, at most `size` */
export const tilesForLeaves = (from: number, to: number, size: number): LeafTiles => {
  const leaves: Tile[] = [];
  const above = new Map(partialTilesOf(size).map((tile) => [tilePath(tile), tile]));
  for (let index = Math.floor(from / TILE_WIDTH); index * TILE_WIDTH < to; index++) {
    const leaf: Tile = { level: 0, index, width: tileWidth(0, index, size) };
    leaves.push(leaf);
    // A partial tile hangs below nothing: it is a part of the root itself.
    for (let tile = leaf; tile.width === TILE_WIDTH;) {
      tile = parentOf(tile, size);
      if (above.has(tilePath(tile))) break;
      above.set(tilePath(tile), tile);
    }
    above.delete(tilePath(leaf));
  }
  return { above: [...above.values()], leaves };
};

/**
 * Lets only tiles through that belong to the signed tree: the partial ones make up its root, and the root of a full one
 * stands in the tile above it.
 *
 * @param contentOf throws Refused for a tile that is not there
 * @returns a reader that throws Refused for a tile that does not belong to the tree
 */
export const authenticTiles = ({ size, root }: Checkpoint, contentOf: ContentOf): ContentOf => {
  let isRootChecked = false;
  const checked = new Set<string>();
  const checkRoot = (): void => {
    if (isRootChecked) return;
    const tree = TileTree.resume(size, (tile) => {
      const content = contentOf(tile);
      if (hashesOf(content).length < tile.width) throw new Refused(`${tilePath(tile)} is too short`);
      return content;
    });
    if (!equalHashes(tree.root(), root)) throw new Refused('the hashes of the bundle are not those that were signed');
    isRootChecked = true;
  };
  const authentic: ContentOf = (tile) => {
    checkRoot();
    const content = contentOf(tile);
    const path = tilePath(tile);
    if (tile.width === TILE_WIDTH && !checked.has(path)) {
      const hashes = hashesOf(content);
      const above = hashesOf(authentic(parentOf(tile, size)))[tile.index % TILE_WIDTH];
      if (hashes.length !== TILE_WIDTH || !above || !equalHashes(tileRoot(content), above)) {
        throw new Refused(`${path} is not a tile of the tree that was signed`);
      }
      checked.add(path);
    }
    return content;
  };
  return authentic;
};
