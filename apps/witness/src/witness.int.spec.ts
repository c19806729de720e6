import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  cosignedAtS,
  formatAddCheckpoint,
  formatCheckpoint,
  formatNote,
  type Hash,
  leafHash,
  logSigner,
  openNote,
  parseLogKeys,
  parseVerifier,
  proveConsistency,
  rootOf,
  type Signer,
  sha256Hex,
  TileTree,
  tilePath,
  toBase64,
  witnessSigner,
} from '@kontor/transparency-log';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { witnessServer } from './http-door.js';
import { loadOrMakeKey } from './key.js';
import { Memory } from './memory.js';
import { Witness } from './witness.js';

const ORIGIN = 'kontor.example/log/0';
const NAME = 'witness.example/w1';
const NOW_MS = Date.UTC(2026, 0, 1);

const newKey = () => generateKeyPairSync('ed25519').privateKey;
const log = logSigner(ORIGIN, newKey());

/** A log of numbered leaves; from `forkAt` on another history of it. */
const history = (size: number, forkAt = Infinity) => {
  const tree = new TileTree();
  const contents = new Map<string, Uint8Array>();
  const leaves: Hash[] = Array.from({ length: size }, (_, index) =>
    leafHash(Buffer.from(index < forkAt ? `${index}` : `other ${index}`)),
  );
  for (const leaf of leaves)
    for (const { tile, content } of tree.append(leaf)) contents.set(`${tile.level}/${tile.index}`, content);
  for (const { tile, content } of tree.partialTiles()) contents.set(`${tile.level}/${tile.index}`, content);
  const text = formatCheckpoint({ origin: ORIGIN, size, root: rootOf(leaves) });
  return {
    checkpoint: (signer: Signer = log) => formatNote(text, [signer.sign(text)]),
    proofFrom: (oldSize: number) =>
      oldSize === 0
        ? []
        : proveConsistency(oldSize, size, (tile) => {
            const content = contents.get(`${tile.level}/${tile.index}`);
            if (!content) throw new Error(`no ${tilePath(tile)}`);
            return content;
          }),
  };
};

