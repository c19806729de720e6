import { hostname } from 'node:os';
import type { Position, RecordedEvent } from '@kontor/event-sourcing';
import type pg from 'pg';
import {
  advanceSql,
  type CheckpointClaim,
  claimCheckpoint,
  isClaimMoved,
  LEASE_MS,
  refreshClaims,
  renewCheckpoint,
} from './checkpoints.js';
import { GapInBatch, isTransient, ProjectionFailed } from './errors.js';
import { pause } from './pause.js';
import { PlannerStatistics } from './planner-statistics.js';
import { type Changes, foldBatches, writeChanges } from './projection-store.js';
import { type ReadModel, tablesOf } from './read-model.js';

const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 5_000;
/** Two signs of life may fail before the lease runs out. */
const RENEW_MS = Math.floor(LEASE_MS / 3);

export interface RunProjectionsOptions {
  readonly pool: pg.Pool;
  readonly schema: string;
  /** Their tables must exist: see `ensureReadModels`. */
  readonly readModels: readonly ReadModel[];
  /** All events after a position, in order and without a gap: `(after) => tailLog({ pool, after, upcasters, signal })`. */
  readonly batches: (after: Position) => AsyncIterable<readonly RecordedEvent[]>;
  readonly signal: AbortSignal;
  /** Called after each commit with the position that all read models have reached. */
  readonly onApplied?: (position: Position) => void;
  /** Called when PostgreSQL failed in a way that passes, before the next try. */
  readonly onRetry?: (error: unknown, delayMs: number) => void;
  /** Who holds the checkpoints. A process with the same owner takes over at once; another one waits for the lease. */
  readonly owner?: string;
}

/** The channel on which a committed batch is announced. The payload is the position that all read models have reached. */
export const appliedChannel = (schema: string): string => `${schema}_applied`;

/**
 * Applies the log to all read models of a schema until the signal aborts: each batch in one transaction with the
 * checkpoints, so every event has exactly one effect however often it is delivered.
 *
 * Failures that pass (a lost session, a held lease) are tried again from the checkpoint, without end.
 *
 * @throws ProjectionFailed, GapInBatch, or whatever else does not pass by itself. Nothing of that batch was applied.
 */
export const runProjections = async (options: RunProjectionsOptions): Promise<void> => {
  const { signal } = options;
  let backoffMs = FIRST_BACKOFF_MS;
  while (!signal.aborted) {
    try {
      await runOnce(options, () => (backoffMs = FIRST_BACKOFF_MS));
      return;
    } catch (error) {
      if (signal.aborted) return;
      if (!isTransient(error)) throw error;
      options.onRetry?.(error, backoffMs);
      await pause(backoffMs, signal);
      backoffMs = Math.min(backoffMs * 2, MAX_BACKOFF_MS);
    }
  }
};

const runOnce = async (options: RunProjectionsOptions, onProgress: () => void): Promise<void> => {
  const { pool, schema, readModels, signal, owner = hostname() } = options;
  let claims: readonly CheckpointClaim[] = [];
  for (const { projection } of readModels) {
    const { name, version } = projection;
    claims = [...claims, await claimCheckpoint(pool, { schema, name, version, owner })];
  }
  let delivered = least(claims.map((claim) => claim.position));
  options.onApplied?.(delivered);

  const statistics = new PlannerStatistics(pool);
  const idle = new AbortController();
  const renewal = renew(options, claims, idle.signal);
  try {
    for await (const batch of options.batches(delivered)) {
      refuseGap(batch, delivered);
      // Where a rebuild has taken all read models further, the batches still come one after the other.
      delivered = batch.at(-1)?.position ?? delivered;
      const applied = await applyToAll(options, claims, batch);
      claims = applied.claims;
      onProgress();
      options.onApplied?.(least(claims.map((claim) => claim.position)));
      await statistics.keepTrue(applied.changes);
      if (signal.aborted) break;
    }
  } finally {
    idle.abort();
    await renewal;
  }
};

const least = (positions: readonly Position[]): Position =>
  positions.reduce((low, position) => (position < low ? position : low), positions[0] ?? 0n);

const refuseGap = (batch: readonly RecordedEvent[], after: Position): void => {
  let expected = after;
  for (const { position } of batch) {
    expected += 1n;
    if (position !== expected) throw new GapInBatch(expected, position);
  }
};

/**
 * Keeps the leases while no batch comes. Never rejects: a sign of life that failed is given again, and a lease that is
 * lost for good is found by the fence of the next batch.
 */
const renew = async (
  { pool, onRetry }: RunProjectionsOptions,
  claims: readonly CheckpointClaim[],
  signal: AbortSignal,
): Promise<void> => {
  for (;;) {
    await pause(RENEW_MS, signal);
    if (signal.aborted) return;
    try {
      for (const claim of claims) await renewCheckpoint(pool, claim);
    } catch (error) {
      onRetry?.(error, RENEW_MS);
    }
  }
};

/**
 * Two round trips: one reads the rows that the batch touches, one writes them and moves the checkpoints, all or nothing.
 *
 * @returns the claims after it, and what it changed.
 */
const applyToAll = async (
  options: RunProjectionsOptions,
  claims: readonly CheckpointClaim[],
  batch: readonly RecordedEvent[],
): Promise<{ readonly claims: readonly CheckpointClaim[]; readonly changes: readonly Changes[] }> => {
  const { pool, schema, readModels } = options;
  const last = batch.at(-1)?.position ?? 0n;
  let changes: readonly Changes[];
  try {
    changes = await foldBatches(
      pool,
      readModels.map((readModel, index) => {
        const done = claims[index]?.position ?? 0n;
        const fresh = batch.filter(({ position }) => position > done);
        return { readModel, tables: tablesOf(schema, readModel.projection), batch: fresh };
      }),
    );
    await writeChanges(pool, changes, advanceSql(schema, claims, last, appliedChannel(schema)));
  } catch (error) {
    if (!isClaimMoved(error) && !(error instanceof ProjectionFailed)) throw error;
    // A rebuild has put rows in place that are further than ours were: some of the batch is in them. The fold may have
    // met such a row before the write could be refused.
    const present = await refreshClaims(pool, schema, claims);
    if (present.every(({ position }, index) => position === claims[index]?.position)) throw error;
    return await applyToAll(options, present, batch);
  }
  const moved = claims.map((claim) => ({ ...claim, position: last > claim.position ? last : claim.position }));
  return { claims: moved, changes };
};
