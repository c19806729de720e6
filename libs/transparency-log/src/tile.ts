import { hash } from 'node:crypto';
import { HASH_BYTES, type Hash } from './hash.js';
import { joinSubtrees, type LeafRange, perfectSubtrees, rootOf, type TreeNode } from './tree.js';

/** Levels of the tree in one tile, and hashes in a full one. @source C2SP tlog-tiles, "Merkle Tree" */
const TILE_HEIGHT = 8;
export const TILE_WIDTH = 2 ** TILE_HEIGHT;

/**
 * A run of up to 256 neighbouring hashes of tree level `8 * level`: leaf hashes at level 0, and above it the roots of the
 * full tiles below. Its content is the hashes one after another, `width * 32` bytes.
 */
export interface Tile {
  readonly level: number;
  readonly index: number;
  /** 1 to 256. A tile below 256 is partial: it belongs to the trees of a few sizes and is replaced by a full one. */
  readonly width: number;
}

/**
 * The path of a tile: `tile/<level>/<index>`, with `.p/<width>` for a partial one; the index in groups of three digits.
 *
 * @source C2SP tlog-tiles, "Merkle Tree": tile 1234067 is `x001/x234/067`.
 */
export const tilePath = ({ level, index, width }: Tile): string => {
  const digits = String(index);
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/\d{3}/g) ?? [];
  const last = groups.length - 1;
  const name = groups.map((group, place) => (place < last ? `x${group}` : group)).join('/');
  return `tile/${level}/${name}${width < TILE_WIDTH ? `.p/${width}` : ''}`;
};

/** How many hashes a tile has in a tree of `size` leaves; 0 or less if it has none. */
export const tileWidth = (level: number, index: number, size: number): number =>
  Math.min(TILE_WIDTH, Math.floor(size / TILE_WIDTH ** level) - index * TILE_WIDTH);

/**
 * Reads the path of a tile, as {@link tilePath} writes it and nothing else.
 *
 * @returns undefined if it is none
 */
export const parseTilePath = (path: string): Tile | undefined => {
  const match = /^tile\/(\d|[1-5]\d|6[0-3])\/((?:x\d{3}\/)*\d{3})(?:\.p\/([1-9]\d{0,2}))?$/.exec(path);
  if (!match) return undefined;
  const [, level, groups = '', width] = match;
  const tile = {
    level: Number(level),
    index: Number(groups.replaceAll(/[x/]/g, '')),
    width: width === undefined ? TILE_WIDTH : Number(width),
  };
  return Number.isSafeInteger(tile.index) && tilePath(tile) === path ? tile : undefined;
};

/** The tile that holds a node of a tree of `size` leaves, as wide as it is in that tree. */
export const tileOf = ({ level, index }: TreeNode, size: number): Tile => {
  const tileLevel = Math.floor(level / TILE_HEIGHT);
  const place = Math.floor((index * 2 ** (level % TILE_HEIGHT)) / TILE_WIDTH);
  return { level: tileLevel, index: place, width: tileWidth(tileLevel, place, size) };
};

/** All tiles of a tree: the fewest from which every node can be computed. */
export const tilesOf = (size: number): readonly Tile[] => {
  const tiles: Tile[] = [];
  for (let level = 0, hashes = size; hashes > 0; level++, hashes = Math.floor(hashes / TILE_WIDTH)) {
    for (let index = 0; index * TILE_WIDTH < hashes; index++) {
      tiles.push({ level, index, width: Math.min(TILE_WIDTH, hashes - index * TILE_WIDTH) });
    }
  }
  return tiles;
};

/** Splits the content of a tile. @throws Error if it is not a number of whole hashes: a tile is made by our own code. */
export const hashesOf = (content: Uint8Array): readonly Hash[] => {
  if (content.length % HASH_BYTES !== 0) throw new Error(`a tile of ${content.length} bytes holds a part of a hash`);
  return Array.from({ length: content.length / HASH_BYTES }, (_, place) =>
    content.subarray(place * HASH_BYTES, (place + 1) * HASH_BYTES),
  );
};

/** Reused: making a buffer costs as much as hashing it. */
const pair = Buffer.alloc(1 + 2 * HASH_BYTES, 1);

/** The root of a full tile, twice as fast as {@link rootOf}. @throws Error if it is not full */
export const tileRoot = (content: Uint8Array): Hash => {
  if (content.length !== TILE_WIDTH * HASH_BYTES) throw new Error(`a tile of ${content.length} bytes is not full`);
  const nodes = Buffer.from(content);
  for (let width = TILE_WIDTH / 2; width >= 1; width /= 2) {
    for (let place = 0; place < width; place++) {
      nodes.copy(pair, 1, place * 2 * HASH_BYTES, (place + 1) * 2 * HASH_BYTES);
      nodes.write(hash('sha256', pair, 'binary'), place * HASH_BYTES, 'latin1');
    }
  }
  return nodes.subarray(0, HASH_BYTES);
};

/** The content of a tile; a wider one at the same place does as well, since it begins with the same hashes. */
export type ContentOf = (tile: Tile) => Uint8Array;

/** The tiles from which {@link rangeRoot} computes the roots of these ranges, each once. */
export const tilesOfRanges = (ranges: readonly LeafRange[], size: number): readonly Tile[] => {
  const tiles = ranges.flatMap((range) => perfectSubtrees(range).map((node) => tileOf(node, size)));
  return [...new Map(tiles.map((tile) => [tilePath(tile), tile])).values()];
};

/**
 * The root of a range of leaves of a tree, computed from the tiles of that tree.
 *
 * @throws Error if a tile is too short.
 */
export const rangeRoot = (range: LeafRange, size: number, contentOf: ContentOf): Hash =>
  joinSubtrees(
    perfectSubtrees(range).map((node) => {
      const tile = tileOf(node, size);
      const hashes = hashesOf(contentOf(tile));
      const span = 2 ** (node.level % TILE_HEIGHT);
      const first = node.index * span - tile.index * TILE_WIDTH;
      const covered = hashes.slice(first, first + span);
      if (covered.length < span) throw new Error(`${tilePath(tile)} holds ${hashes.length} hashes, not ${tile.width}`);
      return rootOf(covered);
    }),
  );
