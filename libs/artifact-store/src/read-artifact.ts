import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { ArtifactReader } from './artifact-store.js';

/** Content that cannot become usable by trying again. */
export class ArtifactUnusable extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'ArtifactUnusable';
  }
}

/**
 * Reads content whole and proves that it is the content. The bytes that were checked are the bytes that are returned:
 * nobody can change them in between.
 *
 * @throws ArtifactUnusable if it is larger than `maxBytes` or is not what its digest says; else as `open` does.
 */
export const readArtifact = async (artifacts: ArtifactReader, digest: string, maxBytes: number): Promise<Buffer> => {
  const { sizeBytes, bytes } = await artifacts.open(digest);
  if (sizeBytes > maxBytes) {
    bytes.destroy();
    throw new ArtifactUnusable(`${digest} has ${sizeBytes} bytes; at most ${maxBytes} are loaded`);
  }
  return buffer(await proven(digest, bytes));
};

/**
 * Passes content on as it comes, and holds the last piece back until all of it is proven: whoever edited the stored file, nobody
 * takes what comes of it for whole.
 *
 * @throws ArtifactUnusable at once if it is no longer than a piece and not what its digest says; of longer content the stream fails.
 */
export const proven = async (digest: string, bytes: Readable): Promise<Readable> => {
  const checked = provenPieces(digest, bytes);
  const first = await checked.next();
  const content = Readable.from(
    (async function* () {
      if (!first.done) yield first.value;
      yield* checked;
    })(),
    { objectMode: false },
  );
  // By the stream: a generator that nobody has asked yet ends without its `finally`.
  return content.once('close', () => bytes.destroy());
};

async function* provenPieces(digest: string, bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
  const sum = createHash('sha256');
  let held: Buffer | undefined;
  for await (const piece of bytes) {
    sum.update(piece);
    if (held) yield held;
    held = piece;
  }
  const actual = `sha256:${sum.digest('hex')}`;
  if (actual !== digest) throw new ArtifactUnusable(`the file of ${digest} has the digest ${actual}`);
  if (held) yield held;
}
