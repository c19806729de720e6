import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

/** AES-256. */
export const KEY_BYTES = 32;
/** @source NIST SP 800-38D, section 8.2.2: 96 bits from a generator, at most 2^32 texts per key. */
export const IV_BYTES = 12;
const TAG_BYTES = 16;

export interface Ciphertext {
  readonly iv: Buffer;
  /** Ciphertext, then the tag of 16 bytes. */
  readonly ct: Buffer;
}

/** AES-256-GCM under a fresh IV. @param aad what the text belongs to: it opens nowhere else. */
export const encrypt = (key: Uint8Array, aad: string, text: Uint8Array): Ciphertext => {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(aad));
  return { iv, ct: Buffer.concat([cipher.update(text), cipher.final(), cipher.getAuthTag()]) };
};

/** @throws Error if key, place or text are not those of {@link encrypt}. */
export const decrypt = (key: Uint8Array, aad: string, { iv, ct }: Ciphertext): Buffer => {
  const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES })
    .setAAD(Buffer.from(aad))
    .setAuthTag(ct.subarray(-TAG_BYTES));
  return Buffer.concat([decipher.update(ct.subarray(0, -TAG_BYTES)), decipher.final()]);
};
