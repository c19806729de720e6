export { type ChainPublisher, chainPublisher } from './chain-publisher.js';
export { connectNats } from './connect.js';
export { fromMessage, type StoredEvent, toMessage } from './envelope.js';
export { BadMessage, ChainBroken, FeedRefused, MessagingError, StreamRefused, SubscriberInvalid } from './errors.js';
export { eventFeed, type EventFeedOptions } from './event-feed.js';
export { type NatsPermissions, natsPermissions } from './permissions.js';
export {
  ASSERTION_HEADER,
  COMMAND_TIMEOUT_MS,
  type CommandReply,
  type CommandRequest,
  type ReceivedCommand,
  sendCommand,
  serveCommands,
  type ServeOptions,
} from './request-reply.js';
export {
  deleteEventsStream,
  ensureStreams,
  EVENTS_STREAM,
  type LogIdentity,
  ROUTES_BUCKET,
  TELEMETRY_STREAM,
} from './streams.js';
export {
  addSubscriber,
  listSubscribers,
  removeSubscriber,
  type Subscriber,
  type SubscriberFilter,
  subscriberOf,
  subscriberPermissions,
  subscriberUser,
} from './subscribers.js';
export { inferenceSubject, isInference, isLabel, labelSubject } from './subjects.js';
