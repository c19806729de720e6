import { EventStoreError } from '@kontor/event-sourcing';
import {
  type AddCheckpoint,
  openNote,
  parseNote,
  proveConsistency,
  Refused,
  tilesForConsistency,
  type Verifier,
} from '@kontor/transparency-log';
import type pg from 'pg';
import { leadUntilAborted } from '../leader.js';
import { pause } from '../pause.js';
import type { Anchors } from './anchors.js';
import { readSeal, readTiles, saveCosignature, type Seal } from './seal-store.js';

/** As often as the sealer signs. */
const COSIGN_INTERVAL_MS = 1_000;

/** What a witness answers: the lines of its signature, or the size of the checkpoint that it has co-signed last. */
export type WitnessAnswer = { readonly signature: string } | { readonly rememberedSize: number };

/** The witness does not believe the log. Somebody has to find out which of the two is wrong. */
export class WitnessRefused extends EventStoreError {
  readonly retryable = false;
}

export interface CosignerOptions {
  readonly pool: pg.Pool;
  /** Sends a request. @throws WitnessRefused, or any other error if the witness does not answer now */
  readonly ask: (request: AddCheckpoint) => Promise<WitnessAnswer>;
  /** The key of the witness: what it answers is checked before it is kept. */
  readonly witness: Verifier;
  /** Where each checkpoint is kept beside the database; nowhere by default. */
  readonly anchors?: Anchors | undefined;
  readonly signal: AbortSignal;
  /** Called when the witness or PostgreSQL failed, before the next try. */
  readonly onRetry?: (error: unknown, delayMs: number) => void;
}

/**
 * Has the newest checkpoint co-signed by a witness, each second in which there is a new one, until the signal aborts. A
 * witness that is away stops nothing: the log goes on, and the next checkpoint that it co-signs covers all before.
 *
 * @throws WitnessRefused if the witness has co-signed another history. Nothing is co-signed then.
 */
export const runCosigner = ({ pool, ask, witness, anchors, signal, onRetry }: CosignerOptions): Promise<void> =>
  leadUntilAborted(
    { pool, lock: 'kontor.cosigner', applicationName: 'kontor-cosigner', signal, onRetry },
    async (leading, onProgress) => {
      let cosigned = 0;
      while (!leading.aborted) {
        const seal = await readSeal(pool);
        if (seal && seal.size > cosigned && isCosigned(seal, witness)) cosigned = seal.size;
        if (seal && seal.size > cosigned) {
          const signature = await cosign({ pool, ask, witness }, seal, cosigned);
          await saveCosignature(pool, seal.size, seal.note + signature);
          anchors?.keep({ size: seal.size, note: seal.note + signature });
          cosigned = seal.size;
          onProgress();
        }
        await pause(COSIGN_INTERVAL_MS, leading);
      }
    },
  );

/** Whether a witness has signed below a checkpoint. */
export const isCosigned = ({ note }: Pick<Seal, 'note'>, { name, keyId }: Verifier): boolean =>
  parseNote(note).signatures.some((signature) => signature.name === name && keyId.equals(signature.keyId));

type Parties = Pick<CosignerOptions, 'pool' | 'ask' | 'witness'>;

const cosign = async (parties: Parties, seal: Seal, from: number): Promise<string> => {
  const answer = await askFrom(parties, seal, from);
  if ('signature' in answer) return verified(answer.signature, seal, parties.witness);
  const { rememberedSize } = answer;
  if (rememberedSize > seal.size) {
    throw new WitnessRefused(
      `${parties.witness.name} has co-signed ${rememberedSize} events, the log has sealed ${seal.size}`,
    );
  }
  const again = await askFrom(parties, seal, rememberedSize);
  if ('signature' in again) return verified(again.signature, seal, parties.witness);
  throw new Error(`${parties.witness.name} co-signed ${again.rememberedSize} events for somebody else meanwhile`);
};

const askFrom = async ({ pool, ask }: Parties, { size, note }: Seal, oldSize: number): Promise<WitnessAnswer> => {
  const isFirst = oldSize === 0;
  const proof = isFirst
    ? []
    : proveConsistency(oldSize, size, await readTiles(pool, tilesForConsistency(oldSize, size)));
  return ask({ oldSize, proof, checkpoint: note });
};

const verified = (signature: string, { note }: Seal, witness: Verifier): string => {
  try {
    openNote(note + signature, [witness]);
    return signature;
  } catch (error) {
    if (error instanceof Refused)
      throw new Error(`${witness.name} answered without its signature: ${error.message}`, { cause: error });
    throw error;
  }
};
