export { type ChainPublisher, chainPublisher } from './chain-publisher.js';
export { connectNats } from './connect.js';
export { fromMessage, type StoredEvent, toMessage, toRecorded } from './envelope.js';
export { BadMessage, ChainBroken, FeedRefused, MessagingError, StreamRefused, TailRemoved } from './errors.js';
export { eventFeed, type EventFeedOptions } from './event-feed.js';
export {
  ASSERTION_HEADER,
  COMMAND_TIMEOUT_MS,
  commandReply,
  type CommandReply,
  type CommandRequest,
  type ReceivedCommand,
  sendCommand,
  serveCommands,
  type ServeOptions,
} from './request-reply.js';
export {
  ensureStreams,
  EVENTS_STREAM,
  eventsStream,
  type LogIdentity,
  ROUTES_BUCKET,
  TELEMETRY_STREAM,
  telemetryStream,
} from './streams.js';
export {
  ALL_EVENTS,
  ALL_TELEMETRY,
  commandSubject,
  commandSubjects,
  eventSubject,
  inferenceSubject,
  labelSubject,
} from './subjects.js';
export {
  consumeTelemetry,
  type ConsumeTelemetryOptions,
  publishTelemetry,
  type TelemetryMessage,
} from './telemetry.js';