describe('a witness', () => {
  let folder: string;
  let url: string;
  let stop: () => void;
  let logKeys = parseLogKeys(log.verifierKey);

  const start = async (): Promise<void> => {
    const memory = new Memory(folder);
    const key = loadOrMakeKey(folder);
    const witness = new Witness(logKeys, memory, (unixS) => witnessSigner(NAME, key, unixS));
    const server = witnessServer({ witness, memory, origins: [ORIGIN], now: () => NOW_MS });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    stop = () => {
      server.close();
      server.closeAllConnections();
      memory.close();
    };
  };
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'kontor-witness-'));
    await start();
  });
  afterEach(() => {
    stop();
    rmSync(folder, { recursive: true });
  });

  const ask = async (body: string): Promise<{ status: number; text: string; type: string | null }> => {
    const response = await fetch(`${url}/add-checkpoint`, { method: 'POST', body });
    return { status: response.status, text: await response.text(), type: response.headers.get('content-type') };
  };
  const cosign = (oldSize: number, size: number) => {
    const { checkpoint, proofFrom } = history(size);
    return ask(formatAddCheckpoint({ oldSize, proof: proofFrom(oldSize), checkpoint: checkpoint() }));
  };
  const verifier = () => parseVerifier(witnessSigner(NAME, loadOrMakeKey(folder), 0).verifierKey);

  it('co-signs a checkpoint that begins with the one before, and shows the last one', async () => {
    expect((await cosign(0, 3)).status).toBe(200);
    const { status, text } = await cosign(3, 700);
    expect(status).toBe(200);
    const { signatures } = openNote(history(700).checkpoint() + text, [verifier()]);
    expect(signatures.map(cosignedAtS)).toEqual([BigInt(NOW_MS / 1000)]);
    const shown = await fetch(`${url}/${sha256Hex(ORIGIN)}/checkpoint`);
    expect(openNote(await shown.text(), [verifier()]).text).toContain(`${ORIGIN}\n700\n`);
  });

  it('remembers after a restart, and signs the same checkpoint again', async () => {
    await cosign(0, 5);
    stop();
    await start();
    expect(await cosign(0, 6)).toMatchObject({ status: 409, text: '5\n', type: 'text/x.tlog.size' });
    expect((await cosign(5, 5)).status).toBe(200);
    expect((await cosign(5, 6)).status).toBe(200);
  });

  it('refuses another history of the same size, a longer one and a shorter one', async () => {
    await cosign(0, 300);
    const asks = [history(300, 299), history(400, 299), history(200)];
    const [same, longer, shorter] = asks;
    const statusOf = async (oldSize: number, other: typeof same, from = oldSize) =>
      (
        await ask(
          formatAddCheckpoint({
            oldSize,
            proof: from === 0 ? [] : (other?.proofFrom(from) ?? []),
            checkpoint: other?.checkpoint() ?? '',
          }),
        )
      ).status;
    expect(await statusOf(300, same, 0)).toBe(422);
    expect(await statusOf(300, longer)).toBe(422);
    expect(await statusOf(300, shorter, 0)).toBe(400);
    expect(await statusOf(200, shorter, 0)).toBe(409);
    expect(await statusOf(0, same)).toBe(409);
    expect((await cosign(300, 301)).status).toBe(200);
  });

  it('signs one of two histories that are asked for at once', async () => {
    await cosign(0, 10);
    const forks = [history(20, 10), history(20)].map((one) =>
      ask(formatAddCheckpoint({ oldSize: 10, proof: one.proofFrom(10), checkpoint: one.checkpoint() })),
    );
    expect((await Promise.all(forks)).map(({ status }) => status).toSorted()).toEqual([200, 409]);
  });

  const { checkpoint } = history(4);
  const stranger = logSigner('stranger.example/log', newKey());
  const strange = formatCheckpoint({ origin: stranger.name, size: 1, root: leafHash(Buffer.from('x')) });
  it.each([
    ['a log that it does not know', 404, `old 0\n\n${formatNote(strange, [stranger.sign(strange)])}`],
    [
      'a checkpoint that another key has signed under the name of the log',
      403,
      `old 0\n\n${checkpoint(logSigner(ORIGIN, newKey()))}`,
    ],
    ['a changed checkpoint', 403, `old 0\n\n${checkpoint().replace('\n4\n', '\n5\n')}`],
    ['a size that is no number', 400, `old x\n\n${checkpoint()}`],
    ['no size', 400, checkpoint()],
    ['a hash that is too short', 400, `old 0\n${toBase64(Buffer.alloc(31))}\n\n${checkpoint()}`],
    ['64 hashes', 400, `old 0\n${`${toBase64(Buffer.alloc(32))}\n`.repeat(64)}\n${checkpoint()}`],
    ['a proof where nothing is to be proved', 422, `old 0\n${toBase64(Buffer.alloc(32))}\n\n${checkpoint()}`],
    ['no checkpoint', 400, 'old 0\n\n'],
    ['an empty body', 400, ''],
    ['a body without end', 413, 'x'.repeat(40_000)],
  ])('answers %s by %i and remembers nothing', async (_, status, body) => {
    expect((await ask(body)).status).toBe(status);
    expect((await fetch(`${url}/${sha256Hex(ORIGIN)}/checkpoint`)).status).toBe(404);
  });

  it('co-signs with the key that follows, and nothing new of the one that was retired', async () => {
    const next = logSigner(ORIGIN, newKey());
    await cosign(0, 5);
    stop();
    logKeys = parseLogKeys(`${log.verifierKey} 0..5\n${next.verifierKey} 6..\n`);
    await start();
    const six = history(6);
    const body = (signer: Signer) =>
      formatAddCheckpoint({ oldSize: 5, proof: six.proofFrom(5), checkpoint: six.checkpoint(signer) });
    expect(await ask(body(log))).toMatchObject({
      status: 403,
      text: expect.stringContaining('counts for the sizes 0 to 5') as string,
    });
    expect((await ask(body(next))).status).toBe(200);
    logKeys = parseLogKeys(log.verifierKey);
  });

  it('has no other door', async () => {
    expect((await fetch(`${url}/add-checkpoint`)).status).toBe(405);
    expect((await fetch(`${url}/${sha256Hex('elsewhere')}/checkpoint`)).status).toBe(404);
    expect((await fetch(`${url}/witness.pem`)).status).toBe(404);
  });
});
