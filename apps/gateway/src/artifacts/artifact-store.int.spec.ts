import { mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ArtifactStore, UploadAborted } from './artifact-store.js';

describe('the artifact store', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kontor-artifacts-'));
  });
  afterEach(() => rm(dir, { recursive: true }));

  it('stores bytes under their SHA-256', async () => {
    const stored = await new ArtifactStore(dir).put(Readable.from([Buffer.from('a'), Buffer.from('bc')]));
    // @source FIPS 180-4: the digest of "abc"
    expect(stored).toEqual({
      digest: 'sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
      sizeBytes: 3,
    });
  });

  it('blames the client for an upload that breaks off, and keeps nothing of it', async () => {
    const broken = Readable.from(
      (async function* () {
        yield Buffer.from('half');
        throw new Error('aborted');
      })(),
    );
    await expect(new ArtifactStore(dir).put(broken)).rejects.toThrow(UploadAborted);
    expect(await readdir(join(dir, 'incoming'))).toEqual([]);
  });

  it('does not blame the client for a disk that takes no file', async () => {
    // No file can be created there, by nobody.
    await symlink('/dev/fd', join(dir, 'incoming'));
    const error: unknown = await new ArtifactStore(dir).put(Readable.from([Buffer.from('a')])).catch((e: unknown) => e);
    expect(error).toMatchObject({ syscall: 'open' });
    expect(error).not.toBeInstanceOf(UploadAborted);
  });
});
