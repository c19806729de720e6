import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  ensureKeyEncryptionKey,
  ensureKeyPair,
  KEY_ENCRYPTION_KEY,
  LOG_KEY,
  NEXT_LOG_KEY,
  TOKEN_ISSUER,
} from '@kontor/service/process';
import type { AppName } from './app-process.js';

/** Who signs: every process that sends commands, `kontor token` for people, and the sealer for the log. */
const ISSUERS = [
  'registry',
  'deployment',
  'monitoring',
  'governance',
  'gateway',
  'serving',
  TOKEN_ISSUER,
  LOG_KEY,
] as const;

/**
 * Makes the Ed25519 key pairs and the key-encryption key that do not exist yet. The public half is derived again each time,
 * so that an interrupted start is repaired.
 */
export const prepareKeys = async (keysDir: string): Promise<void> => {
  for (const issuer of ISSUERS) await ensureKeyPair(keysDir, issuer);
  await ensureKeyEncryptionKey(keysDir);
};

/** The services seal the log; one of them leads. Serving reads no personal data. */
const secretsOf = (app: AppName, keysDir: string): readonly string[] => {
  if (app === 'serving') return ['serving.pem'];
  if (app === 'gateway') return ['gateway.pem', KEY_ENCRYPTION_KEY];
  const isChanging = existsSync(join(keysDir, `${NEXT_LOG_KEY}.pem`));
  return [`${app}.pem`, KEY_ENCRYPTION_KEY, `${LOG_KEY}.pem`, ...(isChanging ? [`${NEXT_LOG_KEY}.pem`] : [])];
};

/**
 * Fills `folder` anew with the keys of one app, out of a prepared `keysDir`: its own private key (a service has the log's
 * too), the key-encryption key where it reads personal data, and everybody's public half. The other private keys and the
 * secret that the database's passwords follow from are not there. This keeps them out of what an app opens; against code that runs as the same user, only another user helps.
 */
export const giveKeys = async (keysDir: string, folder: string, app: AppName): Promise<void> => {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  // The folder stays and its files are new: so its owner can start again after root has started on the same data.
  for (const file of await readdir(folder)) await rm(join(folder, file));
  const files = [...secretsOf(app, keysDir), ...ISSUERS.map((name) => `${name}.pub.pem`)];
  for (const file of files) await copyFile(join(keysDir, file), join(folder, file));
};
