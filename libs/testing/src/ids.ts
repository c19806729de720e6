import { randomBytes } from 'node:crypto';

let counter = 0;

/**
 * A UUIDv7 of now: 48 bits of milliseconds, 12 bits that count up within this process, 62 random bits.
 * @source RFC 9562, sections 5.7 and 6.2 (method 1)
 */
export const uuidv7 = (): string => {
  counter = (counter + 1) & 0xfff;
  const time = Date.now().toString(16).padStart(12, '0');
  const random = randomBytes(8);
  random.writeUInt8((random.readUInt8(0) & 0x3f) | 0x80, 0); // variant 10
  const tail = random.toString('hex');
  const count = counter.toString(16).padStart(3, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${count}-${tail.slice(0, 4)}-${tail.slice(4)}`;
};
