import { createPublicKey, hash, type KeyObject, sign, verify } from 'node:crypto';
import { fromBase64, toBase64 } from './hash.js';

/** A note, a key or a proof that must not be believed. The message says why. */
export class Refused extends Error {
  override readonly name = 'Refused';
}

/** What a key signs. @source C2SP signed-note, "Signature types"; tlog-cosignature */
const ED25519 = 1;
const COSIGNATURE = 4;
type Algorithm = typeof ED25519 | typeof COSIGNATURE;

const PUBLIC_KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const KEY_ID_BYTES = 4;
const TIMESTAMP_BYTES = 8;
/** Far more keys than a log and its witnesses have; a note of a stranger must not cost any amount of work. */
const MAX_SIGNATURES = 100;
const SIGNATURE_LINE = '— ';

/** A name that stands in signature lines: no space and no plus, which separate it from what follows. */
const isName = (name: string): boolean => /^[^\s+\p{Cc}]+$/u.test(name);

/** SubjectPublicKeyInfo of Ed25519 is these bytes and the key. @source RFC 8410, section 4 */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
const publicKeyOf = (raw: Uint8Array): KeyObject =>
  createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: 'der', type: 'spki' });
const rawKeyOf = (key: KeyObject): Buffer =>
  (key.type === 'private' ? createPublicKey(key) : key)
    .export({ format: 'der', type: 'spki' })
    .subarray(-PUBLIC_KEY_BYTES);

const keyIdOf = (name: string, algorithm: Algorithm, publicKey: Uint8Array): Buffer =>
  hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), Buffer.from([algorithm]), publicKey]), 'buffer').subarray(
    0,
    KEY_ID_BYTES,
  );

/** A line below a note: who signed, and the signature without the id of its key. */
export interface Signature {
  readonly name: string;
  readonly keyId: Buffer;
  readonly bytes: Buffer;
}

/** Checks the signatures of one key. */
export interface Verifier {
  readonly name: string;
  readonly keyId: Buffer;
  /** Whether it co-signs what a log has signed, with the moment; otherwise it signs for a log. */
  readonly isWitness: boolean;
  /** Whether the signature is this key's over the text. */
  verifies(text: string, signature: Uint8Array): boolean;
}

/** Makes the signature line of one key. */
export interface Signer {
  readonly name: string;
  /** The public half, as {@link parseVerifier} reads it. */
  readonly verifierKey: string;
  sign(text: string): Signature;
}

const verifierKeyOf = (name: string, algorithm: Algorithm, publicKey: Uint8Array): string =>
  `${name}+${keyIdOf(name, algorithm, publicKey).toString('hex')}+${toBase64(Buffer.concat([Buffer.from([algorithm]), publicKey]))}`;

/** The public key of a log, as text. @param key Ed25519, public or private. @source C2SP signed-note, "Verifier keys" */
export const verifierKey = (name: string, key: KeyObject): string => verifierKeyOf(name, ED25519, rawKeyOf(key));

const signerOf = (
  name: string,
  key: KeyObject,
  algorithm: Algorithm,
  signatureOf: (text: string) => Uint8Array,
): Signer => {
  if (!isName(name)) throw new Refused(`"${name}" is no name for a key: it must not be empty, nor hold space or "+"`);
  const publicKey = rawKeyOf(key);
  const keyId = keyIdOf(name, algorithm, publicKey);
  return {
    name,
    verifierKey: verifierKeyOf(name, algorithm, publicKey),
    sign: (text) => ({ name, keyId, bytes: Buffer.from(signatureOf(text)) }),
  };
};

/** Signs notes for a log. @param key Ed25519, private. @source C2SP signed-note, type 0x01 */
export const logSigner = (name: string, key: KeyObject): Signer =>
  signerOf(name, key, ED25519, (text) => sign(null, Buffer.from(text), key));

/** @source C2SP tlog-cosignature, "Format" */
const cosignedText = (text: string, unixS: bigint): Buffer =>
  Buffer.from(`cosignature/v1\ntime ${unixS.toString()}\n${text}`);

/**
 * Signs a checkpoint for a witness, with the moment at which it was seen. The message does not hold the witness' name, so
 * a key serves one witness only.
 *
 * @param key Ed25519, private.
 * @source C2SP tlog-cosignature, type 0x04
 */
export const witnessSigner = (name: string, key: KeyObject, unixS: number): Signer =>
  signerOf(name, key, COSIGNATURE, (text) => {
    const time = Buffer.alloc(TIMESTAMP_BYTES);
    time.writeBigUInt64BE(BigInt(unixS));
    return Buffer.concat([time, sign(null, cosignedText(text, BigInt(unixS)), key)]);
  });

/**
 * Reads `<name>+<key id>+<base64 of type and key>`.
 *
 * @throws Refused if it is none, or its id is not the one of its key.
 * @source C2SP signed-note, "Verifier keys"
 */
