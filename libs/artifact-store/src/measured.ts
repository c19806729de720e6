import { createHash } from 'node:crypto';
import { type StoredArtifact, UploadAborted } from './artifact-store.js';

/** Bytes on their way, and what they were once they are through. */
export interface Measured {
  readonly bytes: AsyncIterable<Buffer>;
  /** Of all bytes that have passed. To be asked once, after the last one. */
  result(): StoredArtifact;
}

/** Takes the digest of a stream while it passes. */
export const measured = (source: AsyncIterable<Buffer>): Measured => {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  return {
    bytes: (async function* () {
      for await (const chunk of source) {
        hash.update(chunk);
        sizeBytes += chunk.length;
        yield chunk;
      }
    })(),
    result: () => ({ digest: `sha256:${hash.digest('hex')}`, sizeBytes }),
  };
};

/** What a client sends. A failure becomes UploadAborted, so that no disk and no network of ours is blamed for it. */
export async function* sentByClient(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* source;
  } catch (cause) {
    throw new UploadAborted({ cause });
  }
}
