import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isAbandoned, ownFolder } from './abandoned.js';
import { artifactFile } from './artifact-file.js';
import {
  ArtifactMissing,
  type ArtifactStore,
  type ByteRange,
  type OpenArtifact,
  StorageFull,
  type StoredArtifact,
} from './artifact-store.js';
import { measured, sentByClient } from './measured.js';

const INCOMING = 'incoming';

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

/** Files by content: `<directory>/sha256/<first two hex digits>/<64 hex digits>`. */
export class DiskArtifacts implements ArtifactStore {
  readonly direct = undefined;

  constructor(private readonly directory: string) {}

  async put(source: Readable): Promise<StoredArtifact> {
    const incoming = join(this.directory, INCOMING, ownFolder(), randomUUID());
    await mkdir(dirname(incoming), { recursive: true });
    const upload = measured(sentByClient(source));
    try {
      await pipeline(upload.bytes, createWriteStream(incoming, { flags: 'wx', flush: true }));
      const stored = upload.result();
      const file = artifactFile(this.directory, stored.digest);
      await mkdir(dirname(file), { recursive: true });
      await rename(incoming, file);
      await syncDirectory(dirname(file));
      return stored;
    } catch (cause) {
      await rm(incoming, { force: true });
      // A quota of the user, too, is space that somebody has to make.
      throw codeOf(cause) === 'ENOSPC' || codeOf(cause) === 'EDQUOT' ? new StorageFull({ cause }) : cause;
    }
  }

  async open(digest: string, range?: ByteRange): Promise<OpenArtifact> {
    const handle = await open(artifactFile(this.directory, digest)).catch((cause: unknown) => {
      throw codeOf(cause) === 'ENOENT' ? new ArtifactMissing(digest, { cause }) : cause;
    });
    try {
      const { size: sizeBytes } = await handle.stat();
      return { sizeBytes, bytes: handle.createReadStream(range) };
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  async removeAbandoned(): Promise<void> {
    const incoming = join(this.directory, INCOMING);
    const entries = await readdir(incoming, { recursive: true, withFileTypes: true }).catch(unlessGone([]));
    for (const entry of entries.filter((one) => one.isFile())) {
      const file = join(entry.parentPath, entry.name);
      // Gone in between: its upload has ended.
      const written = await stat(file).catch(unlessGone(undefined));
      const folder = relative(incoming, entry.parentPath);
      if (written && isAbandoned(folder, written.mtimeMs, Date.now())) await rm(file, { force: true });
    }
  }
}

const unlessGone =
  <T>(otherwise: T) =>
  (error: unknown): T => {
    if (codeOf(error) === 'ENOENT') return otherwise;
    throw error;
  };

// After a power loss a renamed file without a synced directory can be gone, although its bytes were written.
const syncDirectory = async (directory: string): Promise<void> => {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};
