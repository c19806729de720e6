import { hash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { artifactFile } from '@kontor/service/process';
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
  const file = artifactFile(artifactsDir, digest);
  const { size } = await stat(file);
  if (size > MAX_ARTIFACT_BYTES)
    throw new ModelRefused(`${digest} has ${size} bytes; at most ${MAX_ARTIFACT_BYTES} are loaded`);
  const bytes = await readFile(file);
  const actual = `sha256:${hash('sha256', bytes, 'hex')}`;
  if (actual !== digest) throw new ModelRefused(`the file of ${digest} has the digest ${actual}`);
  return bytes;
};
