import { join } from 'node:path';

/**
 * Where content lies below the root of its store: `sha256/<first two hex digits>/<64 hex digits>`.
 *
 * @throws Error for anything but `sha256:` and 64 hex digits, so that no caller's text becomes a path.
 */
export const artifactKey = (digest: string): string => {
  const hex = /^sha256:([0-9a-f]{64})$/.exec(digest)?.[1];
  if (hex === undefined) throw new Error(`not a digest: ${JSON.stringify(digest)}`);
  return `sha256/${hex.slice(0, 2)}/${hex}`;
};

/** The file with this content on disk. @throws Error for anything but a digest */
export const artifactFile = (directory: string, digest: string): string => join(directory, artifactKey(digest));
