import {
  formatEvent,
  formatHeader,
  formatTile,
  formatTlogProof,
  proveInclusion,
  type Tile,
  TILE_WIDTH,
  tilesForInclusion,
} from '@kontor/transparency-log';
import type pg from 'pg';
import { copyRawEvents } from '../read-copy.js';
import { readRawStream } from '../read-stream.js';
import type { RawEvent } from '../rows.js';
import { readTiles, type Seal } from './seal-store.js';

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
  yield formatHeader({ scope: 'log', checkpoint: note });
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
      yield formatTile(tile, contentOf(tile).subarray(0, tile.width * 32));
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

/** The lines of a bundle of some streams up to a checkpoint: header, then their events, each with its proof. */
export async function* exportStreams(
  pool: pg.Pool,
  { size, note }: Seal,
  streams: readonly string[],
): AsyncGenerator<string, void> {
  yield formatHeader({ scope: 'streams', checkpoint: note });
  for (const stream of streams) {
    for await (const event of readRawStream(pool, stream)) {
      if (event.position > BigInt(size)) break;
      yield formatEvent(event, await proofOf(pool, event, { size, note }));
    }
  }
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
