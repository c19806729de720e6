import { EventStoreError, type Position } from '@kontor/event-sourcing';
import pg from 'pg';

/** The append queue is full: nothing was written. Becomes 503 with Retry-After. */
export class QueueFull extends EventStoreError {
  readonly retryable = true;
  constructor(readonly retryAfterMs: number) {
    super(`too many appends are waiting; try again in ${retryAfterMs} ms`);
  }
}

/** PostgreSQL did not answer before the deadline. The append may have happened; sending the same ids again is safe. */
export class StoreUnavailable extends EventStoreError {
  readonly retryable = true;
  constructor(message: string, cause: unknown) {
    super(message, { cause });
  }
}

/** The key store does not answer: personal data can be neither encrypted nor read. Nothing was written. */
export class KeysUnavailable extends EventStoreError {
  readonly retryable = true;
  constructor(cause: unknown) {
    super('the key store does not answer; send the same again', { cause });
  }
}

/** A key that the log names is unknown, or was wrapped by another key-encryption key: store, log and key file do not belong together. */
export class KeyUnusable extends EventStoreError {
  readonly retryable = false;
}

/** A legal hold keeps what was to be destroyed. Nothing was. */
export class OnLegalHold extends EventStoreError {
  readonly retryable = false;
  constructor(
    readonly workspace: string,
    readonly legalHolds: readonly string[],
  ) {
    super(`${workspace} is on legal hold: ${legalHolds.join(', ')}`);
  }
}

/** A read model did not reach the wanted position in time. */
export class ConsistencyTimeout extends EventStoreError {
  readonly retryable = true;
  constructor(
    readonly reached: bigint,
    readonly wanted: bigint,
    readonly retryAfterMs: number,
  ) {
    super(`the read models are at position ${reached}, wanted is ${wanted}`);
  }
}

/** A moment that has not come yet has no position. */
export class TimeInFuture extends EventStoreError {
  readonly retryable = false;
  constructor(readonly time: string) {
    super(`${time} lies in the future; a position can be asked for the past only`);
  }
}

/** Target and log hold different events at one position, or nobody knows: one of them was restored or rewritten. */
export class LogForked extends EventStoreError {
  readonly retryable = false;
  constructor(
    readonly position: bigint,
    readonly logEventId: string | undefined,
    readonly targetEventId: string | undefined,
  ) {
    super(
      `position ${position} is event ${targetEventId ?? 'that it dropped and nobody vouches for'} at the target and ${logEventId ?? 'missing'} in the log; ` +
        'make a new generation of the target',
    );
  }
}

/** A checkpoint was signed for a log that this is not any more: the database was restored or rewritten. */
export class LogRewound extends EventStoreError {
  readonly retryable = false;
  constructor(
    readonly sealedSize: number,
    problem: string,
  ) {
    super(
      `a checkpoint of ${sealedSize} events was signed, but ${problem}: restore the newest backup, or begin a new epoch with "kontor new-epoch --yes"`,
    );
  }
}

/** Another owner holds the lease of a consumer, or took it over while we worked. */
export class CheckpointLost extends EventStoreError {
  readonly retryable = true;
  constructor(
    readonly consumer: string,
    readonly heldBy: string | undefined,
  ) {
    super(`the checkpoint of ${consumer} is held by ${heldBy ?? 'another process'}`);
  }
}

/** A batch did not begin right after the checkpoint, or has a hole. Applying it would lose events. */
export class GapInBatch extends EventStoreError {
  readonly retryable = false;
  constructor(
    readonly expected: bigint,
    readonly got: bigint,
  ) {
    super(`expected the event at position ${expected}, got position ${got}`);
  }
}

/** A projection threw, or met a row version from the event's own future. Nothing of the batch was applied. */
export class ProjectionFailed extends EventStoreError {
  readonly retryable = false;
  constructor(
    readonly where: {
      readonly projection: string;
      readonly position: bigint;
      readonly streamId: string;
      readonly eventType: string;
    },
    cause: unknown,
  ) {
    super(
      `projection ${where.projection} failed at position ${where.position} (${where.eventType} of ${where.streamId}): ` +
        (cause instanceof Error ? cause.message : String(cause)),
      { cause },
    );
  }
}

/** The database cannot be migrated by this program: it is newer, or a released migration was edited. */
export class MigrationRefused extends EventStoreError {
  readonly retryable = false;
}

/** The database breaks the promise of the append, or belongs to another log. */
export class DatabaseRefused extends EventStoreError {
  readonly retryable = false;
}

// Classes of SQLSTATE after which the same statement may succeed: connection, rollback, resources, operator, I/O.
const TRANSIENT_CLASSES = new Set(['08', '40', '53', '57', '58']);
// Lock not available (a frozen holder of the head row) and read-only transaction (a fail-over under way).
const TRANSIENT_CODES = new Set(['55P03', '25006']);

/**
 * Whether a failure of PostgreSQL passes by itself: the connection broke, the server restarts, a lock was held.
 *
 * Anything that the driver throws and that is not an answer of the server is a broken connection.
 */
export const isTransient = (error: unknown): boolean => {
  if (error instanceof EventStoreError) return error.retryable;
  if (error instanceof TypeError || error instanceof RangeError) return false;
  if (!(error instanceof pg.DatabaseError)) return true;
  const code = error.code ?? '';
  return TRANSIENT_CLASSES.has(code.slice(0, 2)) || TRANSIENT_CODES.has(code);
};

/** Positions were archived while they were read. Nothing is lost: whoever begins again gets them from the archive. */
export class ArchivedMeanwhile extends EventStoreError {
  readonly retryable = true;
  constructor(after: Position, through: Position) {
    super(`positions ${after + 1n} to ${through} were archived while they were read; begin again`);
  }
}
