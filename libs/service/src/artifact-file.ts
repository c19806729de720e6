import { join } from 'node:path';

/**
 * Where the bytes with this digest lie: `<directory>/sha256/<first two hex digits>/<64 hex digits>`.
 *
 * @throws Error for anything but `sha256:` and 64 hex digits, so that no caller's text becomes a path.
 */
export const artifactFile = (directory: string, digest: string): string => {
  const hex = /^sha256:([0-9a-f]{64})$/.exec(digest)?.[1];
  if (hex === undefined) throw new Error(`not a digest: ${JSON.stringify(digest)}`);
  return join(directory, 'sha256', hex.slice(0, 2), hex);
};
