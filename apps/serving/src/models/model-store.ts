import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelRefused } from './runner.js';

/** A model is held in memory once per worker; a larger file is a mistake on a server of this kind. */
const MAX_ARTIFACT_BYTES = 512 * 1024 * 1024;

/**
 * Reads a content-addressed file and proves that it is the content. The bytes that were checked are the bytes that are
 * returned: nobody can change the file in between.
 *
 * @throws ModelRefused if the file is too large or is not what its digest says
 * @throws an error with a `code` of node:fs if it cannot be read (not there yet, no permission): worth another try
 */
export const readArtifact = async (artifactsDir: string, digest: string): Promise<Uint8Array> => {
  const hex = /^sha256:([0-9a-f]{64})$/.exec(digest)?.[1];
  if (hex === undefined) throw new ModelRefused(`${digest} is no SHA-256 digest`);
  const file = join(artifactsDir, 'sha256', hex.slice(0, 2), hex);
  const { size } = await stat(file);
  if (size > MAX_ARTIFACT_BYTES)
    throw new ModelRefused(`${digest} has ${size} bytes; at most ${MAX_ARTIFACT_BYTES} are loaded`);
  const bytes = await readFile(file);
  const actual = createHash('sha256').update(bytes).digest('hex');
  if (actual !== hex) throw new ModelRefused(`the file of ${digest} has the digest sha256:${actual}`);
  return bytes;
};
