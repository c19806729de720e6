import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { artifactFile } from '@kontor/service/process';

export interface StoredArtifact {
  /** `sha256:` and 64 hex digits. */
  readonly digest: string;
  readonly sizeBytes: number;
}

/** An upload ended before its announced length, or the client went away. Nothing was stored. */
export class UploadAborted extends Error {
  constructor(options: { readonly cause: unknown }) {
    super('the upload ended before it was complete', options);
    this.name = 'UploadAborted';
  }
}

/**
 * Files by content: `<dir>/sha256/<first two hex digits>/<64 hex digits>`.
 *
 * A file is there whole or not at all, and never changes. Memory stays flat for a file of any size.
 */
export class ArtifactStore {
  constructor(private readonly dir: string) {}

  /**
   * Stores a stream of bytes under its SHA-256. Durable when it returns: the file and its name are on disk.
   *
   * @throws UploadAborted if the source fails; the error of the file system (a full disk) as it is. Nothing is stored then.
   */
  async put(source: Readable): Promise<StoredArtifact> {
    const incoming = join(this.dir, 'incoming', randomUUID());
    await mkdir(dirname(incoming), { recursive: true });
    const hash = createHash('sha256');
    let sizeBytes = 0;
    const measured = async function* (): AsyncGenerator<Buffer> {
      try {
        for await (const chunk of source as AsyncIterable<Buffer>) {
          hash.update(chunk);
          sizeBytes += chunk.length;
          yield chunk;
        }
      } catch (cause) {
        throw new UploadAborted({ cause });
      }
    };
    try {
      await pipeline(measured, createWriteStream(incoming, { flags: 'wx', flush: true }));
    } catch (error) {
      await rm(incoming, { force: true });
      throw error;
    }
    const digest = `sha256:${hash.digest('hex')}`;
    const file = artifactFile(this.dir, digest);
    await mkdir(dirname(file), { recursive: true });
    await rename(incoming, file);
    await syncDirectory(dirname(file));
    return { digest, sizeBytes };
  }

  /** @returns the size in bytes, or undefined if there is no such content. */
  async size(digest: string): Promise<number | undefined> {
    try {
      return (await stat(artifactFile(this.dir, digest))).size;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** The bytes from `start` up to and including `end`. */
  read(digest: string, range: { readonly start?: number; readonly end?: number } = {}): Readable {
    return createReadStream(artifactFile(this.dir, digest), range);
  }
}

// After a power loss a renamed file without a synced directory can be gone, although its bytes were written.
const syncDirectory = async (directory: string): Promise<void> => {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};
