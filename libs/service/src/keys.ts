import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  randomUUID,
} from 'node:crypto';
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The key pair that signs checkpoints of the log. */
export const LOG_KEY = 'log';
/** While the key of the log is changed: the one that follows. Checkpoints are signed with both. */
export const NEXT_LOG_KEY = 'log-next';

/** The private key of an issuer. @throws if the file is missing. */
export const loadPrivateKey = async (directory: string, name: string): Promise<KeyObject> =>
  createPrivateKey(await readFile(join(directory, `${name}.pem`)));

/** The keys that sign checkpoints now: the log's, and the next one while it is changed. @throws if the log's is missing */
export const loadLogKeys = async (directory: string): Promise<readonly [KeyObject, ...KeyObject[]]> => {
  const key = await loadPrivateKey(directory, LOG_KEY);
  try {
    return [key, await loadPrivateKey(directory, NEXT_LOG_KEY)];
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [key];
    throw error;
  }
};

/** The public key of an issuer. @throws if the file is missing. */
export const loadPublicKey = async (directory: string, name: string): Promise<KeyObject> =>
  createPublicKey(await readFile(join(directory, `${name}.pub.pem`)));

/** Makes a file of mode 0600 unless it exists. Safe when several processes do it at once: one content wins. */
const ensureSecretFile = async (directory: string, name: string, content: string | Uint8Array): Promise<void> => {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const file = join(directory, name);
  const fresh = `${file}.${randomUUID()}`;
  await writeFile(fresh, content, { mode: 0o600 });
  try {
    // A link fails where a file exists, and never shows a half-written one.
    await link(fresh, file);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  } finally {
    await rm(fresh, { force: true });
  }
};

/**
 * Makes `<directory>/<name>.pem` (Ed25519, mode 0600) unless it exists, and its public half beside it. Safe when several
 * processes do it at once: one key wins and the public file follows from it.
 */
export const ensureKeyPair = async (directory: string, name: string): Promise<void> => {
  const { privateKey } = generateKeyPairSync('ed25519');
  await ensureSecretFile(directory, `${name}.pem`, privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const publicKey = createPublicKey(await loadPrivateKey(directory, name));
  const freshPublic = join(directory, `${name}.pub.pem.${randomUUID()}`);
  await writeFile(freshPublic, publicKey.export({ type: 'spki', format: 'pem' }));
  await rename(freshPublic, join(directory, `${name}.pub.pem`));
};

/** The file of the key-encryption key: it wraps the data keys of persons, and is never in a database. */
export const KEY_ENCRYPTION_KEY = 'personal-data.kek';
/** AES-256. */
const KEK_BYTES = 32;

/** The key-encryption key in a directory, made on first use. @throws Error if the file holds something else. */
export const ensureKeyEncryptionKey = async (directory: string): Promise<Uint8Array> => {
  await ensureSecretFile(directory, KEY_ENCRYPTION_KEY, randomBytes(KEK_BYTES));
  const key = await readFile(join(directory, KEY_ENCRYPTION_KEY));
  if (key.length !== KEK_BYTES)
    throw new Error(`${KEY_ENCRYPTION_KEY} must hold ${KEK_BYTES} bytes, it has ${key.length}`);
  return key;
};
