import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { formatCheckpoint, parseCheckpoint } from './checkpoint.js';
import { EMPTY_ROOT, leafHash, toBase64 } from './hash.js';
import { parseLogKeys } from './log-key.js';
import { formatNote, logSigner, openNote, parseVerifier, parseWitnessKey, witnessSigner } from './note.js';
import { formatTlogProof, parseTlogProof } from './tlog-proof.js';

const newKey = () => generateKeyPairSync('ed25519').privateKey;
const log = logSigner('log.example', newKey());
const witness = witnessSigner('witness.example', newKey(), 1_700_000_000);
const stranger = logSigner('log.example', newKey());
const text = formatCheckpoint({ origin: 'log.example', size: 7, root: leafHash(Buffer.from('a')) });
const known = [parseVerifier(log.verifierKey), parseVerifier(witness.verifierKey)];

describe('openNote', () => {
  it('gives the signatures of known keys and passes over those of others, in any order', () => {
    const note = formatNote(text, [stranger.sign(text), witness.sign(text), log.sign(text)]);
    const { signatures } = openNote(note, known);
    expect(signatures.map(({ name }) => name)).toEqual(['witness.example', 'log.example']);
  });

  it('refuses a note that a known key did not sign, even beside a good line', () => {
    const other = formatNote(text, [log.sign(text), witness.sign(text.replace('7', '8'))]);
    expect(() => openNote(other, known)).toThrow('the signature of witness.example does not belong to this text');
    expect(() => openNote(formatNote(text, [stranger.sign(text)]), known)).toThrow('no known key has signed');
    expect(() => openNote(formatNote(text, [log.sign(text)]), [])).toThrow('known are none');
  });

  it('keeps empty lines of the text', () => {
    const long = 'a\n\nb\n';
    expect(openNote(formatNote(long, [log.sign(long)]), known).text).toBe(long);
  });

  const good = formatNote(text, [log.sign(text)]);
  it.each([
    ['without signatures', `${text}\n`],
    ['without an empty line', good.replace('\n\n', '\n')],
    ['without the last newline', good.slice(0, -1)],
    ['with another dash', good.replace('—', '-')],
    ['with a control character', good.replace('log', 'l\u0007og')],
    ['with a signature that is no base64', good.replace(/[A-Za-z0-9+/=]{20}\n$/, '!\n')],
    ['with unused bits in the base64', good.replace(/=\n$/, 'B\n')],
    ['with two spaces in the line', good.replace('— log.example ', '— log.example  ')],
    ['of too many signatures', `${text}\n${good.slice(good.indexOf('—')).repeat(101)}`],
    ['that is empty', ''],
  ])('refuses a note %s', (_, note) => {
    expect(() => openNote(note, known)).toThrow(expect.objectContaining({ name: 'Refused' }) as Error);
  });
});

describe('parseVerifier', () => {
  const [name = '', id = '', ...material] = log.verifierKey.split('+');
  it.each([
    ['', 'is no key'],
    [`${name}+${id}`, 'is no key'],
    [`${name} x+${id}+${material.join('+')}`, 'is no key'],
    [`other+${id}+${material.join('+')}`, 'should be'],
    [`${name}+${id}+${material.join('+').replace(/^A/, 'B')}`, 'is no key'],
  ])('refuses %s', (key, message) => {
    expect(() => parseVerifier(key)).toThrow(message);
  });

  it('tells a log key from a witness key of the same bytes', () => {
    const key = newKey();
    const [ofLog, ofWitness] = [logSigner('a', key).verifierKey, witnessSigner('a', key, 0).verifierKey];
    expect(ofLog).not.toBe(ofWitness);
    expect(() => parseWitnessKey(ofLog)).toThrow('is the key of a log, not of a witness');
    expect(() => parseLogKeys(ofWitness)).toThrow('is the key of a witness, not of a log');
  });
});

describe('a checkpoint', () => {
  it('reads what it writes, and passes over extension lines', () => {
    expect(parseCheckpoint(text)).toMatchObject({ origin: 'log.example', size: 7 });
    expect(parseCheckpoint(`${text}extension\n`).size).toBe(7);
  });

  const root = toBase64(EMPTY_ROOT);
  it.each([
    '',
    `log\n7\n${root}`,
    `\n7\n${root}\n`,
    `log\n07\n${root}\n`,
    `log\n-1\n${root}\n`,
    `log\n1e3\n${root}\n`,
    `log\n9007199254740992\n${root}\n`,
    `log\n7\n${root.slice(4)}\n`,
    `log\n7\n${root.replace('=', '')}\n`,
  ])('refuses %j', (wrong) => {
    expect(() => parseCheckpoint(wrong)).toThrow('origin, size and root');
  });
});

describe('a proof that travels', () => {
  const checkpoint = formatNote(text, [log.sign(text)]);
  const proof = { index: 3, hashes: [leafHash(Buffer.from('b')), leafHash(Buffer.from('c'))], checkpoint };

  it('reads what it writes, and passes over the extra line', () => {
    const written = formatTlogProof(proof);
    expect(parseTlogProof(written)).toEqual(proof);
    expect(parseTlogProof(written.replace('\nindex', '\nextra AAAA\nindex'))).toEqual(proof);
    expect(parseTlogProof(formatTlogProof({ ...proof, hashes: [] })).hashes).toEqual([]);
  });

  it.each([
    ['', 'begins with'],
    [formatTlogProof(proof).replace('v1', 'v2'), 'begins with'],
    [formatTlogProof(proof).replace('index 3', 'index 03'), 'line "index"'],
    [formatTlogProof(proof).replace('index 3', 'index 99999999999999999'), 'line "index"'],
    [formatTlogProof({ ...proof, hashes: Array<Uint8Array>(64).fill(EMPTY_ROOT) }), 'at most 63'],
    [formatTlogProof({ ...proof, hashes: [new Uint8Array(31)] }), 'no hash'],
  ])('is refused as %j', (wrong, message) => {
    expect(() => parseTlogProof(wrong)).toThrow(message);
  });
});
