import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rename, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Who signs: every process that sends commands, and `kontor token` for people. */
const ISSUERS = ['registry', 'deployment', 'monitoring', 'governance', 'gateway', 'serving', 'token'] as const;

/** A private key that exists is never replaced; of two processes that make one at once, the first one's stays. */
const ensurePrivateKey = async (file: string): Promise<string> => {
  const { privateKey } = generateKeyPairSync('ed25519');
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  await writeFile(draft, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flag: 'wx' });
  try {
    await link(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await unlink(draft);
  }
  return readFile(file, 'utf8');
};

/**
 * Makes the Ed25519 key pairs that do not exist yet: `<issuer>.pem` (PKCS #8, mode 0600) and `<issuer>.pub.pem` (SPKI). The
 * public half is derived again each time, so that an interrupted start is repaired.
 */
export const prepareKeys = async (keysDir: string): Promise<void> => {
  await mkdir(keysDir, { recursive: true, mode: 0o700 });
  for (const issuer of ISSUERS) {
    const pem = await ensurePrivateKey(join(keysDir, `${issuer}.pem`));
    const file = join(keysDir, `${issuer}.pub.pem`);
    const draft = `${file}.${randomBytes(6).toString('hex')}`;
    await writeFile(draft, createPublicKey(createPrivateKey(pem)).export({ type: 'spki', format: 'pem' }));
    await rename(draft, file);
  }
};
