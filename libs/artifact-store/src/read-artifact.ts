import { hash } from 'node:crypto';
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
  const content = await buffer(bytes);
  const actual = `sha256:${hash('sha256', content, 'hex')}`;
  if (actual !== digest) throw new ArtifactUnusable(`the file of ${digest} has the digest ${actual}`);
  return content;
};
