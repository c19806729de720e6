import { randomFillSync } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';

const ID_BYTES = 16;

// Chance in blocks: a call of the system per id is a twentieth of a one-row request.
const chance = new Uint8Array(256 * ID_BYTES);
let used = chance.length;

/** A new UUIDv7. Two of the same millisecond are in no order. */
export const newPredictionId = (): string => {
  if (used === chance.length) {
    randomFillSync(chance);
    used = 0;
  }
  return uuidv7({ random: chance.subarray(used, (used += ID_BYTES)) });
};
