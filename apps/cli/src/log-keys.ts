import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadPublicKey, LOG_KEY, NEXT_LOG_KEY } from '@kontor/service/process';
import { verifierKey } from '@kontor/transparency-log';
import { usableKey } from './usable-key.js';

const LIST = 'log.keys';

const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT';

/**
 * The keys of the log in the form that the verifier reads, one a line with the sizes for which it counts. The list is a
 * file once a key was changed or an epoch has begun; before, it is the one key.
 *
 * @param origin of the first epoch
 * @throws CommandFailed if there is none yet
 */
export const listedKeys = async (keysDir: string, origin: string): Promise<readonly string[]> => {
  try {
    return (await readFile(join(keysDir, LIST), 'utf8')).trimEnd().split('\n');
  } catch (error) {
    if (!isMissing(error)) throw error;
    const path = join(keysDir, `${LOG_KEY}.pub.pem`);
    return [verifierKey(origin, await usableKey(path, loadPublicKey(keysDir, LOG_KEY)))];
  }
};

/** The list that is to be from now on; whole or not at all. */
export const writeListedKeys = async (keysDir: string, lines: readonly string[]): Promise<void> => {
  const path = join(keysDir, LIST);
  await writeFile(`${path}.new`, `${lines.join('\n')}\n`, { flush: true });
  await rename(`${path}.new`, path);
};

/** The verifier key in the last line: the one that is in use, under the origin of the current epoch. */
export const keyInUse = (lines: readonly string[]): { readonly key: string; readonly origin: string } => {
  const [key = ''] = lines.at(-1)?.split(' ') ?? [];
  return { key, origin: key.split('+')[0] ?? '' };
};

/** The next key, while the key is changed. */
export const nextKey = async (keysDir: string, origin: string): Promise<string | undefined> => {
  try {
    return verifierKey(origin, await loadPublicKey(keysDir, NEXT_LOG_KEY));
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
};

/** All keys that a verifier needs today, a line each. */
export const publicKeys = async (keysDir: string, firstOrigin: string): Promise<string> => {
  const lines = await listedKeys(keysDir, firstOrigin);
  const next = await nextKey(keysDir, keyInUse(lines).origin);
  return [...lines, ...(next === undefined || lines.some((line) => line.startsWith(next)) ? [] : [next])]
    .map((line) => `${line}\n`)
    .join('');
};
