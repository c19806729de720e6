import { type Checkpoint, parseCheckpoint } from './checkpoint.js';
import { openNote, parseNote, parseVerifier, Refused, type Signature, type Verifier } from './note.js';

/**
 * A key of a log, and the sizes of the checkpoints for which it counts: a log changes its key, and whoever steals an old
 * one must not sign new sizes with it. Its name is the origin of the log.
 */
export interface LogKey {
  readonly verifier: Verifier;
  /** Smallest size, inclusive. */
  readonly from: number;
  /** Largest size, inclusive; Infinity for a key that is in use. */
  readonly until: number;
}

/** A line of a list of keys: `<verifier key>`, or `<verifier key> <from>..<until>` with an end that may be open. */
export const formatLogKey = (verifierKey: string, { from, until }: Omit<LogKey, 'verifier'>): string =>
  from === 0 && until === Infinity ? verifierKey : `${verifierKey} ${from}..${until === Infinity ? '' : until}`;

/**
 * Reads a list of keys, one a line.
 *
 * @throws Refused if a line is none, or that of a witness, or its range is empty
 */
export const parseLogKeys = (text: string): readonly LogKey[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [, key = '', from = '0', until = ''] = /^(\S+)(?: (\d{1,15})\.\.(\d{1,15})?)?$/.exec(line) ?? [];
      const parsed = {
        verifier: parseVerifier(key === '' ? line : key),
        from: Number(from),
        until: until === '' ? Infinity : Number(until),
      };
      if (parsed.verifier.isWitness) throw new Refused(`"${key}" is the key of a witness, not of a log`);
      if (parsed.from > parsed.until) throw new Refused(`"${line}" counts for no size: ${from} is above ${until}`);
      return parsed;
    });

/** A checkpoint that its log has signed. */
export interface SignedCheckpoint {
  readonly checkpoint: Checkpoint;
  /** Of known keys; at least one of the log. */
  readonly signatures: readonly Signature[];
}

const signedWith = ({ name, keyId }: Signature, verifier: Verifier): boolean =>
  name === verifier.name && keyId.equals(verifier.keyId);

const isGood = (note: string, verifier: Verifier): boolean => {
  const { text, signatures } = parseNote(note);
  return signatures.some((signature) => signedWith(signature, verifier) && verifier.verifies(text, signature.bytes));
};

/**
 * Reads a checkpoint that a key of its log has signed which counts for its size. A key out of its range is passed over,
 * as an unknown one is.
 *
 * @throws Refused if no such key has signed, or a line of one, or of a given witness, does not verify
 * @source C2SP tlog-checkpoint; signed-note, "Verification"
 */
export const openCheckpoint = (
  note: string,
  keys: readonly LogKey[],
  witnesses: readonly Verifier[] = [],
): SignedCheckpoint => {
  const checkpoint = parseCheckpoint(parseNote(note).text);
  const { origin, size } = checkpoint;
  const ofLog = keys.filter(({ verifier }) => verifier.name === origin);
  if (ofLog.length === 0) throw new Refused(`it is of the log ${origin}, of which no key is known`);
  const counting = ofLog.filter(({ from, until }) => from <= size && size <= until);
  const isSigned = counting.some(({ verifier }) => parseNote(note).signatures.some((one) => signedWith(one, verifier)));
  const retired = isSigned ? undefined : ofLog.find(({ verifier }) => isGood(note, verifier));
  if (retired) {
    const { verifier, from, until } = retired;
    const range = until === Infinity ? `from size ${from} on` : `for the sizes ${from} to ${until}`;
    throw new Refused(
      `its ${size} events are signed by key ${verifier.keyId.toString('hex')} of ${origin} alone, which counts ${range}`,
    );
  }
  if (!isSigned) throw new Refused(`no known key of ${origin} has signed it`);
  return {
    checkpoint,
    signatures: openNote(note, [...counting.map(({ verifier }) => verifier), ...witnesses]).signatures,
  };
};

/** Whether a key is among those that have signed. */
export const hasSigned = ({ signatures }: Pick<SignedCheckpoint, 'signatures'>, verifier: Verifier): boolean =>
  signatures.some((signature) => signedWith(signature, verifier));
