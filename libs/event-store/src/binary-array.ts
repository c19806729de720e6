// PostgreSQL's binary form of one-dimensional arrays. `pg` would make text of them and run two regular expressions over each
// element, and the server would read that text sign by sign: together a tenth of the work for an append.
// @source PostgreSQL, src/backend/utils/adt/arrayfuncs.c, array_send; the oids are fixed in pg_type.dat.

const HEADER_BYTES = 20;
const LENGTH_BYTES = 4;
const NULL_LENGTH = -1;

const start = (oid: number, length: number, contentBytes: number, hasNull: boolean): Buffer => {
  const buffer = Buffer.allocUnsafe(HEADER_BYTES + contentBytes);
  buffer.writeInt32BE(1, 0); // dimensions
  buffer.writeInt32BE(hasNull ? 1 : 0, 4);
  buffer.writeInt32BE(oid, 8);
  buffer.writeInt32BE(length, 12);
  buffer.writeInt32BE(1, 16); // the first index
  return buffer;
};

/** Arrays whose elements have all the same number of bytes. */
const fixed =
  <T>(oid: number, bytes: number, write: (buffer: Buffer, value: T, offset: number) => void) =>
  (values: readonly (T | null)[]): Buffer => {
    const nulls = values.reduce((count, value) => (value === null ? count + 1 : count), 0);
    const contentBytes = values.length * LENGTH_BYTES + (values.length - nulls) * bytes;
    const buffer = start(oid, values.length, contentBytes, nulls > 0);
    let offset = HEADER_BYTES;
    for (const value of values) {
      buffer.writeInt32BE(value === null ? NULL_LENGTH : bytes, offset);
      offset += LENGTH_BYTES;
      if (value === null) continue;
      write(buffer, value, offset);
      offset += bytes;
    }
    return buffer;
  };

export const boolArray = fixed<boolean>(16, 1, (buffer, value, offset) => buffer.writeUInt8(value ? 1 : 0, offset));
export const int2Array = fixed<number>(21, 2, (buffer, value, offset) => buffer.writeInt16BE(value, offset));
export const int4Array = fixed<number>(23, 4, (buffer, value, offset) => buffer.writeInt32BE(value, offset));
export const int8Array = fixed<bigint>(20, 8, (buffer, value, offset) => buffer.writeBigInt64BE(value, offset));
/** Elements must be UUIDs in the usual form, checked before. */
export const uuidArray = fixed<string>(2950, 16, (buffer, value, offset) => {
  buffer.write(value.replaceAll('-', ''), offset, 'hex');
});

/** `text[]` of UTF-8; no element may hold NUL, which the server refuses. */
export const textArray = (values: readonly string[]): Buffer => {
  const sizes = values.map((value) => Buffer.byteLength(value));
  const contentBytes = sizes.reduce((sum, bytes) => sum + LENGTH_BYTES + bytes, 0);
  const buffer = start(25, values.length, contentBytes, false);
  let offset = HEADER_BYTES;
  values.forEach((value, index) => {
    offset = buffer.writeInt32BE(sizes[index] ?? 0, offset);
    offset += buffer.write(value, offset);
  });
  return buffer;
};

export const byteaArray = (values: readonly Uint8Array[]): Buffer => {
  const contentBytes = values.reduce((sum, { length }) => sum + LENGTH_BYTES + length, 0);
  const buffer = start(17, values.length, contentBytes, false);
  let offset = HEADER_BYTES;
  for (const value of values) {
    offset = buffer.writeInt32BE(value.length, offset);
    buffer.set(value, offset);
    offset += value.length;
  }
  return buffer;
};