export const parseVerifier = (text: string): Verifier => {
  const [, name = '', id = '', encoded = ''] = /^([^+]*)\+([0-9a-f]{8})\+(.*)$/.exec(text) ?? [];
  const material = fromBase64(encoded, 1 + PUBLIC_KEY_BYTES);
  const algorithm = material?.[0];
  if (!isName(name) || material === undefined || (algorithm !== ED25519 && algorithm !== COSIGNATURE)) {
    throw new Refused(`"${text}" is no key of an Ed25519 log or witness: name+id+base64 is needed`);
  }
  const raw = material.subarray(1);
  const keyId = keyIdOf(name, algorithm, raw);
  if (keyId.toString('hex') !== id) throw new Refused(`the id of the key "${text}" should be ${keyId.toString('hex')}`);
  const key = publicKeyOf(raw);
  const verifies =
    algorithm === ED25519
      ? (signed: string, signature: Uint8Array) =>
          signature.length === SIGNATURE_BYTES && verify(null, Buffer.from(signed), key, signature)
      : (signed: string, signature: Uint8Array) => {
          if (signature.length !== TIMESTAMP_BYTES + SIGNATURE_BYTES) return false;
          const unixS = Buffer.from(signature).readBigUInt64BE();
          return verify(null, cosignedText(signed, unixS), key, signature.subarray(TIMESTAMP_BYTES));
        };
  return { name, keyId, isWitness: algorithm === COSIGNATURE, verifies };
};

/** {@link parseVerifier} for the key of a witness. @throws Refused for the key of a log too, whose own signature shows nothing more */
export const parseWitnessKey = (text: string): Verifier => {
  const verifier = parseVerifier(text);
  if (!verifier.isWitness) throw new Refused(`"${text}" is the key of a log, not of a witness`);
  return verifier;
};

/** The moment of a witness' signature. @returns seconds since 1970 */
export const cosignedAtS = ({ bytes }: Signature): bigint => bytes.readBigUInt64BE();

/** A signature as it stands below a note, with its newline. */
export const formatSignature = ({ name, keyId, bytes }: Signature): string =>
  `${SIGNATURE_LINE}${name} ${toBase64(Buffer.concat([keyId, bytes]))}\n`;

/** A note: the text, an empty line, a line per signature. @param text ends with a newline */
export const formatNote = (text: string, signatures: readonly Signature[]): string =>
  `${text}\n${signatures.map(formatSignature).join('')}`;

/** A note whose signatures were read and not checked yet. */
export interface Note {
  readonly text: string;
  readonly signatures: readonly Signature[];
}

/**
 * Takes a note apart.
 *
 * @throws Refused if it is none.
 * @source C2SP signed-note, "Format"
 */
export const parseNote = (note: string): Note => {
  // The last empty line separates: the text may hold empty lines of its own.
  const split = note.lastIndexOf('\n\n');
  const text = note.slice(0, split + 1);
  const lines = note.slice(split + 2).split('\n');
  if (split < 0 || lines.pop() !== '' || lines.length === 0 || /[^\P{Cc}\n]/u.test(note) || !note.isWellFormed()) {
    throw new Refused('a signed note is text, an empty line and lines of signatures, each ended by a newline');
  }
  if (lines.length > MAX_SIGNATURES) throw new Refused(`a note has at most ${MAX_SIGNATURES} signatures`);
  return {
    text,
    signatures: lines.map((line) => {
      const [, name = '', encoded = ''] = /^— (\S+) (\S+)$/.exec(line) ?? [];
      const bytes = fromBase64(encoded);
      if (!isName(name) || bytes === undefined || bytes.length <= KEY_ID_BYTES) {
        throw new Refused(`"${line}" is no signature line: "— name base64" is needed`);
      }
      return { name, keyId: bytes.subarray(0, KEY_ID_BYTES), bytes: bytes.subarray(KEY_ID_BYTES) };
    }),
  };
};

/**
 * Reads a note and checks the signatures of the keys that are known. Lines of unknown keys are passed over: so keys are
 * rotated and witnesses added.
 *
 * @returns the text, and the signatures that verify: at least one.
 * @throws Refused if it is no note, a known key's line does not verify, or no known key has signed.
 * @source C2SP signed-note, "Verification"
 */
export const openNote = (note: string, known: readonly Verifier[]): Note => {
  const { text, signatures } = parseNote(note);
  const verified = signatures.filter((signature) => {
    const key = known.find(({ name, keyId }) => name === signature.name && keyId.equals(signature.keyId));
    if (!key) return false;
    if (key.verifies(text, signature.bytes)) return true;
    throw new Refused(`the signature of ${key.name} does not belong to this text`);
  });
  if (verified.length === 0) {
    throw new Refused(`no known key has signed: known are ${known.map(({ name }) => name).join(', ') || 'none'}`);
  }
  return { text, signatures: verified };
};
