import type { FastifyInstance } from 'fastify';
import { readSeal, readTilePrefix } from '@kontor/event-store';
import { parseTilePath } from '@kontor/transparency-log';
import type pg from 'pg';

/** A tile belongs to a signed tree and never changes. */
const TILE_CACHE = 'public, max-age=31536000, immutable';
/** A new checkpoint follows an append within a second. */
const CHECKPOINT_CACHE = 'public, max-age=1';

/**
 * Whether a path is one of the transparency log: hashes and the signed checkpoint, open to everybody, since a monitor or
 * a witness of somebody else asks without a token. A leaf hash covers random ids, so nothing of an event can be guessed
 * from it. Entries name workspaces and actors: they are not served, and travel in exports only.
 */
export const isTilePath = (path: string): boolean => path === '/checkpoint' || path.startsWith('/tile/');

/** Serves the log as C2SP tlog-tiles below `/`, without entries. @source C2SP tlog-tiles, "Merkle Tree" and "Checkpoints" */
export const mountTiles = (app: FastifyInstance, { pool }: { readonly pool: pg.Pool }): void => {
  app.get('/checkpoint', async (_request, reply) => {
    const seal = await readSeal(pool);
    if (!seal) return reply.code(404).type('text/plain; charset=utf-8').send('no checkpoint has been signed yet\n');
    return reply.header('cache-control', CHECKPOINT_CACHE).type('text/plain; charset=utf-8').send(seal.note);
  });
  app.get<{ Params: { '*': string } }>('/tile/*', async (request, reply) => {
    const path = `tile/${request.params['*']}`;
    const tile = parseTilePath(path);
    const content = tile && (await readTilePrefix(pool, tile));
    if (!content) {
      const why = tile ? 'no checkpoint covers this tile yet' : 'no path of a tile: tile/<level>/<index>[.p/<width>]';
      return reply.code(404).type('text/plain; charset=utf-8').send(`${why}\n`);
    }
    return reply.header('cache-control', TILE_CACHE).type('application/octet-stream').send(content);
  });
};
