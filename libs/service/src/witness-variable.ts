import { parseWitnessKey, Refused, type Verifier } from '@kontor/transparency-log';
import { z } from 'zod';

/** A witness, and where it listens. */
export interface WitnessAddress {
  readonly verifier: Verifier;
  readonly url: string;
}

const EXAMPLE =
  'must be a key, as kontor-witness prints it, a blank and an address, such as "witness.example/w1+1a2b3c4d+AQ… https://witness.example"';

/** `<verifier key> <url>`, as Go's GOSUMDB names a log: an address without its key proves nothing. */
export const witnessVariable = z
  .string()
  .transform((text, context): WitnessAddress => {
    const [key = '', url = '', ...others] = text.split(' ');
    try {
      if (others.length === 0 && /^https?:$/.test(new URL(url).protocol))
        return { verifier: parseWitnessKey(key), url };
    } catch (error) {
      if (!(error instanceof Refused || error instanceof TypeError)) throw error;
    }
    context.addIssue({ code: 'custom', message: EXAMPLE });
    return z.NEVER;
  })
  .optional();
