import { createPrivateKey, hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { parseCheckpoint } from './checkpoint.js';
import { type Hash, leafHash, toBase64 } from './hash.js';
import { cosignedAtS, formatNote, logSigner, openNote, parseNote, parseVerifier, witnessSigner } from './note.js';
import {
  proveConsistency,
  proveInclusion,
  tilesForConsistency,
  tilesForInclusion,
  verifyConsistency,
  verifyInclusion,
} from './proof.js';
import { authenticTiles, tilesForLeaves } from './authentic-tiles.js';
import { parseTilePath, type Tile, tilePath, tilesOf } from './tile.js';
import { TileTree } from './tile-tree.js';

// What Go's transparency log says about the same leaves: vectors/main.go made the file.
const proof = z.object({ of: z.number(), size: z.number(), hashes: z.number(), sha256: z.string() });
const signed = z.object({ name: z.string(), seed: z.string(), verifierKey: z.string(), note: z.string() });
const vectors = z
  .object({
    roots: z.array(z.object({ size: z.number(), root: z.string() })),
    tiles: z.array(z.object({ size: z.number(), tiles: z.array(z.object({ path: z.string(), sha256: z.string() })) })),
    inclusion: z.array(proof),
    consistency: z.array(proof),
    log: signed,
    witness: signed,
    notes: z.array(z.object({ note: z.string(), known: z.array(z.string()), signedBy: z.array(z.string()) })),
    paths: z.array(z.object({ level: z.number(), index: z.number(), width: z.number(), path: z.string() })),
  })
  .parse(JSON.parse(readFileSync(new URL('../vectors/vectors.json', import.meta.url), 'utf8')));

const MAX_SIZE = Math.max(...vectors.roots.map(({ size }) => size));
const sha256 = (bytes: Uint8Array): string => hash('sha256', bytes, 'hex');
const leafOf = (index: number): Hash => leafHash(Buffer.from(`leaf ${index}`));

/** Every tile that a tree of any size up to the largest ever had, by path, and the roots of the sizes of the vectors. */
const contents = new Map<string, Uint8Array>();
const roots = new Map<number, Hash>();
const contentOf = (tile: Tile): Uint8Array => {
  const content = contents.get(tilePath(tile)) ?? contents.get(tilePath({ ...tile, width: 256 }));
  if (!content) throw new Error(`no ${tilePath(tile)}`);
  return content;
};

beforeAll(() => {
  const sizes = new Set(
    [vectors.roots, vectors.tiles, vectors.inclusion, vectors.consistency].flat().map(({ size }) => size),
  );
  for (const { of } of vectors.consistency) sizes.add(of);
  const tree = new TileTree();
  const keep = (): void => {
    for (const { tile, content } of tree.partialTiles()) contents.set(tilePath(tile), content);
    roots.set(tree.size, tree.root());
  };
  keep();
  for (let index = 0; index < MAX_SIZE; index++) {
    for (const { tile, content } of tree.append(leafOf(index))) contents.set(tilePath(tile), content);
    if (sizes.has(tree.size)) keep();
  }
});

/** A reader of these tiles and no others. */
const only = (tiles: readonly Tile[]) => {
  const paths = new Set(tiles.map(tilePath));
  return (tile: Tile): Uint8Array => {
    if (!paths.has(tilePath(tile))) throw new Error(`${tilePath(tile)} was not announced`);
    return contentOf(tile);
  };
};

const rootAt = (size: number): Hash => roots.get(size) ?? new Uint8Array();

describe('the tree', () => {
  it(`has the roots of Go's tree, for ${vectors.roots.length} sizes up to ${MAX_SIZE}`, () => {
    for (const { size, root } of vectors.roots) expect(toBase64(rootAt(size)), `size ${size}`).toBe(root);
  });

  it.each(vectors.tiles)('of $size leaves has the tiles of Go', async ({ size, tiles }) => {
    expect(tilesOf(size).map(tilePath)).toEqual(tiles.map(({ path }) => path));
    const ours = await Promise.all(
      tilesOf(size).map(async (tile) => {
        const path = tilePath(tile);
        return { path, sha256: sha256(contentOf(tile).subarray(0, tile.width * 32)) };
      }),
    );
    expect(ours).toEqual(tiles);
  });

  // The reference gives this shape in words.
  it('of 70,000 leaves has a partial tile on each of three levels', () => {
    expect(
      tilesOf(70_000)
        .filter(({ width }) => width < 256)
        .map(tilePath),
    ).toEqual(['tile/0/273.p/112', 'tile/1/001.p/17', 'tile/2/000.p/1']);
    expect(tilesOf(70_000).filter(({ width }) => width === 256)).toHaveLength(273 + 1);
  });

  it(`has the paths of Go's tiles, and reads them and nothing else: ${vectors.paths.length}`, () => {
    for (const { path, ...tile } of vectors.paths) {
      expect(tilePath(tile)).toBe(path);
      expect(parseTilePath(path)).toEqual(tile);
    }
    for (const wrong of [
      'tile/0/0',
      'tile/0/x000/000',
      'tile/0/000.p/256',
      'tile/0/000.p/0',
      'tile/64/000',
      'tile/0/000/',
      'tile/entries/000',
      'tile/0/x001/x234/67',
    ])
      expect(parseTilePath(wrong), wrong).toBeUndefined();
  });

  it('has the root of each of its tiles above it, level by level, as authenticTiles checks', () => {
    for (const { size } of vectors.tiles) {
      const checkpoint = { origin: 'log', size, root: rootAt(size) };
      const { above, leaves } = tilesForLeaves(0, size, size);
      const authentic = authenticTiles(checkpoint, only([...above, ...leaves]));
      for (const tile of tilesOf(size)) expect(() => authentic(tile), tilePath(tile)).not.toThrow();
      const lie = (tile: Tile) =>
        tilePath(tile) === tilePath(tilesOf(size)[0] ?? tile) ? Buffer.alloc(tile.width * 32) : contentOf(tile);
      expect(() => authenticTiles(checkpoint, lie)(tilesOf(size)[0] ?? { level: 0, index: 0, width: 1 })).toThrow(
        /not a tile of|not those/,
      );
    }
  });

  it('is continued from its partial tiles', async () => {
    for (const { size } of vectors.tiles) {
      const resumed = TileTree.resume(size, contentOf);
      expect(toBase64(resumed.root()), `size ${size}`).toBe(toBase64(rootAt(size)));
      if (size === MAX_SIZE) continue;
      const fresh = TileTree.resume(size, contentOf);
      const full = fresh.append(leafOf(size));
      expect(
        full.every(({ tile, content }) => sha256(content) === sha256(contents.get(tilePath(tile)) ?? content)),
      ).toBe(true);
      expect(toBase64(fresh.root())).toBe(toBase64(TileTree.resume(size + 1, keptTiles(fresh)).root()));
    }
  });
});

/** A reader of what a tree holds open. */
const keptTiles = (tree: TileTree) => (tile: Tile) =>
  tree.partialTiles().find((kept) => tilePath(kept.tile) === tilePath(tile))?.content ?? new Uint8Array();

describe('a proof', () => {
  it(`of inclusion has the hashes of Go's and verifies, for ${vectors.inclusion.length} leaves`, async () => {
    for (const { of: index, size, hashes, sha256: digest } of vectors.inclusion) {
      const path = proveInclusion(index, size, only(tilesForInclusion(index, size)));
      expect([path.length, sha256(Buffer.concat(path))]).toEqual([hashes, digest]);
      const claim = { leaf: leafOf(index), index, size, root: rootAt(size) };
      expect(verifyInclusion(claim, path)).toBe(true);
      expect(verifyInclusion({ ...claim, leaf: leafOf(index + 1) }, path)).toBe(false);
      if (size > 1) expect(verifyInclusion({ ...claim, index: (index + 1) % size }, path)).toBe(false);
      expect(verifyInclusion(claim, [...path, leafOf(0)])).toBe(false);
      if (path.length > 0) expect(verifyInclusion(claim, path.slice(1))).toBe(false);
    }
  });

  it(`of consistency has the hashes of Go's and verifies, for ${vectors.consistency.length} pairs`, async () => {
    for (const { of: oldSize, size, hashes, sha256: digest } of vectors.consistency) {
      const path = proveConsistency(oldSize, size, only(tilesForConsistency(oldSize, size)));
      expect([path.length, sha256(Buffer.concat(path))]).toEqual([hashes, digest]);
      const claim = { oldSize, oldRoot: rootAt(oldSize), size, root: rootAt(size) };
      expect(verifyConsistency(claim, path)).toBe(true);
      expect(verifyConsistency({ ...claim, oldRoot: leafOf(0) }, path)).toBe(false);
      expect(verifyConsistency({ ...claim, root: leafOf(0) }, path)).toBe(false);
      expect(verifyConsistency(claim, [...path, leafOf(0)])).toBe(false);
    }
  });
});

describe('a note', () => {
  const keyOf = (seed: string) =>
    // PrivateKeyInfo of Ed25519 is these bytes and the seed. RFC 8410, section 7.
    createPrivateKey({
      key: Buffer.from(`302e020100300506032b657004220420${seed}`, 'hex'),
      format: 'der',
      type: 'pkcs8',
    });

  it('is signed as Go signs it', () => {
    const { name, seed, verifierKey, note } = vectors.log;
    const signer = logSigner(name, keyOf(seed));
    expect(signer.verifierKey).toBe(verifierKey);
    const { text } = parseNote(note);
    expect(formatNote(text, [signer.sign(text)])).toBe(note);
    expect(parseCheckpoint(text)).toEqual({ origin: name, size: MAX_SIZE, root: Buffer.from(rootAt(MAX_SIZE)) });
  });

  it("is co-signed as Go's witness does, at the moment that it names", () => {
    const { name, seed, verifierKey, note } = vectors.witness;
    const { text, signatures } = openNote(note, [parseVerifier(verifierKey)]);
    const [signature] = signatures;
    const unixS = signature ? Number(cosignedAtS(signature)) : 0;
    const signer = witnessSigner(name, keyOf(seed), unixS);
    expect(signer.verifierKey).toBe(verifierKey);
    expect(formatNote(text, [signer.sign(text)])).toBe(note);
  });

  it(`is opened, or refused, as Go does it: ${vectors.notes.length} notes of several keys`, () => {
    for (const { note, known, signedBy } of vectors.notes) {
      const open = () => openNote(note, known.map(parseVerifier)).signatures.map(({ name }) => name);
      if (signedBy.length === 0) expect(open).toThrow();
      else expect(open()).toEqual(signedBy);
    }
  });

  // The example of the C2SP signed-note specification.
  it('has the verifier key of the specification', () => {
    const key = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';
    const note = [
      'If you think cryptography is the answer to your problem,',
      "then you don't know what your problem is.",
      '',
      '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=',
      '',
    ].join('\n');
    expect(openNote(note, [parseVerifier(key)]).signatures).toHaveLength(1);
  });
});
