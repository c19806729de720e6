// SHA-256 as a pure function: the rules decide digests and derived ids themselves, without a library of the machine.

const firstBitsOfRoots = (power: number, count: number): readonly number[] => {
  const words: number[] = [];
  for (let n = 2; words.length < count; n += 1) {
    let isPrime = true;
    for (let d = 2; d * d <= n; d += 1) if (n % d === 0) isPrime = false;
    if (isPrime) words.push(((n ** power % 1) * 2 ** 32) >>> 0);
  }
  return words;
};

const ROUND_WORDS = firstBitsOfRoots(1 / 3, 64);
const INITIAL_HASH = firstBitsOfRoots(1 / 2, 8);

const rotate = (word: number, by: number): number => (word >>> by) | (word << (32 - by));

const compress = (hash: readonly number[], block: DataView, offset: number): readonly number[] => {
  const w: number[] = [];
  const at = (i: number): number => w[i] ?? 0;
  let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = hash;
  for (let i = 0; i < 64; i += 1) {
    if (i < 16) w.push(block.getUint32(offset + 4 * i));
    else {
      const [x, y] = [at(i - 15), at(i - 2)];
      const s0 = rotate(x, 7) ^ rotate(x, 18) ^ (x >>> 3);
      const s1 = rotate(y, 17) ^ rotate(y, 19) ^ (y >>> 10);
      w.push((at(i - 16) + s0 + at(i - 7) + s1) | 0);
    }
    const big1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const t1 = (h + big1 + ((e & f) ^ (~e & g)) + (ROUND_WORDS[i] ?? 0) + at(i)) | 0;
    const big0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    const t2 = (big0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + t1) | 0, c, b, a, (t1 + t2) | 0];
  }
  return [a, b, c, d, e, f, g, h].map((word, i) => (word + (hash[i] ?? 0)) | 0);
};

/**
 * SHA-256 of the UTF-8 bytes of a text.
 *
 * @returns 64 lower-case hex digits.
 * @source FIPS 180-4, section 6.2. Oracle in the spec: the machine's own implementation.
 */
export const sha256Hex = (text: string): string => {
  const bytes = new TextEncoder().encode(text);
  const padded = new Uint8Array(Math.ceil((bytes.length + 9) / 64) * 64);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const block = new DataView(padded.buffer);
  block.setBigUint64(padded.length - 8, BigInt(bytes.length) * 8n);
  let hash = INITIAL_HASH;
  for (let offset = 0; offset < padded.length; offset += 64) hash = compress(hash, block, offset);
  return hash.map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
};

/**
 * The canonical JSON of plain data: no spaces, keys in the order of their UTF-16 code units.
 *
 * @source RFC 8785; numbers and strings are written as ECMAScript does.
 */
export const canonicalJson = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item)).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  members.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`).join(',')}}`;
};

/** `sha256:` and the SHA-256 of the canonical JSON. */
export const digestOf = (value: unknown): string => `sha256:${sha256Hex(canonicalJson(value))}`;

/**
 * An id that follows from a text: the same text, the same id.
 *
 * @source RFC 9562, section 5.8: UUID version 8, whose content is free.
 */
export const derivedUuid = (text: string): string => {
  const hex = sha256Hex(text);
  const variant = ((parseInt(hex.slice(16, 17), 16) & 0x3) | 0x8).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-');
};
