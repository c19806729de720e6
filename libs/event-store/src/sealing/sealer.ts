import {
  equalHashes,
  formatCheckpoint,
  formatNote,
  partialTilesOf,
  type Signer,
  TileTree,
} from '@kontor/transparency-log';
import type pg from 'pg';
import { LogRewound } from '../errors.js';
import { leadUntilAborted } from '../leader.js';
import { HEAD_POLL_MS } from '../log-tail.js';
import { pause } from '../pause.js';
import { readHead } from '../read-all.js';
import { type Anchors, refuseRewound } from './anchors.js';
import { readLeaves, readSeal, readTiles, saveSeal } from './seal-store.js';

/** A position is proven when the next checkpoint covers it; a second is short for an auditor and rare for a disk. */
const SEAL_INTERVAL_MS = 1_000;
/** A burst is sealed in steps of this size, also within a second, so that its tiles are written as it goes. */
const MAX_SEAL_EVENTS = 4_096;

export interface SealerOptions {
  readonly pool: pg.Pool;
  /**
   * Each makes a line below every checkpoint; two while the key is changed, so that verifiers which know either believe it.
   * Their name is the origin of the log. The keys must not be where the database is.
   */
  readonly signers: readonly [Signer, ...Signer[]];
  /** Where each checkpoint is kept beside the database; nowhere by default. */
  readonly anchors?: Anchors | undefined;
  readonly signal: AbortSignal;
  /** Called when PostgreSQL failed, before the next try. */
  readonly onRetry?: (error: unknown, delayMs: number) => void;
}

/**
 * Extends the tree over the log, and signs a checkpoint each second in which something was appended, or every 4,096
 * events, until the signal aborts. One sealer works at a time; two of them do no harm, because both sign prefixes of one
 * log, and the second to save one is told so.
 *
 * @throws LogRewound if the log or its tiles are no longer those that were signed. Nothing is signed then.
 */
export const runSealer = ({ pool, signers, anchors, signal, onRetry }: SealerOptions): Promise<void> =>
  leadUntilAborted(
    {
      pool,
      lock: 'kontor.sealer',
      applicationName: 'kontor-sealer',
      signal,
      onRetry,
    },
    async (leading, onProgress) => {
      let tree = await resume(pool, anchors);
      let sealedAt = -Infinity;
      while (!leading.aborted) {
        const waiting = Number(await readHead(pool)) - tree.size;
        const isDue = waiting >= MAX_SEAL_EVENTS || (waiting > 0 && performance.now() - sealedAt >= SEAL_INTERVAL_MS);
        if (isDue) {
          const leaves = await readLeaves(pool, tree.size, MAX_SEAL_EVENTS);
          const oldSize = tree.size;
          const full = leaves.flatMap((leaf) => tree.append(leaf));
          const [size, root] = [tree.size, tree.root()];
          const text = formatCheckpoint({ origin: signers[0].name, size, root });
          const note = formatNote(
            text,
            signers.map((signer) => signer.sign(text)),
          );
          const saved = await saveSeal(pool, oldSize, { size, root, note }, [...full, ...tree.partialTiles()]);
          if (saved) anchors?.keep({ size, note });
          else tree = await resume(pool, anchors);
          sealedAt = performance.now();
          onProgress();
        } else await pause(HEAD_POLL_MS, leading);
      }
    },
  );

/** The tree of the newest checkpoint. A log must never sign a checkpoint that an earlier one contradicts. */
const resume = async (pool: pg.Pool, anchors: Anchors | undefined): Promise<TileTree> => {
  if (anchors) await refuseRewound(pool, anchors);
  const seal = await readSeal(pool);
  if (!seal) return new TileTree();
  const head = await readHead(pool);
  if (head < BigInt(seal.size)) throw new LogRewound(seal.size, `the log ends at position ${head}`);
  const tree = TileTree.resume(seal.size, await readTiles(pool, partialTilesOf(seal.size)));
  if (!equalHashes(tree.root(), seal.root)) throw new LogRewound(seal.size, 'its tiles have another root');
  return tree;
};
