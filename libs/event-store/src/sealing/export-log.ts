import {
  formatEvent,
  formatHeader,
  formatTile,
  formatTlogProof,
  HASH_BYTES,
  parseEpochLink,
  parseNote,
  proveInclusion,
  type Tile,
  TILE_WIDTH,
  tilePath,
  tilesForConsistency,
  tilesForInclusion,
  tilesForLeaves,
} from '@kontor/transparency-log';
import type pg from 'pg';
import { copyRawEvents } from '../read-copy.js';
import { readRawStream } from '../read-stream.js';
import type { RawEvent } from '../rows.js';
import { readEpochs, readTiles, type Seal } from './seal-store.js';

/** Whole tiles, and few enough to hold in memory with their events. */
const TILES_PER_PAGE = 8;

/**
 * The lines of a bundle of the whole log up to a checkpoint: header, then per 256 events their tile and themselves.
 *
 * @param onProgress told the position after each page.
 */
export async function* exportLog(
  pool: pg.Pool,
  { size, note }: Seal,
  onProgress: (position: number) => void = () => undefined,
): AsyncGenerator<string, void> {
  yield formatHeader({ scope: 'log', checkpoint: note, ...(await readEpochs(pool)) });
  for (let from = 0; from < size;) {
    const to = Math.min(size, from + TILES_PER_PAGE * TILE_WIDTH);
    const tiles: Tile[] = [];
    for (let index = from / TILE_WIDTH; index * TILE_WIDTH < to; index++) {
      tiles.push({ level: 0, index, width: Math.min(TILE_WIDTH, size - index * TILE_WIDTH) });
    }
    const contentOf = await readTiles(pool, tiles);
    const page: RawEvent[] = [];
    for await (const batch of copyRawEvents(pool, { after: BigInt(from), upTo: BigInt(to) })) page.push(...batch);
    // What the database lacks is missing in the bundle too: the verifier names it.
    const events = page.values();
    let next = events.next();
    for (const tile of tiles) {
      yield formatTile(tile, contentOf(tile).subarray(0, tile.width * HASH_BYTES));
      const end = BigInt(tile.index * TILE_WIDTH + tile.width);
      for (; !next.done && next.value.position <= end; next = events.next()) yield formatEvent(next.value);
    }
    from = to;
    onProgress(from);
  }
}

/** Which of these streams have no event. */
export const unknownStreams = async (pool: pg.Pool, streams: readonly string[]): Promise<readonly string[]> => {
  const { rows } = await pool.query<{ id: string }>(
    'SELECT id FROM unnest($1::text[]) AS u(id) WHERE NOT EXISTS (SELECT FROM es.stream s WHERE s.stream_id = u.id)',
    [streams],
  );
  return rows.map(({ id }) => id);
};

/**
 * The lines of a bundle of some streams up to a checkpoint: header, then their events, each with its proof.
 *
 * @param about what they were chosen by, for a person
 * @param since sizes of earlier checkpoints that the bundle is to show the log to begin with
 */
export async function* exportStreams(
  pool: pg.Pool,
  { size, note }: Seal,
  { streams, about, since = [] }: { streams: readonly string[]; about?: string | undefined; since?: readonly number[] },
): AsyncGenerator<string, void> {
  const epochs = await readEpochs(pool);
  yield formatHeader({ scope: 'streams', checkpoint: note, about, ...epochs });
  yield* tileLines(pool, tilesSince([...since, ...tiedAt(epochs)], size));
  for (const stream of streams) {
    for await (const event of readRawStream(pool, stream)) {
      if (event.position > BigInt(size)) break;
      yield formatEvent(event, await proofOf(pool, event, { size, note }));
    }
  }
}

/** The lines of a bundle of the positions `first` to `last`, both inclusive, at most the size of the checkpoint. */
export async function* exportRange(
  pool: pg.Pool,
  { size, note }: Seal,
  { first, last, since = [] }: { first: number; last: number; since?: readonly number[] },
): AsyncGenerator<string, void> {
  const epochs = await readEpochs(pool);
  yield formatHeader({ scope: 'range', checkpoint: note, range: [first, last], ...epochs });
  const earlier = tilesSince([...since, ...tiedAt(epochs)], size);
  const { above, leaves } = tilesForLeaves(first - 1, last, size);
  yield* tileLines(pool, [...above, ...earlier.filter(({ level }) => level > 0)]);
  // Of level 0 a range holds its own tiles and those at the end of the earlier trees: each once.
  const own = new Set(leaves.map(({ index }) => index));
  yield* tileLines(
    pool,
    earlier.filter(({ level, index }) => level === 0 && !own.has(index)),
  );
  for (const tile of leaves) {
    yield* tileLines(pool, [tile]);
    const after = Math.max(first - 1, tile.index * TILE_WIDTH);
    const end = Math.min(last, tile.index * TILE_WIDTH + tile.width);
    for await (const events of copyRawEvents(pool, { after: BigInt(after), upTo: BigInt(end) })) {
      for (const event of events) yield formatEvent(event);
    }
  }
}

/** The lines of a bundle without events: the checkpoint, and that the log still begins with earlier ones. */
export async function* exportCheckpoint(
  pool: pg.Pool,
  { size, note }: Seal,
  since: readonly number[],
): AsyncGenerator<string, void> {
  const epochs = await readEpochs(pool);
  yield formatHeader({ scope: 'checkpoint', checkpoint: note, ...epochs });
  yield* tileLines(pool, tilesSince([...since, ...tiedAt(epochs)], size));
}

/** Sizes of the checkpoints by which epochs are tied: the verifier wants to see that the log begins with each. */
const tiedAt = ({ epochs = [] }: Awaited<ReturnType<typeof readEpochs>>): readonly number[] =>
  epochs.flatMap(({ link }) => (link === undefined ? [] : [parseEpochLink(parseNote(link).text).common.size]));

/** The tiles that show a log to begin with smaller trees; a larger one is the verifier's to name. */
const tilesSince = (since: readonly number[], size: number): readonly Tile[] => {
  const tiles = since.filter((old) => old > 0 && old <= size).flatMap((old) => tilesForConsistency(old, size));
  return [...new Map(tiles.map((tile) => [tilePath(tile), tile])).values()];
};

async function* tileLines(pool: pg.Pool, tiles: readonly Tile[]): AsyncGenerator<string, void> {
  const contentOf = await readTiles(pool, tiles);
  for (const tile of tiles) yield formatTile(tile, contentOf(tile).subarray(0, tile.width * HASH_BYTES));
}

const proofOf = async (
  pool: pg.Pool,
  { position }: RawEvent,
  { size, note }: Pick<Seal, 'size' | 'note'>,
): Promise<string> => {
  const index = Number(position) - 1;
  const contentOf = await readTiles(pool, tilesForInclusion(index, size));
  return formatTlogProof({ index, hashes: proveInclusion(index, size, contentOf), checkpoint: note });
};
