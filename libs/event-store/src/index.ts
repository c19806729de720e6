export { APPEND_DEADLINE_MS } from './append-batcher.js';
export { MAX_BATCH_BYTES, MAX_EVENT_BYTES } from './append-request.js';
export {
  advanceCheckpoint,
  type CheckpointClaim,
  claimCheckpoint,
  type ConsumerId,
  ensureCheckpoints,
  LEASE_MS,
  lockCheckpoint,
  readCheckpoints,
  renewCheckpoint,
} from './checkpoints.js';
export {
  CheckpointLost,
  CommandIdOutsideWindow,
  ConsistencyTimeout,
  DatabaseRefused,
  EventStoreError,
  GapInBatch,
  isTransient,
  LogForked,
  MigrationRefused,
  ProjectionFailed,
  QueueFull,
  StoreUnavailable,
  TimeInFuture,
  TooLarge,
} from './errors.js';
export { createEventStore, createPool, type EventStoreOptions, type PostgresEventStore } from './event-store.js';
export { entryText, leafHash } from './leaf.js';
export { tailLog, type TailOptions } from './log-tail.js';
export { migrate } from './migrate.js';
export { positionAtTime } from './position-at-time.js';
export { LOGIN_ROLES, type PreparedDatabase, prepareDatabase, type PrepareOptions } from './prepare-database.js';
export { appliedChannel, runProjections, type RunProjectionsOptions } from './projection-runner.js';
export { readRawPage } from './read-all.js';
export { type AnyProjection, type ColumnType, ensureReadModels, OPEN_END, type ReadModel } from './read-model.js';
export { type RelayOptions, type RelayTarget, runRelay } from './relay.js';
export type { RawEvent } from './rows.js';
export { inTransaction } from './transaction.js';
export { type ReadModelVerdict, verifyReadModels, type VerifyOptions } from './verify-read-models.js';
export { type AppliedPosition, createAppliedPosition, DEFAULT_WAIT_MS, MAX_WAIT_MS } from './wait-until-processed.js';
