import { hash } from 'node:crypto';
import { join } from 'node:path';
import {
  equalHashes,
  eventLeaf,
  fromBase64,
  type Hash,
  HASH_BYTES,
  parseBundleLine,
  rangeRoot,
  Refused,
  TILE_WIDTH,
  tilesOfRanges,
  TileTree,
} from '@kontor/transparency-log';
import type pg from 'pg';
import { readSeal, readTiles } from '../sealing/seal-store.js';
import {
  ArchiveDamaged,
  type EventsFile,
  type Manifest,
  originAt,
  readLines,
  readManifest,
  type StreamPositions,
} from './archive-directory.js';

/** The root over a range of sealed leaves, from the tiles; undefined if the range is not sealed yet. */
export const sealedRoot = async (
  pool: pg.Pool | pg.ClientBase,
  { firstPosition, lastPosition }: { firstPosition: number; lastPosition: number },
): Promise<Hash | undefined> => {
  const seal = await readSeal(pool);
  if (!seal || seal.size < lastPosition) return undefined;
  const range = { from: firstPosition - 1, to: lastPosition };
  return rangeRoot(range, seal.size, await readTiles(pool, tilesOfRanges([range], seal.size)));
};

/**
 * Reads a whole archive and compares it with the sealed tree: every file with its digest, every event with its sealed leaf,
 * the root, and the positions of the streams with the events.
 *
 * @returns the manifest and its digest
 * @throws ArchiveDamaged that names the file, and the position of the first event that is not the sealed one
 */
export const readBack = async (
  pool: pg.Pool | pg.ClientBase,
  directory: string,
  onProgress: (position: number) => void,
): Promise<{ readonly manifest: Manifest; readonly digest: string }> => {
  const found = await readManifest(directory);
  if (!found) throw new ArchiveDamaged(directory, 'holds no archive');
  const { manifest } = found;
  const tree = new TileTree();
  const fromEvents = new StreamsDigest();
  let next = manifest.firstPosition;
  for (const file of manifest.events) {
    const at = join(directory, file.name);
    const sealed = await sealedLeaves(pool, file);
    const lines = await readLines(directory, file);
    for (const line of lines) {
      const event = parseEvent(line, at);
      if (Number(event.position) !== next) throw new ArchiveDamaged(at, `position ${next} is not there`);
      const leaf = eventLeaf(originAt(manifest, next), event);
      if (!equalHashes(leaf, sealed(next)))
        throw new ArchiveDamaged(at, `position ${next} is not the event that was sealed`);
      tree.append(leaf);
      fromEvents.add(event.streamId, next);
      next++;
    }
    if (next !== file.lastPosition + 1) throw new ArchiveDamaged(at, `position ${next} is not there`);
    onProgress(file.lastPosition);
  }
  const at = join(directory, 'manifest.json');
  if (next !== manifest.lastPosition + 1) throw new ArchiveDamaged(at, `names no file with position ${next}`);
  const root = await sealedRoot(pool, manifest);
  const named = fromBase64(manifest.root, HASH_BYTES);
  if (!root || !named || !equalHashes(named, root) || !equalHashes(tree.root(), root))
    throw new ArchiveDamaged(at, 'has another root than the sealed tree');

  const fromStreams = new StreamsDigest();
  for (const file of manifest.streams)
    for (const line of await readLines(directory, file)) {
      const { stream, positions } = JSON.parse(line) as StreamPositions;
      for (const position of positions) fromStreams.add(stream, position);
    }
  if (!fromStreams.equals(fromEvents)) throw new ArchiveDamaged(at, 'names other positions of streams than the events');
  return found;
};

const parseEvent = (line: string, file: string) => {
  try {
    const parsed = parseBundleLine(line);
    if (parsed.kind === 'event') return parsed.event;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    throw new ArchiveDamaged(file, error.message, { cause: error });
  }
  throw new ArchiveDamaged(file, 'holds a line that is no event');
};

const sealedLeaves = async (
  pool: pg.Pool | pg.ClientBase,
  { firstPosition, lastPosition }: EventsFile,
): Promise<(position: number) => Hash> => {
  const size = (await readSeal(pool))?.size ?? 0;
  const tiles = [];
  for (let index = Math.floor((firstPosition - 1) / TILE_WIDTH); index * TILE_WIDTH < lastPosition; index++)
    tiles.push({ level: 0, index, width: Math.min(TILE_WIDTH, size - index * TILE_WIDTH) });
  const contentOf = await readTiles(pool, tiles);
  return (position) => {
    const index = Math.floor((position - 1) / TILE_WIDTH);
    const place = ((position - 1) % TILE_WIDTH) * HASH_BYTES;
    return contentOf({ level: 0, index, width: TILE_WIDTH }).subarray(place, place + HASH_BYTES);
  };
};

/** Says whether two passes saw the same pairs, in whatever order and without keeping them: a sum of 48 bits of each hash. */
class StreamsDigest {
  #sum = 0;
  #pairs = 0;

  add(stream: string, position: number): void {
    const digest = hash('sha256', `${stream}\n${position}`, 'buffer');
    this.#sum = (this.#sum + digest.readUIntBE(0, 6)) % 2 ** 48;
    this.#pairs++;
  }

  equals(other: StreamsDigest): boolean {
    return this.#sum === other.#sum && this.#pairs === other.#pairs;
  }
}
