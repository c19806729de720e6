// The base of the errors below; callers look at `retryable`.
export { EventStoreError } from '@kontor/event-sourcing';
export { APPEND_DEADLINE_MS } from './append-batcher.js';
export { ArchiveDamaged, ArchiveMissing } from './archive/archive-directory.js';
export {
  type ArchiveOptions,
  archivePartition,
  type ArchiveProgress,
  ArchiveRefused,
  dropArchived,
  type LogArchive,
  partitionsBefore,
} from './archive/archive-partition.js';
export { holdsOn, type LegalHold } from './archive/legal-holds.js';
export {
  advanceCheckpoint,
  type CheckpointClaim,
  claimCheckpoint,
  type ConsumerId,
  ensureCheckpoints,
  LEASE_MS,
  listCheckpoints,
  lockCheckpoint,
  readCheckpoints,
  renewCheckpoint,
} from './checkpoints.js';
export {
  CheckpointLost,
  ConsistencyTimeout,
  DatabaseRefused,
  GapInBatch,
  isTransient,
  KeysUnavailable,
  KeyUnusable,
  LogForked,
  LogRewound,
  MigrationRefused,
  OnLegalHold,
  ProjectionFailed,
  QueueFull,
  StoreUnavailable,
  TimeInFuture,
} from './errors.js';
export type { Parity } from './compare-builds.js';
export { createEventStore, createPool, type EventStoreOptions, type PostgresEventStore } from './event-store.js';
export { PersonalData, type PersonalDataOptions } from './erasure/personal-data.js';
export { keyStoreUrl } from './erasure/prepare-key-store.js';
export { type Leadership, leadUntilAborted } from './leader.js';
export { type LogAlarm, readLogAlarms } from './log-alarms.js';
export { tailLog, type TailOptions } from './log-tail.js';
export { migrate } from './migrate.js';
export { positionAtTime } from './position-at-time.js';
export { LOGIN_ROLES, type PreparedDatabase, prepareDatabase, type PrepareOptions } from './prepare-database.js';
export { appliedChannel, runProjections, type RunProjectionsOptions } from './projection-runner.js';
export { copyEvents, copyRawEvents, type CopyRange } from './read-copy.js';
export { readEvent, readHead, readRawPage } from './read-all.js';
export { type AnyProjection, type ColumnType, OPEN_END, type ReadModel } from './read-model.js';
export {
  ensureReadModels,
  type Rebuilt,
  rebuildReadModel,
  type RebuildOptions,
  type RebuildProgress,
} from './rebuild-read-model.js';
export { readRelayed, type RelayOptions, type RelayTarget, runRelay } from './relay.js';
export type { RowsDigest } from './row-versions.js';
export type { RawEvent } from './rows.js';
export { type Anchors, openAnchors, refuseRewound } from './sealing/anchors.js';
export {
  type CosignerOptions,
  isCosigned,
  runCosigner,
  type WitnessAnswer,
  WitnessRefused,
} from './sealing/cosigner.js';
export { exportCheckpoint, exportLog, exportRange, exportStreams, unknownStreams } from './sealing/export-log.js';
export { beginEpoch, type NewEpoch } from './sealing/new-epoch.js';
export { runSealer, type SealerOptions } from './sealing/sealer.js';
export { readSeal, readTilePrefix, readTiles, type Seal } from './sealing/seal-store.js';
export { type SecretName, SecretStore } from './secret-store.js';
export { shared } from './shared.js';
export { inTransaction } from './transaction.js';
export { type ReadModelVerdict, verifyReadModels, type VerifyOptions } from './verify-read-models.js';
export { type AppliedPosition, createAppliedPosition, DEFAULT_WAIT_MS } from './wait-until-processed.js';
