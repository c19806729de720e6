import { randomBytes } from 'node:crypto';
import { link, readFile, unlink, writeFile } from 'node:fs/promises';

/** 256 bits, as every key here. */
const SECRET_BYTES = 32;

/** A new password of letters, digits, `-` and `_`, so that it fits into a URL as it is. */
export const newSecret = (): string => randomBytes(SECRET_BYTES).toString('base64url');

/**
 * The secret in `file`, made on first use with mode 0600. The file appears with its whole content or not at all, also when
 * two processes make it at once: then both get the same.
 */
export const readOrCreateSecret = async (file: string): Promise<string> => {
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  await writeFile(draft, newSecret(), { mode: 0o600, flag: 'wx' });
  try {
    await link(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await unlink(draft);
  }
  return (await readFile(file, 'utf8')).trim();
};
