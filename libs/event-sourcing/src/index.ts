export { AppendChain } from './append-chain.js';
export { claimKey, MAX_BATCH_BYTES, MAX_EVENT_BYTES, type PreparedCommand, prepareCommand } from './append-request.js';
export {
  type Actor,
  ADMIN,
  type Command,
  type CommandMetadata,
  type CommandOf,
  type CommandSchemas,
  mayAdminister,
} from './command.js';
export { outsideWindow } from './command-window.js';
export { type AnyDecider, type Context, type Joint, type Route, routes } from './context.js';
export { type Decider, fold, unreachable } from './decider.js';
export { type Decision, isRejected, reject, type Rejected, type Rejection } from './decision.js';
export type { DomainEvent, EventMeta, EventOf, EventSchemas, NewEvent, Recorded, RecordedEvent } from './event.js';
export { CommandIdOutsideWindow, EventStoreError, TooLarge } from './errors.js';
export type {
  Accepted,
  AppendRequest,
  AppendResult,
  Claim,
  EventStore,
  ExpectedVersion,
  Guard,
  Write,
} from './event-store.js';
export { InMemoryEventStore } from './in-memory-event-store.js';
export { eventJsonSchema, eventSchemaId } from './json-schema.js';
export {
  countPersonal,
  type Encrypted,
  type EncryptedText,
  encryptedTextsIn,
  ERASED,
  looksEncrypted,
  personal,
  PERSONAL_ANNOTATION,
  personalFields,
  replacedAt,
  valueAt,
  withoutEncryptedTexts,
} from './personal.js';
export { BEGINNING, latest, parsePosition, type Position } from './position.js';
export type { Projection } from './projection.js';
export type { ReactionCommand, Reactions } from './reaction.js';
export { parseStreamId, streamId, type StreamId, type StreamParts } from './stream-id.js';
export { newestVersion, readData, upcast, type Upcaster, type Upcasters } from './upcast.js';
