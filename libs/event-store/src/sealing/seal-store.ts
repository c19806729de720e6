import {
  type ContentOf,
  type Epoch,
  type Hash,
  HASH_BYTES,
  type Tile,
  TILE_WIDTH,
  type TileContent,
  tilePath,
} from '@kontor/transparency-log';
import type pg from 'pg';

/** A signed checkpoint of the log. */
export interface Seal {
  readonly size: number;
  readonly root: Hash;
  /** The signed note. */
  readonly note: string;
}

interface SealRow {
  readonly size: string;
  readonly root: Buffer;
  readonly note: string;
}

const toSeal = (row: SealRow | undefined): Seal | undefined =>
  row && { size: Number(row.size), root: row.root, note: row.note };

/** The newest checkpoint, or undefined before the first. */
export const readSeal = async (pool: pg.Pool | pg.ClientBase): Promise<Seal | undefined> => {
  const { rows } = await pool.query<SealRow>({
    name: 'es_seal',
    text: 'SELECT size, root, note FROM es.seal ORDER BY size DESC LIMIT 1',
  });
  return toSeal(rows[0]);
};

/** The checkpoint of one size. */
export const readSealOf = async (pool: pg.Pool, size: number): Promise<Seal | undefined> => {
  const { rows } = await pool.query<SealRow>('SELECT size, root, note FROM es.seal WHERE size = $1', [size]);
  return toSeal(rows[0]);
};

/** The epochs of the log as a bundle's header has them: nothing for a log that was never restored. */
export const readEpochs = async (pool: pg.Pool): Promise<{ readonly epochs?: Epoch[] }> => {
  const { rows } = await pool.query<{ origin: string; first_pos: string; link_note: string | null }>(
    'SELECT origin, first_pos, link_note FROM es.log_epoch WHERE log_id = 0 ORDER BY epoch',
  );
  if (rows.length < 2) return {};
  return {
    epochs: rows.map(({ origin, first_pos, link_note }) => ({
      origin,
      firstPosition: Number(first_pos),
      ...(link_note !== null && { link: link_note }),
    })),
  };
};

/**
 * Reads tiles of trees that were signed, in one round trip. A partial one may have been replaced by the full one at its place.
 *
 * @throws Error, when it is asked for, if a tile is not there.
 */
export const readTiles = async (pool: pg.Pool | pg.ClientBase, tiles: readonly Tile[]): Promise<ContentOf> => {
  const { rows } = await pool.query<{ level: number; index: string; content: Buffer }>({
    name: 'es_tiles',
    // The widest of a place comes last and stays in the map.
    text: `SELECT t.level, t.index, t.content FROM unnest($1::smallint[], $2::bigint[], $3::smallint[]) AS n(level, index, width)
           JOIN es.tile t ON t.level = n.level AND t.index = n.index AND t.width IN (n.width, ${TILE_WIDTH}) ORDER BY t.width`,
    values: [tiles.map(({ level }) => level), tiles.map(({ index }) => index), tiles.map(({ width }) => width)],
  });
  const contents = new Map(rows.map(({ level, index, content }) => [`${level}/${index}`, content]));
  return (tile) => {
    const content = contents.get(`${tile.level}/${tile.index}`);
    if (!content) throw new Error(`the database lacks ${tilePath(tile)}`);
    return content;
  };
};

/** The hashes of one tile, out of any at its place that is as wide; undefined if no checkpoint has covered it. */
export const readTilePrefix = async (pool: pg.Pool, { level, index, width }: Tile): Promise<Buffer | undefined> => {
  const { rows } = await pool.query<{ content: Buffer }>({
    name: 'es_tile',
    text: 'SELECT content FROM es.tile WHERE level = $1 AND index = $2 AND width >= $3 ORDER BY width LIMIT 1',
    values: [level, index, width],
  });
  return rows[0]?.content.subarray(0, width * HASH_BYTES);
};

/** Leaf hashes as the append stored them, of the positions after `size`, at most `limit`. They come as one value: rows would each be parsed. */
export const readLeaves = async (pool: pg.Pool, size: number, limit: number): Promise<readonly Hash[]> => {
  const { rows } = await pool.query<{ leaves: Buffer | null }>({
    name: 'es_leaves',
    text: `SELECT string_agg(leaf, '' ORDER BY pos) AS leaves
           FROM (SELECT pos, leaf FROM es.event WHERE pos > $1 ORDER BY pos LIMIT $2) AS e`,
    values: [size, limit],
  });
  const leaves = rows[0]?.leaves ?? Buffer.alloc(0);
  return Array.from({ length: leaves.length / HASH_BYTES }, (_, index) =>
    leaves.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES),
  );
};

/** Saves a checkpoint that follows the one of `oldSize`. @returns false if another sealer was faster */
export const saveSeal = async (
  pool: pg.Pool,
  oldSize: number,
  { size, root, note }: Seal,
  tiles: readonly TileContent[],
): Promise<boolean> => {
  const { rows } = await pool.query<{ saved: boolean }>({
    name: 'es_save_seal',
    text: 'SELECT es.save_seal($1, $2, $3, $4, $5::smallint[], $6::bigint[], $7::smallint[], $8::bytea[]) AS saved',
    values: [
      oldSize,
      size,
      root,
      note,
      tiles.map(({ tile }) => tile.level),
      tiles.map(({ tile }) => tile.index),
      tiles.map(({ tile }) => tile.width),
      tiles.map(({ content }) => Buffer.from(content)),
    ],
  });
  return rows[0]?.saved ?? false;
};

/** Replaces the note of a checkpoint by the same one with a witness' signature below. */
export const saveCosignature = async (pool: pg.Pool, size: number, note: string): Promise<void> => {
  await pool.query({ name: 'es_cosign', text: 'SELECT es.cosign($1, $2)', values: [size, note] });
};
